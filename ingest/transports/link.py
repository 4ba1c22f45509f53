"""Hold how the connection to a broker does."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Final

_MOST_GATEWAYS: Final = 10_000  # names come from outside


@dataclass(slots=True)
class Link:
    """The state of one connection.

    ``answering`` is False while a broker that is connected gives no sign of life. ``full`` says that nothing
    is read until what waits is stored. ``waiting`` counts readings.
    ``gateways`` has the time of each gateway's last word, on the monotonic clock, until it says goodbye.
    """

    connected: bool = False
    answering: bool = True
    connections: int = 0
    full: bool = False
    waiting: int = 0
    waiting_bytes: int = 0
    gateways: dict[str, float] = field(default_factory=dict)

    @property
    def reading(self) -> bool:
        """Whether messages are read now."""
        return self.connected and self.answering and not self.full

    def hear_gateway(self, name: str) -> None:
        """Note that a gateway sent something now."""
        if len(self.gateways) >= _MOST_GATEWAYS and name not in self.gateways:
            self.gateways.clear()
        self.gateways[name] = time.monotonic()

    def gateway_silent_s(self, prefix: str) -> float | None:
        """Return the seconds since the last word of any gateway of such a name; None where none speaks."""
        heard_s = max((at for name, at in self.gateways.items() if name.startswith(prefix)), default=None)
        return None if heard_s is None else time.monotonic() - heard_s
