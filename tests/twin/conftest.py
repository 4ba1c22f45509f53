"""What tests of the twin share."""

from __future__ import annotations

import pytest

from tests.twin.observing import begin_now


@pytest.fixture
def now_us(monkeypatch) -> int:
    """The moment that the readings of the test are counted from, µs since 1970."""
    return begin_now(monkeypatch)
