"""Find a PostgreSQL on this machine that has PostGIS and pgRouting."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from twin.errors import SetupError

EXTENSIONS = ("postgis", "pgrouting", "btree_gist")
_DEBIAN_ROOT = Path("/usr/lib/postgresql")


@dataclass(frozen=True)
class PostgresBinaries:
    """One installed PostgreSQL: major version, folder of programs, folder of extensions."""

    major: int
    bin_dir: Path
    extension_dir: Path

    @property
    def missing_extensions(self) -> tuple[str, ...]:
        """Names of the extensions we need that this installation lacks."""
        return tuple(name for name in EXTENSIONS if not (self.extension_dir / f"{name}.control").is_file())


def list_postgres() -> list[PostgresBinaries]:
    """List the installed PostgreSQL versions, newest first."""
    found: dict[int, PostgresBinaries] = {}
    if _DEBIAN_ROOT.is_dir():
        for folder in _DEBIAN_ROOT.iterdir():
            if folder.name.isdigit() and (folder / "bin" / "postgres").is_file():
                share = Path("/usr/share/postgresql") / folder.name / "extension"
                found[int(folder.name)] = PostgresBinaries(int(folder.name), folder / "bin", share)
    pg_config = shutil.which("pg_config")
    if pg_config is not None:
        configured = _from_pg_config(pg_config)
        if configured is not None:
            found.setdefault(configured.major, configured)
    return [found[major] for major in sorted(found, reverse=True)]


def get_postgres(major: int | None = None) -> PostgresBinaries:
    """Give the newest PostgreSQL that has all extensions, or the one of a given major version.

    Parameters
    ----------
    major
        Version that an existing data folder was made with; None for a new one.

    Raises
    ------
    SetupError
        There is none.
    """
    installed = list_postgres()
    if major is not None:
        installed = [binaries for binaries in installed if binaries.major == major]
        if not installed:
            raise SetupError(
                f"this data folder was made by PostgreSQL {major}, which is not installed",
                hint=f"install postgresql-{major} with PostGIS and pgRouting, or use another --data-dir",
            )
    if not installed:
        raise SetupError("PostgreSQL is not installed", hint="run ./gridtwin up, which installs it")
    for binaries in installed:
        if not binaries.missing_extensions:
            return binaries
    best = installed[0]
    raise SetupError(
        f"PostgreSQL {best.major} lacks {', '.join(best.missing_extensions)}",
        where=str(best.extension_dir),
        hint=f"install postgresql-{best.major}-postgis-3 and postgresql-{best.major}-pgrouting",
    )


def _from_pg_config(program: str) -> PostgresBinaries | None:
    try:
        answer = subprocess.run(
            [program, "--bindir", "--sharedir", "--version"],
            capture_output=True,
            text=True,
            check=True,
            timeout=10,
        ).stdout.splitlines()
        bin_dir, share, version = Path(answer[0]), Path(answer[1]), answer[2].split()[1]
        major = int("".join(digit for digit in version.split(".")[0] if digit.isdigit()))
    except (OSError, subprocess.SubprocessError, IndexError, ValueError):
        return None
    if not (bin_dir / "postgres").is_file():
        return None
    return PostgresBinaries(major, bin_dir, share / "extension")
