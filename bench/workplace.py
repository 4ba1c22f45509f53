"""Give a benchmark its folder and the options all have."""

from __future__ import annotations

import contextlib
import dataclasses
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any


def option(default: Any, text: str) -> Any:
    """Declare an option of a benchmark with its help."""
    return dataclasses.field(default=default, metadata={"help": text})


@dataclass(frozen=True, slots=True, kw_only=True)
class CommonOptions:
    """Options of every benchmark."""

    data_dir: str = option("", "folder to work in; a new one, removed at the end, when not given")
    keep: bool = option(False, "keep the folder (logs, recorded plan) when it was made here")


@contextlib.contextmanager
def workplace(options: CommonOptions) -> Iterator[Path]:
    """Give the folder to work in. A folder that was given is kept; what was installed there serves again."""
    if options.data_dir:
        folder = Path(options.data_dir).expanduser().absolute() / "bench"
        folder.mkdir(parents=True, exist_ok=True)
        yield folder
        return
    # Not below a private temporary folder: the database's own account must be able to enter.
    folder = Path(tempfile.mkdtemp(prefix="gridtwin-bench-", dir="/var/tmp"))  # nosec B108  # made for us alone
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        if not options.keep:
            shutil.rmtree(folder, ignore_errors=True)
