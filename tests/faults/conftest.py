"""Give fault tests a whole installation whose database and server they may stop and kill."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that the accounts of PostgreSQL and mosquitto can enter."""
    made = Path(tempfile.mkdtemp(prefix="gridtwin-faults-"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made, ignore_errors=True)
