"""What a partner's system may do wrong, and where its address may lead: told apart and bounded."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import ipaddress
import socket
import ssl
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from api.exchange import posting
from api.exchange.posting import Answered, Posting, read_address
from api.exchange.telling import Telling
from tests.api.exchange.receiver import answer, drip, hang, huge, receiving
from twin.address_ranges import read_ranges
from twin.errors import InvalidError
from twin.exchange import owing
from twin.exchange.owing import Failed
from twin.exchange.retrying import OLDEST, Failure, asked_wait_s
from twin.exchange.telling import Owed
from twin.store.sockets import free_tcp_port

HERE = "127.0.0.0/8"


async def post(address: str, ranges: str = HERE, *, reads: bool = False) -> Answered | Failed:
    opened = Posting(read_ranges(ranges, "partner_ranges"))
    try:
        async with opened.line(address) as line:
            return await line.ask("POST", address, {}, b"{}", reads=reads)
    finally:
        opened.close()


def certificate(folder: Path, host: str) -> ssl.SSLContext:
    """Make a key and a certificate that vouches for itself, for a host; return what a server shows."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(host))]), False)
        .sign(key, hashes.SHA256())
    )
    (folder / "certificate.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "certificate.pem", folder / "key.pem")
    return context


@pytest.mark.parametrize(
    ("status", "failure"),
    [(500, Failure.STATUS), (404, Failure.STATUS), (410, Failure.GONE), (301, Failure.REDIRECTED)],
)
async def test_statuses_are_told_apart(status, failure) -> None:
    async with receiving() as receiver:
        receiver.behave = answer(status)
        assert await post(receiver.url) == Failed(failure, status)


async def test_a_redirect_is_not_followed_wherever_it_leads() -> None:
    async with receiving() as receiver, receiving() as elsewhere:
        receiver.behave = answer(307, Location=elsewhere.url)
        assert (await post(receiver.url)).failure is Failure.REDIRECTED
        assert (len(receiver.came), elsewhere.came) == (1, [])


async def test_a_wait_that_is_asked_for_is_read() -> None:
    async with receiving() as receiver:
        receiver.behave = answer(429, Retry_After="120")
        assert await post(receiver.url) == Failed(Failure.STATUS, 429, 120.0)


@pytest.mark.parametrize("behave", [hang, drip])
async def test_whoever_hangs_or_drips_is_cut_off_in_time(monkeypatch, behave) -> None:
    monkeypatch.setattr(posting, "ANSWER_S", 0.4)
    async with receiving() as receiver:
        receiver.behave = behave
        begun = time.monotonic()
        assert await post(receiver.url) == Failed(Failure.TIMEOUT)
        assert time.monotonic() - begun < 2.0


async def test_an_answer_without_an_end_is_read_no_farther_than_allowed() -> None:
    async with receiving() as receiver:
        receiver.behave = huge
        answered = await post(receiver.url, reads=True)
        assert (answered.status, len(answered.body), answered.whole) == (200, posting.MOST_BYTES, False)


async def test_what_is_no_http_and_what_nobody_listens_at() -> None:
    async def noise(_came, writer):
        writer.write(b"220 mail.example ESMTP\r\n\r\n")
        await writer.drain()

    async with receiving() as receiver:
        receiver.behave = noise
        assert (await post(receiver.url)).failure is Failure.BROKEN
    assert (await post(f"http://127.0.0.1:{free_tcp_port()}/")).failure is Failure.UNREACHABLE
    assert (await post("https://partner.invalid/", "public")).failure is Failure.UNKNOWN_HOST


@pytest.mark.parametrize(
    ("address", "ranges"),
    [
        ("https://127.0.0.1:{port}/", "public"),
        ("https://[::ffff:127.0.0.1]:{port}/", "public"),
        ("https://localhost:{port}/", "public"),
        ("https://169.254.169.254/latest/", "public,10.0.0.0/8"),
        ("http://8.8.8.8/", "public"),  # plain http only in networks of one's own
        ("http://127.0.0.1:{port}/", "10.0.0.0/8"),
        ("http://127.0.0.1:{port}/", ""),
    ],
)
async def test_nothing_is_sent_outside_the_ranges(address, ranges) -> None:
    async with receiving() as receiver:
        assert await post(address.format(port=receiver.port), ranges) == Failed(Failure.NOT_ALLOWED)
        assert receiver.serving == []


async def test_a_name_is_judged_by_what_it_resolves_to_when_it_is_connected_to(monkeypatch) -> None:
    answers = iter(["127.0.0.1", "10.9.9.9"])

    def resolve(host, port, **_):
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (next(answers), port))]

    async with receiving() as receiver:
        monkeypatch.setattr(socket, "getaddrinfo", resolve)
        address = f"http://partner.example:{receiver.port}/"
        assert (await post(address)).status == 200
        assert await post(address) == Failed(Failure.NOT_ALLOWED)
        assert receiver.came[0].headers["host"] == f"partner.example:{receiver.port}"


