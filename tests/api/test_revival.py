from __future__ import annotations

from api.revival import BackOff, Kept, Revival
from twin.errors import UnavailableError


def test_back_off_doubles_to_half_a_minute_and_is_forgotten():
    back_off = BackOff()
    assert [back_off.next_wait_s(0) for _ in range(7)] == [1, 2, 4, 8, 16, 30, 30]
    assert back_off.next_wait_s(3600) == 1


class Fragile:
    """A part that ends when told and refuses so many starts."""

    def __init__(self, refusals: int = 0) -> None:
        self.alive = True
        self.refusals = refusals

    def start(self) -> None:
        if self.refusals:
            self.refusals -= 1
            raise UnavailableError("the port is taken")
        self.alive = True


def kept(fragile: Fragile) -> tuple[Revival, Kept, list[str]]:
    said: list[str] = []
    revival = Revival(said.append)
    part = Kept("the part", lambda: fragile.alive, fragile.start, lambda: "exit code 3")
    revival.keep(part)
    return revival, part, said


def test_one_that_ended_is_started_again_after_its_wait_and_that_is_said_once():
    fragile = Fragile()
    revival, part, said = kept(fragile)
    revival.look()
    assert said == []
    fragile.alive = False
    revival.look()
    revival.look()
    assert said == ["the part ended unexpectedly: exit code 3 · starting it again in 1 s"]
    assert not fragile.alive
    part.retry_at_s = 0
    revival.look()
    assert fragile.alive
    assert said[1:] == ["the part was started again"]


def test_one_that_does_not_start_is_tried_again_more_and_more_seldom():
    fragile = Fragile(refusals=2)
    revival, part, said = kept(fragile)
    fragile.alive = False
    for _ in range(4):
        revival.look()
        part.retry_at_s = 0 if part.retry_at_s else None
    assert said == [
        "the part ended unexpectedly: exit code 3 · starting it again in 1 s",
        "the part does not start: the port is taken · starting it again in 2 s",
        "the part does not start: the port is taken · starting it again in 4 s",
        "the part was started again",
    ]


def test_long_life_forgets_former_ends():
    fragile = Fragile()
    revival, part, said = kept(fragile)
    part.back_off.failures = 5
    part.started_s -= 3600
    fragile.alive = False
    revival.look()
    assert said[0].endswith("in 1 s")
