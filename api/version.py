"""Tell which version of GridTwin this is."""

from __future__ import annotations

import functools
import tomllib
from importlib import metadata
from pathlib import Path

_PROJECT = Path(__file__).resolve().parents[1] / "pyproject.toml"


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
