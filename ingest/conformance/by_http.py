"""Serve the address at which a device under test posts its readings: nothing reaches the twin."""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import secrets
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

from ingest.conformance.bench import Sender
from ingest.conformance.watch import Message, Watch
from ingest.decoders.observations import MAX_BYTES

_MOST_BYTES: Final = 4 * MAX_BYTES
_SOCKET_S: Final = 15.0


class Endpoint:
    """A small server for one sender; it answers the first message with 503, to see it come again.

    Parameters
    ----------
    watch
        Sees every message of who signed in.
    sender
        Who may post.
    host, port
        Where it listens; port 0 takes a free one.
    """

    def __init__(self, watch: Watch, sender: Sender, host: str, port: int) -> None:
        self.password = secrets.token_urlsafe(12)
        self.sender = sender
        self.path = (
            f"/ingest/v1/{'devices' if sender.kind == 'device' else 'gateways'}/{sender.name}/observations"
        )
        self._watch = watch
        self._lock = threading.Lock()
        self._refused: bytes | None = None
        self._unknown = 0
        self._known = 0
        self._again = False
        self._server = ThreadingHTTPServer((host, port), _handler(self))
        self._server.daemon_threads = True
        self.port = int(self._server.server_address[1])

    def listen(self, listen_s: float, say: Callable[[str], None], host: str) -> None:
        """Serve for some time, and note at the end who signed in and who sent again."""
        thread = threading.Thread(target=self._server.serve_forever, name="conformance", daemon=True)
        thread.start()
        self._watch.begin(time.time_ns() // 1000)
        say(f"listening for {listen_s:g} s · 监听 {listen_s:g} 秒")
        say(f"POST      http://{host}:{self.port}{self.path}")
        say(f"user      {self.sender.name}")
        say(f"password  {self.password}")
        try:
            time.sleep(listen_s)
        finally:
            self._server.shutdown()
            self._server.server_close()
            thread.join(5.0)
        self._sum_up()

    def answer(self, path: str, authorization: str, body: bytes) -> tuple[int, dict[str, Any]]:
        """Return status and answer for one request."""
        with self._lock:
            if not self._signs_in(authorization):
                self._unknown += 1
                return 401, {"detail": "no device or gateway is known by this secret"}
            self._known += 1
            if path.partition("?")[0] != self.path:
                self._watch.fail("topic", f"POST 到 {path[:100]!r}", f"POST {path[:100]!r}")
                return 404, {"detail": f"post to {self.path}"}
            self._watch.see("topic")
            if self._refused is None:
                self._refused = body
                return 503, {"detail": "nothing was taken, send it again"}
            self._again = self._again or body == self._refused
            before = self._watch.readings
            self._watch.take(Message(body, time.time_ns() // 1000))
            return 200, {"stored": self._watch.readings - before, "duplicate": 0, "refused": 0, "told": []}

    def _signs_in(self, authorization: str) -> bool:
        scheme, _, given = authorization.partition(" ")
        if scheme.lower() == "bearer":
            return hmac.compare_digest(given.strip().encode(), self.password.encode())
        if scheme.lower() != "basic":
            return False
        try:
            told = base64.b64decode(given.strip(), validate=True)
        except (binascii.Error, ValueError):
            return False
        return hmac.compare_digest(told, f"{self.sender.name}:{self.password}".encode())

    def _sum_up(self) -> None:
        if self._known:
            self._watch.see("sign_in")
        elif self._unknown:
            self._watch.fail(
                "sign_in",
                f"{self._unknown} 个请求，都没有带上面的用户名和密码",
                f"{self._unknown} requests, none with the user and password above",
            )
        if self._refused is not None:
            self._watch.see("again")
            if not self._again:
                self._watch.fail(
                    "again",
                    "第一条报文被答复 503 后没有重发",
                    "the first message was answered 503, and did not come again",
                )


def _handler(endpoint: Endpoint) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = _SOCKET_S

        def do_POST(self) -> None:
            length = self.headers.get("content-length", "")
            if not length.isdecimal() or int(length) > _MOST_BYTES:
                self._send(413, {"detail": f"a message has at most {MAX_BYTES} bytes"})
                return
            body = self.rfile.read(int(length))
            status, told = endpoint.answer(self.path, self.headers.get("authorization", ""), body)
            self._send(status, told)

        def _send(self, status: int, told: dict[str, Any]) -> None:
            content = json.dumps(told).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(content)))
            if status == 503:
                self.send_header("retry-after", "1")
            if status == 401:
                self.send_header("www-authenticate", 'Basic realm="conformance"')
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Say nothing: what came is in the report."""

    return Handler
