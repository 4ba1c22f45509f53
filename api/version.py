"""Tell which version of GridTwin this is."""

from __future__ import annotations

import contextlib
import functools
import re
import tomllib
from importlib import metadata
from pathlib import Path

_PROJECT = Path(__file__).resolve().parents[1] / "pyproject.toml"


def version_line() -> str:
    """Give the line of ``--version``: the version, and the commit where this is a git checkout."""
    found = commit()
    return f"gridtwin {version()} (commit {found})" if found else f"gridtwin {version()}"


def commit() -> str:
    """Give the first twelve digits of the commit that is checked out; "" where that is not known.

    Read from git's own files: the program git may be missing, and takes longer to start.
    """
    try:
        git = _PROJECT.with_name(".git")
        if git.is_file():  # a second work tree names its folder there
            git = (git.parent / git.read_text(encoding="utf-8").removeprefix("gitdir:").strip()).resolve()
        head = (git / "HEAD").read_text(encoding="utf-8").strip()
        if head.startswith("ref:"):
            head = _commit_of(git, head.removeprefix("ref:").strip())
    except (OSError, UnicodeDecodeError):
        return ""
    return head[:12] if re.fullmatch("[0-9a-f]{40,64}", head) else ""


def _commit_of(git: Path, ref: str) -> str:
    shared = git
    with contextlib.suppress(FileNotFoundError):
        shared = (git / (git / "commondir").read_text(encoding="utf-8").strip()).resolve()
    for folder in (git, shared):
        with contextlib.suppress(FileNotFoundError):
            return (folder / ref).read_text(encoding="utf-8").strip()
    for line in (shared / "packed-refs").read_text(encoding="utf-8").splitlines():
        if line.endswith(f" {ref}"):
            return line.split(" ")[0]
    return ""


@functools.cache
def version() -> str:
    """Give the version that pyproject.toml declares; where there is no such file, the installed one."""
    try:
        with _PROJECT.open("rb") as file:
            return str(tomllib.load(file)["project"]["version"])
    except (OSError, KeyError, tomllib.TOMLDecodeError):
        try:
            return metadata.version("gridtwin")
        except metadata.PackageNotFoundError:
            return "unknown"
