"""Serve the application with uvicorn until told to stop."""

from __future__ import annotations

import logging

import uvicorn

from api.live.socket import LIVE_OPTIONS
from api.main import create_app
from api.settings import Settings


def run_server(settings: Settings) -> None:
    """Run the web server in this process; returns when it was told to stop.

    One process: the live board is memory, and what must be agreed lives in PostgreSQL.
    """
    logging.basicConfig(
        level=settings.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    # It tells every packet of the handshake; what matters (the broker comes and goes) the transport says.
    logging.getLogger("gmqtt").setLevel(logging.ERROR)
    uvicorn.run(
        create_app(settings),
        host=settings.host,
        port=settings.port,
        loop="uvloop",
        http="api.connections:BoundedHttp",
        **LIVE_OPTIONS,
        access_log=False,
        log_config=None,
        timeout_graceful_shutdown=5,
        server_header=False,
        # Whoever can reach the port could else say that they come from another address, or by https.
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=settings.trusted_proxies or "",
    )
