"""Make the folder of a PostgreSQL cluster, whole or not at all."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from twin.errors import SetupError
from twin.store.account import Account
from twin.store.postgres_binaries import PostgresBinaries

ROLE = "gridtwin"
"""The cluster's only role: its owner."""

# Nothing of the caller's environment (PGDATA, PGPORT, LANG, ...) may steer the server.
SERVER_ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "TZ": "UTC"}


def holds_cluster(pg_dir: Path) -> bool:
    """Whether a cluster was made in a folder."""
    return (pg_dir / "PG_VERSION").is_file()


def major_of(pg_dir: Path) -> int:
    """Give the major version of PostgreSQL that made a cluster.

    Raises
    ------
    SetupError
        The folder does not say it.
    """
    text = (pg_dir / "PG_VERSION").read_text(encoding="ascii", errors="replace").strip()
    if not text.isdigit():
        raise SetupError("the database folder is damaged: PG_VERSION holds no number", where=str(pg_dir))
    return int(text)


def make_cluster(pg_dir: Path, binaries: PostgresBinaries, account: Account) -> None:
    """Make a cluster beside its place and move it there: half a cluster is never seen.

    Raises
    ------
    SetupError
        The place is taken, or initdb failed; its last line says why.
    """
    if pg_dir.exists():
        raise SetupError(
            "the folder of the database exists but holds no database",
            where=str(pg_dir),
            hint="move it away, or choose another --data-dir",
        )
    unfinished = pg_dir.with_name(pg_dir.name + ".new")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(mode=0o700)
    account.own(unfinished)
    done = subprocess.run(
        [
            *account.prefix("KILL"),
            str(binaries.bin_dir / "initdb"),
            *("-D", str(unfinished), "-U", ROLE, "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8"),
            "--data-checksums",
        ],
        capture_output=True,
        text=True,
        errors="replace",
        cwd="/",
        env=SERVER_ENVIRONMENT,
        start_new_session=True,
        check=False,
    )
    if done.returncode != 0:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise SetupError(
            f"the database could not be made: {_telling_line(done.stderr or done.stdout)}",
            where=str(pg_dir.parent),
            hint="check free disk space and the rights on the data folder",
        )
    # Sockets need no password (their folder is closed to others); TCP does.
    (unfinished / "pg_hba.conf").write_text(
        "local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n", encoding="ascii"
    )
    account.own(unfinished / "pg_hba.conf")
    unfinished.rename(pg_dir)


def _telling_line(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    telling = [line for line in lines if "error" in line.lower() or "could not" in line.lower()]
    return (telling or lines or ["it said nothing"])[-1]
