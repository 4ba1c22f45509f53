"""Offer the command line, one file a command."""

from __future__ import annotations

COMMANDS: dict[str, str] = {
    "up": "api.cli.up",
    "serve": "api.cli.serve",
    "simulate": "api.cli.simulate",
    "import": "api.cli.importing",
    "check": "api.cli.check",
    "user": "api.cli.users",
    "duty": "api.cli.duty",
    "device": "api.cli.publishers",
    "gateway": "api.cli.gateways",
    "camera": "api.cli.cameras",
    "conformance": "api.cli.conformance",
    "audit": "api.cli.record",
    "retention": "api.cli.retention",
    "quarantine": "api.cli.quarantine",
    "person": "api.cli.persons",
    "bench": "api.cli.bench",
    "test": "api.cli.testing",
}
"""Name of the command -> module whose ``register(app)`` adds it, in the order of ``--help``."""
