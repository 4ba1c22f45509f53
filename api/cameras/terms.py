"""State what one look at a camera may take, and how long what was seen is shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

LOOK_S: Final = 8.0
"""Longest wait for a picture; a camera without one by then is broken, and says so within 10 s."""

MOST_AT_ONCE: Final = 4
MOST_OF_ONE: Final = 2
"""Looks at once, of all and of one account."""

WAIT_S: Final = 2.0
"""How long a look waits for its place before it is refused."""

WARM_S: Final = 15.0
"""How long a stream plays on after a look, so that the next one is quick."""

OPENED_S: Final = 30.0
"""How long the stream of a camera plays whose details somebody opened who may look at it."""

MOST_WARM: Final = 8
FRESH_S: Final = 1.5
"""A playing stream is shown while its newest picture is not older; else the next one is waited for."""

SHOWN_S: Final = 60.0
"""How long a picture can be fetched after it was taken."""

MOST_SHOWN: Final = 64

PROBE_S: Final = 5.0
"""Longest wait of a probe for a picture."""

WATCHED_S: Final = 5.0
"""Age of a probe after which a camera that somebody watches is probed anew."""

OPENED_ANEW_S: Final = 12.0
"""Details that nobody asked for so long were closed: open ones are asked for every five seconds."""

PROBES_AT_ONCE: Final = 16
SAME_IS_FROZEN: Final = 3
"""So many snapshots in a row that are equal to the byte: sensors have noise, so no two are."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What the process apart may use for one picture, and what it makes of it."""

    edge_px: int = 1920
    quality: int = 80
    memory_bytes: int = 768 << 20
    cpu_s: int = 4


WALL_S: Final = 10.0
"""Only ends what is stuck: a busy machine takes ten times as long for the same work."""

DECODERS: Final = 2
