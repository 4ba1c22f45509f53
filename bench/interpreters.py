"""Find a Python that is new enough for a peer, on a machine whose own may be older."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from twin.errors import SetupError

_NEWEST: Final = 15
_TIMEOUT_S: Final = 20.0
_DOWNLOAD_S: Final = 180.0
_ASK: Final = "import ensurepip, sys; print(sys.executable, *sys.version_info[:2])"


def find_python(least: tuple[int, int], folder: Path, progress: Callable[[str], None]) -> Path:
    """Return a CPython of at least this version: ours, one on this machine, or one that uv can bring.

    Parameters
    ----------
    folder
        Where uv puts one it downloads; nothing of the system changes.

    Raises
    ------
    SetupError
        There is none; what was tried.
    """
    for candidate in _candidates(least):
        if (found := _asked(candidate, least)) is not None:
            return found
    uv = shutil.which("uv")
    if uv is not None:
        progress(f"looking for a Python {least[0]}.{least[1]} with uv")
        return _from_uv(uv, least, folder)
    raise SetupError(
        f"no Python {least[0]}.{least[1]} or newer was found",
        hint="install one, or uv, which can download one",
    )


def _candidates(least: tuple[int, int]) -> Iterator[str]:
    yield sys.executable
    minors = range(least[1], _NEWEST + 1)
    for minor in minors:
        if (found := shutil.which(f"python3.{minor}")) is not None:
            yield found
    # pyenv puts a stub for each on the path that refuses to run those that are not chosen.
    root = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    for minor in minors:
        yield from map(str, sorted(root.glob(f"versions/3.{minor}.*/bin/python")))


def _asked(program: str, least: tuple[int, int]) -> Path | None:
    """Return where an interpreter lies if it runs, can make environments and is new enough."""
    try:
        done = subprocess.run(
            [program, "-I", "-c", _ASK], capture_output=True, text=True, check=False, timeout=_TIMEOUT_S
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    words = done.stdout.rsplit(maxsplit=2)
    if done.returncode != 0 or len(words) != 3:
        return None
    return Path(words[0]) if (int(words[1]), int(words[2])) >= least else None


def _from_uv(uv: str, least: tuple[int, int], folder: Path) -> Path:
    wanted = f"{least[0]}.{least[1]}"
    command = [uv, "python", "install", "--managed-python", "--no-bin", "--install-dir", str(folder), wanted]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_DOWNLOAD_S)
        said = done.stderr
    except subprocess.TimeoutExpired:
        said = f"nothing came within {_DOWNLOAD_S:.0f} s"
    for program in sorted(folder.glob("cpython-3.*/bin/python3")):
        if (found := _asked(str(program), least)) is not None:
            return found
    lines = said.strip().splitlines()
    raise SetupError(
        f"no Python {wanted} or newer was found, and uv brought none: {lines[-1].strip() if lines else ''}",
        hint="install one",
    )
