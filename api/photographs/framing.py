"""Frame what goes to the process that opens pictures, and what comes back, in big-endian numbers.

The process says `READY` once. It takes for each picture `ASKED`, terms as JSON and the body, and answers
`ANSWERED`, facts as JSON, the picture and its thumbnail. A refusal is the fact ``refused`` and two empty
pictures.
"""

from __future__ import annotations

import struct
from typing import Final

READY: Final = b"ready\n"

ASKED: Final = struct.Struct(">HI")
"""Lengths of terms and body."""

ANSWERED: Final = struct.Struct(">HII")
"""Lengths of facts, picture and thumbnail."""