async def test_a_certificate_must_be_good(monkeypatch, tmp_path) -> None:
    for number, (host, trusted) in enumerate(
        (("127.0.0.1", False), ("127.0.0.2", True), ("127.0.0.1", True))
    ):
        folder = tmp_path / str(number)
        folder.mkdir()
        context = certificate(folder, host)
        monkeypatch.setenv("SSL_CERT_FILE", str(folder / "certificate.pem") if trusted else "/dev/null")
        async with receiving(context) as receiver:
            came = await post(receiver.url)
            is_good = trusted and host == "127.0.0.1"
            assert isinstance(came, Answered) is is_good
            assert is_good or came == Failed(Failure.CERTIFICATE)


async def test_a_name_server_that_is_silent_holds_nobody_else_up(monkeypatch) -> None:
    monkeypatch.setattr(posting, "ANSWER_S", 0.5)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: time.sleep(0.8) or [])
    opened = Posting(read_ranges("public", "partner_ranges"))

    async def ask(number: int) -> Answered | Failed:
        async with opened.line("https://a.example/") as line:
            return await line.ask("POST", f"https://silent-{number}.example/", {}, b"{}")

    waiting = [asyncio.create_task(ask(number)) for number in range(40)]
    await asyncio.sleep(0.1)
    begun = time.monotonic()
    await asyncio.to_thread(lambda: None)
    assert time.monotonic() - begun < 0.3, "the threads that everybody else uses are free"
    assert {one.failure for one in await asyncio.gather(*waiting)} == {Failure.TIMEOUT}
    opened.close()


@pytest.mark.parametrize(
    "address",
    ["ftp://a.example/", "https://", "https://u:p@a.example/", "https://a.example/#x", "https://a.example:0/",
     "https://a.example/ b", "https://例.example/", "https://a.example/\r\nx", "https://a/" + "x" * 500,
     "a.example"],
)  # fmt: skip
def test_what_is_no_address_is_refused_without_repeating_it(address) -> None:
    with pytest.raises(InvalidError) as refused:
        read_address(address)
    assert refused.value.where == "address"
    assert "u:p" not in str(refused.value)


@pytest.mark.parametrize(
    "said",
    [
        "Mon, 01 Jan 99999999999999999999 00:00:00 GMT",
        "Mon, 01 Jan 2026 00:00:00 +99999999999999999999",
        "Mon, 99 Jan 2026",
        "soon",
        "",
    ],
)
def test_a_wait_that_is_no_moment_is_not_kept(said) -> None:
    assert asked_wait_s(said, datetime.datetime.now(datetime.UTC)) is None


async def test_what_stands_behind_an_event_that_is_not_old_is_not_parked_with_it(monkeypatch) -> None:
    now, parked = datetime.datetime.now(datetime.UTC), []

    @contextlib.asynccontextmanager
    async def database():
        yield None

    async def kept(*_values) -> bool:
        return True

    async def park(_connection, _partner, seqs, _failed, **_values) -> bool:
        parked.extend(seqs)
        return True

    monkeypatch.setattr(owing, "note_failed", kept)
    monkeypatch.setattr(owing, "park", park)
    partner = SimpleNamespace(sent_seq=0, tries=0, next_try_at=None, begun_at=now - 9 * OLDEST)
    days = (9, 9, 0, 9)  # the clock was put back, and then on
    owed = [Owed(n, now - datetime.timedelta(days=old), "case.noted", 1, {}) for n, old in enumerate(days, 1)]
    telling = Telling(partner, None, database, asyncio.Event())
    assert await telling._note_failed(owed, Failed(Failure.TIMEOUT), now)
    assert parked == [1, 2]
