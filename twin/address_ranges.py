"""Say which addresses of the network may be connected to: ranges that the settings allow."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import Final

from twin.errors import InvalidError

PUBLIC: Final = "public"
"""Stands among ranges for all addresses of the public internet."""

Host = ipaddress.IPv4Address | ipaddress.IPv6Address
_Network = ipaddress.IPv4Network | ipaddress.IPv6Network

# Public by the registry, and yet a way to any IPv4 address, private ones too (RFC 6052, RFC 3056).
_GATES: Final = tuple(ipaddress.ip_network(text) for text in ("64:ff9b::/96", "2002::/16"))


@dataclass(frozen=True, slots=True)
class Ranges:
    """Addresses that may be connected to: those of ``networks``, and where ``public`` all public ones."""

    networks: tuple[_Network, ...] = ()
    public: bool = False

    def allows(self, host: Host) -> bool:
        """Say whether an address may be connected to; an IPv4 address in IPv6 form counts as itself."""
        return self.names(host) or (self.public and _is_public(_plain(host)))

    def names(self, host: Host) -> bool:
        """Say whether an address lies in one of the networks that were written down."""
        plain = _plain(host)
        return not plain.is_unspecified and any(plain in one for one in self.networks)


def _plain(host: Host) -> Host:
    mapped = host.ipv4_mapped if isinstance(host, ipaddress.IPv6Address) else None
    return mapped or host


def _is_public(host: Host) -> bool:
    return host.is_global and not host.is_multicast and not any(host in gate for gate in _GATES)


def read_ranges(text: str, setting: str) -> Ranges:
    """Read ranges of addresses, parted by commas; the word ``public`` is all public addresses.

    Parameters
    ----------
    setting
        What the ranges are a setting of; where one is wrong, the error names it.

    Raises
    ------
    InvalidError
        One is none.
    """
    networks, public = [], False
    for part in filter(None, (part.strip() for part in text.split(","))):
        if part == PUBLIC:
            public = True
            continue
        try:
            networks.append(ipaddress.ip_network(part, strict=False))
        except ValueError as error:
            raise InvalidError(
                f"“{part[:60]}” is no range of addresses", where=setting, hint="for example 10.1.0.0/16"
            ) from error
    return Ranges(tuple(networks), public)


def literal(host: str) -> Host | None:
    """Return the address that a host is written as, None where it is a name."""
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
