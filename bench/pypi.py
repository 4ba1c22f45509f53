"""Install pinned Python packages of a peer into an environment of its own, once."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from twin.errors import SetupError


def install_python_packages(
    packages: Sequence[str], folder: Path, progress: Callable[[str], None], base: Path | None = None
) -> Path:
    """Install packages into an environment in `folder`; does nothing when it is done already.

    Parameters
    ----------
    base
        The Python it is made of; ours when not given.

    Returns
    -------
    Its Python.

    Raises
    ------
    SetupError
        The environment could not be made, or pip could not install them.
    """
    python = folder / "bin" / "python"
    mark = folder / ".installed"
    wanted = hashlib.sha256(" ".join((*packages, str(base or ""))).encode()).hexdigest()
    if mark.is_file() and mark.read_text(encoding="ascii") == wanted:
        return python
    progress(f"installing {', '.join(packages)} (once)")
    for command in (
        [str(base or sys.executable), "-m", "venv", "--clear", str(folder)],
        [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *packages],
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            lines = (done.stderr or done.stdout).strip().splitlines()
            raise SetupError(
                f"{packages[0]} could not be installed: {lines[-1] if lines else 'pip said nothing'}",
                where=str(folder),
                hint="the benchmark needs the Python package index once",
            )
    mark.write_text(wanted, encoding="ascii")
    return python
