"""Staff of an organisation ask every way out: of cases they are told those given to it, and no others."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import httpx
import pytest

from api.access.door import COOKIE
from api.live.client import LiveClient
from tests.access import oracle
from tests.access.world import LAT, LON, World
from tests.api.access.asker import CODE, PERSONS, Asker
from tests.api.conftest import Served, serving
from twin.access.credentials import CredentialKind

pytestmark = [pytest.mark.postgis, pytest.mark.timeout(300)]

_ORGANISATION = "INSERT INTO organisation (code, name, kind) VALUES (%s, %s, 'department') RETURNING id"
LOOK = (LON - 0.1, LAT - 0.1, LON + 0.2, LAT + 0.1)


class Staff(Asker):
    """A client of an organisation's staff, at an area."""

    def __init__(self, http: httpx.AsyncClient, world: World, given: set[int], area: str, level: str) -> None:
        super().__init__(http, world, "department", area, level)
        self.given = given

    def visible(self, table: str) -> set[object]:
        rows, kinds = self.world.rows.get(table, {}), self.world.kinds.get(table, {})
        if table == "responsibility":
            return set()  # no rule names this organisation
        if oracle.data_class(table, next(iter(kinds.values()), "")) == "case":
            return {key for key, code in rows.items() if code in self.given}
        return super().visible(table)

    def may_come_out(self, code: str) -> bool:
        return int(code) in self.given or super().may_come_out(code)


async def test_staff_ask_every_route_and_are_told_of_no_case_but_theirs(new_world, tmp_path):
    database, world = new_world()
    async with serving(database, tmp_path) as served:
        ((own,),) = served.sql(_ORGANISATION, "e", "环卫")
        street = world.areas["street"][0]
        codes = sorted(world.rows["case_file"].values())
        given = {*codes[::20], *codes[:2]}  # in the street, and far away
        assert {oracle.inside(code, street, "street") for code in given} == {True, False}
        for key, code in world.rows["case_file"].items():
            if code in given:
                served.past_triggers("UPDATE case_file SET organisation_id = %s WHERE id = %s", own, key)
        wrong: list[str] = []
        for area, level in ((street, "street"), oracle.WHOLE):
            secret = await served.secret(("department", area), organisation_id=own)
            async with httpx.AsyncClient(
                base_url=served.url, timeout=30.0, cookies={COOKIE: secret}, verify=False
            ) as http:
                wrong += await Staff(http, world, given, area, level).all()
    assert wrong == [], "\n".join(wrong[:40])


@dataclass
class Case:
    """A case as the test believes it to stand."""

    key: int
    code: int
    version: int
    stage: str = "collected"
    holder: int | None = None


@dataclass
class Listener:
    """Somebody at the live socket, and what they should have been told: pairs of subject and kind."""

    name: str
    token: str
    organisation: int | None
    area: tuple[str, str] | None = None
    live: LiveClient = field(init=False)
    wanted: list[tuple[str, str]] = field(default_factory=list)

    def expect(self, case: Case, kind: str, before: int | None, after: int | None) -> None:
        """Note what they should be told of an act, which took the case from one holder to another."""
        subject = f"case/{case.key}"
        in_sight = self.area is not None and oracle.inside(case.code, *self.area)
        if in_sight or (self.organisation is not None and self.organisation == after):
            self.wanted.append((subject, kind))
        elif self.organisation is not None and self.organisation == before:
            self.wanted.append((subject, "case.left"))

    def told(self, live: LiveClient) -> list[tuple[str, str]]:
        return [(event["subject"], event["kind"]) for event in live.events]


_EVENTS = {
    "file": "case.filed",
    "dispatch": "case.dispatched",
    "transfer": "case.transferred",
    "note": "case.noted",
}
_NEXT = {"collected": ("file",), "filed": ("dispatch", "note"), "dispatched": ("transfer", "note")}


