"""Choose the account a server of ours runs under, and check that it can reach its folder."""

from __future__ import annotations

import os
import pwd
import shutil
import stat
from dataclasses import dataclass
from pathlib import Path

from twin.errors import SetupError


@dataclass(frozen=True)
class Account:
    """An account of this machine; `drop` is True when we are root and must become it."""

    uid: int
    gid: int
    name: str
    drop: bool

    def prefix(self, death_signal: str) -> list[str]:
        """Give the command that goes before a server's own command line.

        It drops root, and asks the kernel to send `death_signal` (``INT``, ``TERM``, ``KILL``) to the
        server when the thread that starts it dies, so that a killed parent leaves no orphan.
        """
        follow = follow_parent(death_signal)
        if not self.drop:
            return follow
        if not follow:
            raise SetupError(
                "setpriv is missing, it is needed to run servers without root's rights",
                hint="install the package util-linux, or run as an ordinary user",
            )
        return [*follow[:-1], f"--reuid={self.uid}", f"--regid={self.gid}", "--clear-groups", "--"]

    def own(self, path: Path) -> None:
        """Give a file or folder to this account."""
        if self.drop:
            os.chown(path, self.uid, self.gid, follow_symlinks=False)


def follow_parent(death_signal: str) -> list[str]:
    """Give the command that goes before another so that it gets a signal when its parent dies.

    Empty where the system cannot do it (no setpriv).
    """
    setpriv = shutil.which("setpriv", path="/usr/bin:/bin:/usr/sbin:/sbin")
    return [] if setpriv is None else [setpriv, "--pdeathsig", death_signal, "--"]


def service_account(*names: str, purpose: str) -> Account:
    """Give the account for a server: our own, or when we are root the first that exists of `names`.

    Raises
    ------
    SetupError
        We are root and no such account exists, or our number has no account at all.
    """
    uid = os.geteuid()
    if uid != 0:
        try:
            own = pwd.getpwuid(uid)
        except KeyError:
            raise SetupError(
                f"user number {uid} has no account on this machine, {purpose} refuses to run so",
                where="/etc/passwd",
                hint="run as a user that exists (for containers: add a line for this number to /etc/passwd)",
            ) from None
        return Account(own.pw_uid, own.pw_gid, own.pw_name, drop=False)
    for name in names:
        try:
            found = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(found.pw_uid, found.pw_gid, found.pw_name, drop=True)
    raise SetupError(
        f"{purpose} must not run as root, and the account {names[0]} does not exist",
        hint="run ./gridtwin up, which installs it, or run as an ordinary user",
    )


def require_traversable(folder: Path, account: Account) -> None:
    """Check that an account can enter a folder through all its parents.

    Raises
    ------
    SetupError
        A parent is closed, as /root is to the account `postgres`.
    """
    if not account.drop:
        return
    resolved = folder.resolve()
    for part in (*reversed(resolved.parents), resolved):
        status = part.stat()
        if status.st_uid == account.uid:
            needed = stat.S_IXUSR
        elif status.st_gid == account.gid:
            needed = stat.S_IXGRP
        else:
            needed = stat.S_IXOTH
        if not status.st_mode & needed:
            raise SetupError(
                f"the account {account.name} cannot enter {part}, so no server can run below it",
                where=str(folder),
                hint="choose a --data-dir elsewhere, such as /var/lib/gridtwin",
            )


def require_free_space(folder: Path, needed_mib: int) -> None:
    """Check that a disk has room.

    Raises
    ------
    SetupError
        There is less than `needed_mib` MiB free.
    """
    free_mib = shutil.disk_usage(folder).free // 2**20
    if free_mib < needed_mib:
        raise SetupError(
            f"only {free_mib} MB are free on the disk, {needed_mib} MB are needed",
            where=str(folder),
            hint="make room, or choose a --data-dir on another disk",
        )
