"""Write a file that only its owner can read, whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path


def write_closed(path: Path, content: str) -> None:
    """Write text to a file that is never open to others, not even for a moment."""
    unfinished = path.with_name(path.name + ".new")
    unfinished.unlink(missing_ok=True)
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    unfinished.rename(path)
