"""Run the broker of a contender: the product's with an account a gateway, or a peer's with one for all."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench.live.payload import gateway_name
from ingest.transports.accounts import ensure_publishers
from ingest.transports.admission import Admission
from ingest.transports.broker import Broker
from twin.store.engine import create_engine

SignIns = Sequence[tuple[str, str]]
"""User name and password of each gateway, by its number."""


@contextlib.contextmanager
def product_broker(folder: Path, url: str, gateways: int) -> Iterator[tuple[Broker, SignIns]]:
    """Run the broker as the product does, with an account for each gateway of a plan.

    Parameters
    ----------
    url
        Database of the product, as its owner.
    """
    names = [gateway_name(number) for number in range(gateways)]
    engine = create_engine(url)
    try:
        with engine.begin() as connection:
            secrets = ensure_publishers(connection, names, "gateway")
    finally:
        engine.dispose()
    broker = Broker(folder, 0)
    with Admission(broker, url), broker:
        yield broker, list(secrets.items())


class PeerBroker(Broker):
    """The product's broker and limits, but one account does everything: the peers know no accounts.

    mosquitto is spared the look at rights here, which it does for each message of the product.
    """

    def _configuration(self) -> str:
        lines = super()._configuration().splitlines()
        rights = ("acl_file ", "use_username_as_clientid ")
        return "".join(f"{line}\n" for line in lines if not line.startswith(rights))


@contextlib.contextmanager
def peer_broker(folder: Path, gateways: int) -> Iterator[tuple[Broker, SignIns]]:
    """Run a broker in which all gateways, and who listens, sign in with the broker's own account."""
    with PeerBroker(folder, 0, websockets_port=0) as broker:
        yield broker, [(broker.username, broker.password)] * gateways
