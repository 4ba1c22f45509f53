"""Killed at any moment, nothing that was acknowledged is lost or doubled, and the test would see it."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.ingest.kills import kill_in_rounds

pytestmark = [pytest.mark.postgis, pytest.mark.broker, pytest.mark.timeout(600)]


def _say(_line: str) -> None:
    """Tell nobody."""


def check(folder: Path, what: str, rounds: int) -> None:
    found = kill_in_rounds(folder, what, rounds, _say)
    assert (found["lost"], found["duplicated"], found["refused"]) == (0, 0, 0), found
    assert found["acknowledged"] > 500 * rounds, found
    assert max(found["ready_again_s"]) < 15, found


@pytest.mark.parametrize("what", ["server", "database"])
def test_a_kill_loses_nothing(folder: Path, what: str) -> None:
    check(folder, what, 1)


@pytest.mark.slow
@pytest.mark.parametrize("what", ["server", "database"])
def test_ten_kills_lose_nothing(folder: Path, what: str) -> None:
    check(folder, what, 10)


@pytest.mark.slow
def test_a_server_that_does_not_wait_for_the_disk_is_found_out(folder: Path) -> None:
    """The control: without it, that nothing is lost would prove nothing."""
    found = kill_in_rounds(folder, "database", 10, _say, module="bench.ingest.careless")
    assert found["lost"] > 0, found
    assert found["refused"] == 0, found  # what was refused would look like lost
