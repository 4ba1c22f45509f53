"""What docs/exchange.md says holds against the product: its signature, its receiver, its tables."""

from __future__ import annotations

import re
import threading
import time
import urllib.error
import urllib.request
from http.server import HTTPServer
from pathlib import Path

import pytest

from twin.errors import InvalidError, SignInNeededError
from twin.exchange import retrying, signing
from twin.exchange.receiving import MOVES

PAPER = (Path(__file__).parents[3] / "docs" / "exchange.md").read_text(encoding="utf-8")
EXAMPLE = dict(re.findall(r"^(secret|webhook-id|webhook-timestamp|body) +(.+)$", PAPER, re.MULTILINE))
SIGNATURE = re.search(r"webhook-signature: (v1,[^ `]{44})`", PAPER)[1]


def test_the_signature_of_the_paper_is_ours() -> None:
    """It is the one that libraries of the standard are tested by."""
    body, at = EXAMPLE["body"].encode(), int(EXAMPLE["webhook-timestamp"])
    assert signing.signature(EXAMPLE["secret"], EXAMPLE["webhook-id"], at, body) == SIGNATURE
    given = {**EXAMPLE, "webhook-signature": f"v1a,x {SIGNATURE}"}
    assert signing.verify(EXAMPLE["secret"], given, body, at + 299) == EXAMPLE["webhook-id"]
    for wrong in (
        {"webhook-signature": SIGNATURE[:-2] + "0="},
        {"webhook-id": "msg.x"},
        {"webhook-timestamp": "x"},
    ):
        with pytest.raises(SignInNeededError):
            signing.verify(EXAMPLE["secret"], given | wrong, body, at)
    with pytest.raises(SignInNeededError):
        signing.verify(EXAMPLE["secret"], given, body + b" ", at)
    with pytest.raises(SignInNeededError):
        signing.verify(EXAMPLE["secret"], given, body, at + 301)
    with pytest.raises(InvalidError):
        signing.signature("whsec_dG9vIHNob3J0", "m", at, body)


def test_the_receiver_of_the_paper_takes_what_we_send_once(capsys) -> None:
    names: dict[str, object] = {}
    exec(re.search(r"```python\n(.*?)```", PAPER, re.DOTALL)[1], names)  # our own paper
    server = HTTPServer(("127.0.0.1", 0), names["Receiver"])
    threading.Thread(target=server.serve_forever, daemon=True).start()

    def send(secret: str) -> int:
        body = b'{"type": "case.taken"}'
        headers = signing.headers(secret, "evt_1", int(time.time()), body)
        request = urllib.request.Request(f"http://127.0.0.1:{server.server_port}/", body, headers)
        try:
            with urllib.request.urlopen(request, timeout=5) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            return error.code

    try:
        assert [send(signing.new_secret()), send(EXAMPLE["secret"]), send(EXAMPLE["secret"])] == [
            401,
            204,
            204,
        ]
    finally:
        server.shutdown()
        server.server_close()
    assert capsys.readouterr().out == "case.taken\n"


def test_the_paper_says_when_it_is_tried_again() -> None:
    assert ", ".join(str(status) for status in sorted(retrying.REFUSED)) in PAPER
    assert [retrying.wait_s(n, None, lambda: 0.0) for n in (1, 2, 3, 9, 10, 99)] == [2, 4, 8, 512, 900, 900]
    assert retrying.wait_s(1, None, lambda: 1.0) == 1.0
    assert retrying.wait_s(1, 120.0, lambda: 0.0) == 120.0
    assert retrying.wait_s(1, 1e9, lambda: 0.0) == 86_400.0
    assert "2, 4, 8, ... s, at most 15 minutes" in PAPER
    assert retrying.OLDEST.days == 3
    acts = PAPER[PAPER.index("## In\n") :]
    assert set(re.findall(r"^\| `case\.(\w+)` \|", acts, re.MULTILINE)) == set(MOVES)
    assert set(retrying.FAILURE_WORDS) == set(retrying.Failure)
