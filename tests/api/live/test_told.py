"""Events, tile notices and closed sockets reach those whom they concern, and nobody else."""

from __future__ import annotations

from uuid import uuid4

import pytest
from tests_live import CATALOG, HERE, LAT, LON, WHOLE, looking, staged
from watching import Watcher
from websockets.exceptions import ConnectionClosed

from api.live.hub import CLOSE_RIGHTS_CHANGED, CLOSE_SIGNED_OUT, Hub
from layers.tiles import TILE_LAYER_BY_NAME
from twin.access.grants import Grants, grants_of
from twin.access.roles import DataClass
from twin.access.scope import EVERYWHERE, Scope
from twin.live.board import Board
from twin.store.journal import Event, Held

WEST = Scope.of_area("510104021000000", "street")
EAST = Scope.of_area("510104022000000", "street")
CODES = {"west": "510104021001001", "east": "510104022002001", "city": "510100000000000", "nowhere": None}
KINDS = ("alarm.raised", "case.reported", "plan.changed", "alarms.counted")
LOOK = (HERE, 16.0, ("devices", "workers"))

READERS: dict[str, tuple[Grants, dict[str, tuple[str, ...]]]] = {
    "all": (WHOLE, dict.fromkeys(KINDS, tuple(CODES))),
    "operator of west": (grants_of([("operator", WEST)]), dict.fromkeys(KINDS, ("west",))),
    "department of west": (
        grants_of([("department", WEST)]),
        {"case.reported": ("west",), "plan.changed": ("west",), "alarms.counted": ("west",)},
    ),
    "planner": (
        grants_of([("planner", EVERYWHERE)]),
        {"plan.changed": tuple(CODES), "alarms.counted": tuple(CODES)},
    ),
    "alarms of east": (Grants(reads={DataClass.ALARM: EAST}), {"alarm.raised": ("east",)}),
    "auditor": (grants_of([("auditor", EVERYWHERE)]), {}),
}


def all_events(first: int) -> list[Event]:
    pairs = [(kind, where) for kind in KINDS for where in CODES]
    return [
        Event(kind, f"device/{n}", {"where": where}, area_code=CODES[where], seq=n)
        for n, (kind, where) in enumerate(pairs, first)
    ]


def may_read(name: str, events: list[Event]) -> list[int]:
    return [e.seq for e in events if e.data["where"] in READERS[name][1].get(e.kind, ())]


def read(watcher: Watcher) -> list[int]:
    return [text["journal"] for text in watcher.wire.texts if text["type"] == "event"]


@pytest.mark.parametrize("name", READERS)
def test_events_reach_who_reads_their_class_at_their_place(name: str) -> None:
    hub = Hub(Board(CATALOG))
    watcher = Watcher(hub, READERS[name][0], LOOK)
    watcher.connect()
    events = all_events(1)
    hub.publish(events)
    assert read(watcher) == may_read(name, events)


@pytest.mark.parametrize("name", READERS)
def test_events_of_the_time_away_are_left_out_in_the_same_way(name: str) -> None:
    hub = Hub(Board(CATALOG))
    before, away, between = all_events(1), all_events(101), all_events(201)
    hub.remember(before)
    hub.publish(away)
    watcher = Watcher(hub, READERS[name][0], LOOK)
    watcher.viewer = hub.join(watcher.wire, watcher.grants, uuid4(), uuid4())
    hub.publish(between)  # after the greeting, before the subscription
    assert read(watcher) == []
    hub.receive(
        watcher.viewer,
        '{"op":"subscribe","bbox":[0,0,1,1],"zoom":16,"resume":{"epoch":1,"tick":0,"journal":100}}',
    )
    gaps = [text for text in watcher.wire.texts if text["type"] == "gap"]
    assert [gap["journal"] for gap in gaps] == [216], "numbers are missing: more was missed than is kept"
    later = all_events(217)
    hub.publish(later)
    assert read(watcher) == may_read(name, later)

    again = Watcher(hub, READERS[name][0], LOOK)
    again.viewer = hub.join(again.wire, again.grants, uuid4(), uuid4())
    hub.receive(
        again.viewer,
        '{"op":"subscribe","bbox":[0,0,1,1],"zoom":16,"resume":{"epoch":1,"tick":0,"journal":216}}',
    )
    assert read(again) == may_read(name, later)


HOLDERS = (Held(), Held(1, None), Held(None, 1), Held(None, 2), Held(2, 1))
"""Nobody, a worker, organisations, a worker of one; numbers of both tables overlap."""

OWNERS = {
    "worker 1": grants_of([("worker", EAST)], worker_id=1),
    "staff of 1": grants_of([("department", EAST)], organisation_id=1),
    "staff of 1, who operates the west": grants_of(
        [("department", EAST), ("operator", WEST)], organisation_id=1
    ),
    "staff of 2": grants_of([("department", WEST)], organisation_id=2),
    "staff of 3": grants_of([("department", EVERYWHERE)], organisation_id=3),
}


def changes_of_holder(first: int) -> list[Event]:
    """Every way from one holder to another, of cases in the west, each with words that must not leak."""
    ways = [(had, has) for had in HOLDERS for has in HOLDERS]
    return [
        Event(
            "case.transferred",
            f"case/{n}",
            {"case_id": n, "number": f"C{n}", "told": {"reason": "secret"}, "changes": _changes(had, has)},
            area_code=CODES["west"],
            seq=n,
            had=had,
        )
        for n, (had, has) in enumerate(ways, first)
    ]


def _changes(had: Held, has: Held) -> dict[str, int | None]:
    names = ("worker_id", "organisation_id")
    return {name: getattr(has, name) for name in names if getattr(had, name) != getattr(has, name)}


