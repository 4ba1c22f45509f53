from __future__ import annotations

import os
import socket

import pytest

from api.listening import answers, is_loopback, require_listenable, url_of
from twin.errors import SetupError, UnavailableError


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:80"),
        ("0.0.0.0", "http://127.0.0.1:80"),
        ("::", "http://[::1]:80"),
        ("::1", "http://[::1]:80"),
        ("twin.example", "http://twin.example:80"),
    ],
)
def test_the_address_is_one_a_browser_takes(host, url):
    assert url_of(host, 80) == url


def test_only_this_machine():
    assert is_loopback("localhost")
    assert not is_loopback("0.0.0.0")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may listen on any port")
def test_low_port():
    with pytest.raises(SetupError, match="may not listen"):
        require_listenable("127.0.0.1", 81)


def test_a_taken_port_and_another_program_on_it():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(UnavailableError, match=f"port {port} is taken"):
            require_listenable("127.0.0.1", port)
    assert not answers("127.0.0.1", port)