async def test_staff_hear_live_of_their_cases_and_of_no_other_also_after_a_time_away(new_world, tmp_path):
    """Cases anywhere are given, taken away and given again at random, while all listen or come back."""
    database, world = new_world()
    chance = random.Random(7)
    async with serving(database, tmp_path) as served:
        ((first,),) = served.sql(_ORGANISATION, "e", "环卫")
        ((second,),) = served.sql(_ORGANISATION, "f", "市政")
        street = world.areas["street"][0]
        rows = world.rows["case_file"].items()
        near = [key for key, code in rows if oracle.inside(code, street, "street")]
        far = [key for key, code in rows if not oracle.inside(code, street, "street")]
        cases = [Case(key, dict(rows)[key], 1) for key in (*near[:2], *far[:1], *far[-2:])]
        listeners = [
            Listener(name, await _token(served, role, area[0], organisation), organisation, reads)
            for name, role, area, organisation, reads in (
                ("first", "department", (street, "street"), first, None),
                ("second", "department", oracle.WHOLE, second, None),
                ("nobody's", "department", (street, "street"), None, (street, "street")),
                ("operator", "operator", (street, "street"), None, (street, "street")),
            )
        ]
        for one in listeners:
            one.live = await _listening(served, one.token)
        begun = served.runtime.hub.journal
        async with await served.signed_in("manager") as manager:
            for _ in range(40):
                case = chance.choice(cases)
                move = chance.choice(_NEXT[case.stage])
                to = chance.choice([one for one in (first, second) if one != case.holder])
                await _act(manager, case, move, to, listeners)
            # The last of all is told to everybody: whoever has it has all that came before.
            while cases[0].holder != first or cases[0].stage != "dispatched":
                to = second if cases[0].holder == first else first
                await _act(manager, cases[0], _NEXT[cases[0].stage][0], to, listeners)
            await _act(manager, cases[0], "transfer", second, listeners)
        for one in listeners:
            await one.live.until(lambda one=one: len(one.live.events) >= len(one.wanted), timeout_s=20)
            assert one.told(one.live) == one.wanted, one.name
            again = await _listening(served, one.token, begun)
            await again.until(lambda a=again, one=one: len(a.events) >= len(one.wanted), timeout_s=20)
            assert one.told(again) == one.wanted, f"{one.name}, who was away"
            for live in (one.live, again):
                for event in live.events:
                    _says_nothing_of_others(event, one, cases)
                await live.close()
        kinds = {kind for one in listeners for _, kind in one.wanted}
        assert kinds >= {"case.dispatched", "case.left", "case.noted"}, "the proof saw what it is about"


async def _token(served: Served, role: str, area: str, organisation: int | None) -> str:
    return await served.secret((role, area), kind=CredentialKind.TOKEN, organisation_id=organisation)


async def _listening(served: Served, token: str, journal: int | None = None) -> LiveClient:
    live = LiveClient(served.live, token=token, layers=())
    live.journal = journal
    await live.connect()
    await live.look(LOOK, 16.0)
    return live


async def _act(manager: httpx.AsyncClient, case: Case, move: str, to: int, listeners: list[Listener]) -> None:
    """Do something that may be done with a case, and note who should hear of it."""
    told: dict[str, object] = {"move": move, "version": case.version}
    before = case.holder
    if move in ("dispatch", "transfer"):
        told["organisation_id"] = case.holder = to
    if move in ("transfer", "note"):
        told["reason" if move == "transfer" else "note"] = f"secret of case {case.key}"
    answer = await manager.post(f"/api/cases/{case.key}/acts", json=told)
    assert answer.status_code == 200, answer.text
    case.version = answer.json()["version"]
    case.stage = {"file": "filed", "note": case.stage}.get(move, "dispatched")
    for one in listeners:
        one.expect(case, _EVENTS[move], before, case.holder)


def _says_nothing_of_others(event: dict, one: Listener, cases: list[Case]) -> None:
    """Check that what is told of a case that left says that, and that no other case is in what is told."""
    text = str(event)
    assert not PERSONS.search(text)
    case = next(case for case in cases if event["subject"] == f"case/{case.key}")
    assert {int(code) for code in CODE.findall(text)} <= {case.code}
    if event["kind"] == "case.left":
        assert event["data"] == {"case_id": case.key, "number": f"C-{case.code:015d}"}
        assert event["area_code"] is None
        assert "secret" not in text