def has(name: str, held: Held) -> bool:
    kind, number = name.split(",", maxsplit=1)[0].rsplit(" ", 1)
    return int(number) == (held.worker_id if kind == "worker" else held.organisation_id)


def should_hear(name: str, events: list[Event]) -> list[tuple[int, str]]:
    heard = []
    for event in events:
        if has(name, event.has) or "operates" in name:
            heard.append((event.seq, event.kind))
        elif has(name, event.had):
            heard.append((event.seq, "case.left"))
    return heard


@pytest.mark.parametrize("name", OWNERS)
def test_whoever_a_case_is_given_to_hears_of_it_and_of_its_going_also_after_a_time_away(name: str) -> None:
    hub = Hub(Board(CATALOG))
    watcher = Watcher(hub, OWNERS[name], LOOK)
    watcher.connect()
    before, live = changes_of_holder(1), changes_of_holder(101)
    hub.remember(before)
    hub.journal = 100
    hub.publish(live)
    again = Watcher(hub, OWNERS[name], LOOK)
    again.viewer = hub.join(again.wire, again.grants, uuid4(), uuid4())
    hub.receive(
        again.viewer,
        '{"op":"subscribe","bbox":[0,0,1,1],"zoom":16,"resume":{"epoch":1,"tick":0,"journal":100}}',
    )
    for wire in (watcher.wire, again.wire):
        heard = [text for text in wire.texts if text["type"] == "event"]
        assert [(text["journal"], text["kind"]) for text in heard] == should_hear(name, live)
        for text in heard:
            assert text["kind"] != "case.left" or (
                text["data"] == {"case_id": text["journal"], "number": f"C{text['journal']}"}
                and text["area_code"] is None
            )


def test_an_event_is_framed_once_for_all_who_get_it(monkeypatch) -> None:
    hub = Hub(Board(CATALOG))
    watchers = [Watcher(hub, READERS[name][0], LOOK) for name in READERS for _ in range(3)]
    sent: list[bytes] = []
    for watcher in watchers:
        watcher.connect()
        monkeypatch.setattr(watcher.wire, "push_framed", sent.append)
    hub.publish(all_events(1)[:1])
    assert len(sent) == 6  # three who read all, three of the street
    assert len({id(framed) for framed in sent}) == 1


@pytest.mark.parametrize("layer", TILE_LAYER_BY_NAME)
def test_where_tiles_changed_is_told_to_who_sees_everything(layer: str) -> None:
    hub = Hub(Board(CATALOG))
    watchers = {name: Watcher(hub, grants, LOOK) for name, (grants, _) in READERS.items()}
    for watcher in watchers.values():
        watcher.connect()
    there, world = [104.0, 30.6, 104.1, 30.7], [-180.0, -90.0, 180.0, 90.0]
    hub.announce_tiles([(layer, 17, tuple(there))])
    told = {
        name: [text["bbox"] for text in watcher.wire.texts if text["type"] == "tiles"]
        for name, watcher in watchers.items()
    }
    if layer in {"road", "water", "green"}:
        assert told == {name: [there] for name in READERS}
    else:
        assert told == {
            "all": [there],
            "planner": [there],
            "operator of west": [world],
            "department of west": [world],
            "alarms of east": [],
            "auditor": [],
        }


async def test_sockets_of_an_account_and_of_a_credential_are_closed() -> None:
    async with staged() as stage:
        session = uuid4()
        grants = grants_of([("operator", WEST)])
        urls = {name: stage.let_in(name, grants) for name in ("li.na", "wang.wei", "chen.jie")}
        urls["by-ticket"] = stage.let_in("by-ticket", grants, parent_id=session)
        clients = {name: await looking(stage, url=url) for name, url in urls.items()}
        clients["second window"] = await looking(stage, url=urls["li.na"])
        li_na, wang_wei = stage.identities["li.na"], stage.identities["wang.wei"]
        assert stage.hub.end(li_na.account_id, CLOSE_RIGHTS_CHANGED, "rights changed: come back") == 2
        assert stage.hub.end_credential(wang_wei.credential_id, CLOSE_SIGNED_OUT, "signed out") == 1
        assert stage.hub.end_credential(session, CLOSE_SIGNED_OUT, "signed out") == 1
        assert stage.hub.end(uuid4(), CLOSE_SIGNED_OUT, "nobody") == 0
        codes = {}
        for name in ("li.na", "second window", "wang.wei", "by-ticket"):
            with pytest.raises(ConnectionClosed) as closed:
                await clients[name].until(lambda: False)
            codes[name] = closed.value.rcvd.code
        assert codes == {"li.na": 4403, "second window": 4403, "wang.wei": 4401, "by-ticket": 4401}
        assert {viewer.account_id for viewer in stage.hub.viewers} == {
            stage.identities["chen.jie"].account_id
        }
        await clients["chen.jie"].close()


async def test_who_is_on_the_socket_decides_what_comes_over_it() -> None:
    async with staged() as stage:
        stage.place([1, 2], [LON, LON], [LAT, LAT], codes=[510104021001001, 510104022001001])
        west = await looking(stage, url=stage.let_in("li.na", grants_of([("operator", WEST)])))
        east = await looking(stage, url=stage.let_in("wang.wei", grants_of([("operator", EAST)])))
        whole = await looking(stage)
        await whole.until(lambda: len(whole.state) == 2)
        await west.until(lambda: len(west.state) > 0)
        await east.until(lambda: len(east.state) > 0)
        assert [west.state.things()["id"].tolist(), east.state.things()["id"].tolist()] == [[1], [2]]
        assert len({west.epoch, east.epoch, whole.epoch}) == 3
        for client in (west, east, whole):
            await client.close()
