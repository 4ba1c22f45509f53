from __future__ import annotations

import ipaddress

import pytest

from twin.address_ranges import read_ranges
from twin.errors import InvalidError


@pytest.mark.parametrize(
    ("host", "public", "here"),
    [
        ("8.8.8.8", True, False), ("2400:3200::1", True, False), ("::ffff:8.8.8.8", True, False),
        ("10.0.0.1", False, False), ("192.168.1.1", False, False), ("fd00::1", False, False),
        ("127.0.0.1", False, True), ("::ffff:127.0.0.1", False, True), ("::1", False, False),
        ("0.0.0.0", False, False), ("::", False, False),
        # where clouds keep secrets
        ("169.254.169.254", False, False), ("100.100.100.200", False, False), ("fe80::1", False, False),
        # to everybody, and gates to any IPv4 address
        ("224.0.1.1", False, False), ("255.255.255.255", False, False), ("ff02::1", False, False),
        ("64:ff9b::a00:1", False, False), ("2002:a00:1::1", False, False),
    ],
)  # fmt: skip
def test_public_addresses_and_written_ranges_are_allowed_and_no_others(host, public, here) -> None:
    at = ipaddress.ip_address(host)
    assert read_ranges("public", "x").allows(at) is public
    assert read_ranges("127.0.0.0/8", "x").allows(at) is here
    assert read_ranges("public, 127.0.0.0/8", "x").allows(at) is (public or here)
    assert read_ranges("", "x").allows(at) is False


def test_what_is_no_range_is_refused_with_its_setting() -> None:
    with pytest.raises(InvalidError, match=r"10\.0\.0\.0/99") as refused:
        read_ranges("10.0.0.0/99", "partner_ranges")
    assert refused.value.where == "partner_ranges"
