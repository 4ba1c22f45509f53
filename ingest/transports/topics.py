"""Name the topics of the device schema (``docs/device-schema.md``)."""

from __future__ import annotations

from typing import Final

ROOT: Final = "gt/v1"
"""What every topic begins with."""

SIMULATED_GATEWAY: Final = "sim-gw-"
"""What the name of a simulated gateway begins with."""


def observations_of(sender: str, uid: str) -> str:
    """Return the topic for the observations of a sender, ``devices`` or ``gateways``."""
    return f"{ROOT}/{sender}/{uid}/observations"


def status_of(sender: str, uid: str) -> str:
    """Return the topic for the status of a sender, ``devices`` or ``gateways``."""
    return f"{ROOT}/{sender}/{uid}/status"
