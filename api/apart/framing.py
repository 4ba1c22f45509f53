"""Frame what goes to a process apart, and what comes back, in big-endian numbers.

The process says `READY` once. It takes for each job `ASKED`, terms as JSON and the body, and answers
`ANSWERED`, facts as JSON and two pictures. A refusal is the fact ``refused`` and two empty pictures.
"""

from __future__ import annotations

import struct
from typing import Final

READY: Final = b"ready\n"

ASKED: Final = struct.Struct(">HI")
"""Lengths of terms and body."""

ANSWERED: Final = struct.Struct(">HII")
"""Lengths of facts, first and second picture."""

MOST_FACTS: Final = 4 << 10
MOST_PICTURE: Final = 16 << 20
JPEG_BEGINS: Final = b"\xff\xd8\xff"
