"""Measure whether acting on a case takes longer while partners are told of it, and what kills lose."""

from __future__ import annotations

import http.client
import json
import random
import shutil
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bench.accounts import make_tokens
from bench.ingest.installation import Installation
from bench.live.child import Child
from bench.live.database import connect
from bench.report import Table, show, spread_ms
from bench.workplace import CommonOptions, option, workplace
from twin.errors import InvalidError, UnavailableError
from twin.store.sockets import free_tcp_port

_WELL: Final = 3
_CONDITIONS: Final = ("nobody", "nobody, again", "three that are well", "three black holes")
_SETTLE_S: Final = 0.7
"""After partners were switched: their tasks are made anew, and the first event has met each of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options(CommonOptions):
    """How many acts, and how often the server is killed."""

    cases: int = option(200, "cases that are acted on")
    rounds: int = option(10, "times each condition is measured, in turns")
    acts: int = option(200, "acts of a round")
    kills: int = option(4, "times the server is killed while partners are told; 0: never")

    def __post_init__(self) -> None:
        if min(self.cases, self.rounds, self.acts) < 1 or self.kills < 0:
            raise InvalidError("--cases, --rounds and --acts must be at least 1, --kills not negative")


def run(options: Options, progress: Callable[[str], None]) -> dict[str, Any]:
    """Act under each condition in turns, then kill the server again and again; account for every event."""
    with workplace(options) as folder:
        own = folder / "exchange"
        shutil.rmtree(own, ignore_errors=True)
        own.mkdir()
        own.chmod(0o755)
        came = own / "came.jsonl"
        specification = {"file": str(came), "well": _WELL}
        with (
            Child.python("receivers", "bench.exchange_receivers", specification, own) as receivers,
            Installation(own / "gridtwin", settings={"GRIDTWIN_PARTNER_RANGES": "127.0.0.0/8"}) as running,
        ):
            ports = json.loads(receivers.answer(20.0))
            _insert_cases(running.cluster.url, options.cases)
            running.start_server()
            (manager,) = make_tokens(running.cluster.url, 1, "manager")
            (admin,) = make_tokens(running.cluster.url, 1, "system_admin")
            operator = _Operator(running.port, manager, options.cases)
            _add_partners(_Asker(running.port, admin), ports)
            acts = _measure(running.cluster.url, operator, came, options, progress)
            killed = _kill(running, operator, came, options.kills, progress) if options.kills else None
            return {"acts": acts, "killed": killed}


def tables(result: Mapping[str, Any]) -> list[Table]:
    """Give the time of an act by who is told of it, and what came of kills."""
    acts = result["acts"]
    first = acts[_CONDITIONS[0]]
    made = [
        Table(
            "An act on a case over HTTP, ms, by who is told of it",
            ("partners", "acts", "p50", "p99", "worst", "p50, times", "p99, times", "messages that came"),
            [
                (
                    name,
                    str(found["count"]),
                    show(found["p50_ms"], 2),
                    show(found["p99_ms"], 2),
                    show(found["max_ms"], 1),
                    f"{found['p50_ms'] / first['p50_ms']:.2f}×",
                    f"{found['p99_ms'] / first['p99_ms']:.2f}×",
                    str(found["delivered"]),
                )
                for name, found in acts.items()
            ],
            (
                "In turns, one act after the other over one connection. “Times”: by “nobody”; how far "
                "“nobody, again” is from 1 is the noise of this run.",
                "Black holes: takes the connection and never answers; refuses it; answers a letter in 0.2 s.",
            ),
        )
    ]
    if result["killed"] is not None:
        killed = result["killed"]
        names = ("kills", "events", "owed", "lost", "came", "came_twice", "changed", "out_of_order")
        made.append(
            Table(
                "The server killed while three partners that are well and three black holes are told",
                (
                    "kills",
                    "events",
                    "owed",
                    "lost",
                    "came",
                    "came twice",
                    "changed",
                    "out of order",
                ),
                [tuple(str(killed[name]) for name in names)],
                (
                    f"All had come {killed['drained_s']:.1f} s after the last act. Owed: events times "
                    "partners that are well. Came twice: by the id of before; changed: by another id or "
                    "body. Out of order: partners to whom an event first came after a later one.",
                ),
            )
        )
    return made


class _Asker:
    """A program that asks over one connection, kept open."""

    def __init__(self, port: int, token: str) -> None:
        self._port = port
        self._headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)

    def ask(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        """Return status and answer; status 0 where nobody answers."""
        try:
            self._connection.request(method, path, json.dumps(body), self._headers)
            answer = self._connection.getresponse()
            return answer.status, json.loads(answer.read() or b"null")
        except (OSError, http.client.HTTPException):
            self._connection.close()
            return 0, None


class _Operator(_Asker):
    """Writes notes into cases, one after the other, and knows at which version each stands."""

    def __init__(self, port: int, token: str, cases: int) -> None:
        super().__init__(port, token)
        self._versions = dict.fromkeys(range(1, cases + 1), 1)
        self._next = 0

    def act(self) -> bool:
        """Do the next act; say whether it is known to be done."""
        cases = len(self._versions)
        number, self._next = self._next % cases + 1, self._next + 1
        body = {"version": self._versions[number], "move": "note", "note": "现场已查看"}
        status, told = self.ask("POST", f"/api/cases/{number}/acts", body)
        if status != 200:
            status, told = self.ask("GET", f"/api/cases/{number}")
            if status == 200:
                self._versions[number] = told["version"]
            return False
        self._versions[number] = told["version"]
        return True


def _insert_cases(url: str, count: int) -> None:
    with connect(url) as connection:
        connection.execute(
            "INSERT INTO case_file (number, title, category_code, source, geom, stage_since, simulated) "
            "SELECT 'B-' || n, '积水', '06010', 'sensor', "
            "ST_SetSRID(ST_MakePoint(104.06, 30.66), 4326), now(), true FROM generate_series(1, %s) AS n",
            [count],
        )


def _add_partners(admin: _Asker, ports: list[int]) -> None:
    named = [(f"well {n}", port) for n, port in enumerate(ports[:_WELL])]
    named += [
        ("hole hangs", ports[_WELL]),
        ("hole drips", ports[_WELL + 1]),
        ("hole refuses", free_tcp_port()),
    ]
    for name, port in named:
        asked = {"kind": "webhook", "name": name, "address": f"http://127.0.0.1:{port}/", "active": False}
        status, told = admin.ask("POST", "/api/partners", asked)
        if status != 201:
            raise UnavailableError(f"a partner could not be made: {status} {told}")


def _switch(url: str, which: str) -> None:
    """Let just the partners of a kind be told, from now on."""
    with connect(url) as connection:
        connection.execute(
            "UPDATE partner SET active = name LIKE %s, version = version + 1, sent_seq = journal_newest(), "
            "begun_at = now(), tries = 0, failing_since = NULL, next_try_at = NULL, last_success_at = NULL",
            [which],
        )


_WHICH: Final = dict(zip(_CONDITIONS, ("-", "-", "well %", "hole %"), strict=True))


def _measure(
    url: str, operator: _Operator, came: Path, options: Options, progress: Callable[[str], None]
) -> dict[str, Any]:
    taken: dict[str, list[float]] = {name: [] for name in _CONDITIONS}
    delivered: Counter[str] = Counter()
    for number in range(options.rounds + 1):
        # Each condition is first as often as last.
        turn = number % len(_CONDITIONS)
        for name in (*_CONDITIONS[turn:], *_CONDITIONS[:turn]):
            _switch(url, _WHICH[name])
            before = len(_read(came))
            operator.act()
            time.sleep(_SETTLE_S)
            for _ in range(options.acts):
                begun = time.perf_counter()
                if not operator.act():
                    raise UnavailableError("an act was refused", where=name)
                if number:  # the first round only warms up
                    taken[name].append(time.perf_counter() - begun)
            time.sleep(_SETTLE_S)
            delivered[name] += len(_read(came)) - before
        progress(f"exchange: round {number} of {options.rounds}")
    return {name: spread_ms(times) | {"delivered": delivered[name]} for name, times in taken.items()}


def _read(came: Path) -> list[list[Any]]:
    """Return what came at partners that are well: name, id, number in the journal, case, digest."""
    lines = came.read_text(encoding="utf-8").split("\n")
    return [json.loads(line) for line in lines[:-1]]


def _kill(
    running: Installation, operator: _Operator, came: Path, kills: int, progress: Callable[[str], None]
) -> dict[str, Any]:
    """Kill the server in full flow; give what of the events of cases came, how often, and in which order."""
    url, random_ = running.cluster.url, random.Random("exchange")
    _switch(url, "%")
    begun_seq, known = _newest(url), len(_read(came))
    done = threading.Event()

    def act() -> None:
        while not done.is_set():
            if not operator.act():
                time.sleep(0.05)

    acting = threading.Thread(target=act, daemon=True)
    acting.start()
    for number in range(kills):
        time.sleep(random_.uniform(1.5, 3.0))
        running.kill_server()
        running.start_server()
        progress(f"exchange: killed {number + 1} of {kills}")
    time.sleep(2.0)
    done.set()
    acting.join(60.0)
    begun = time.monotonic()
    events = _events_after(url, begun_seq)
    wanted = len(events) * _WELL
    while len({(row[0], row[1]) for row in _read(came)[known:]}) < wanted and time.monotonic() - begun < 60.0:
        time.sleep(0.1)
    drained_s = time.monotonic() - begun
    time.sleep(1.0)  # whatever else comes
    return _account(events, _read(came)[known:], kills) | {"drained_s": round(drained_s, 1)}


def _account(events: list[int], rows: list[list[Any]], kills: int) -> dict[str, Any]:
    bodies: dict[tuple[str, str], set[str]] = defaultdict(set)
    numbers: dict[str, dict[int, None]] = defaultdict(dict)
    ids: dict[tuple[str, int], set[str]] = defaultdict(set)
    for name, message_id, seq, _case, digest in rows:
        bodies[name, message_id].add(digest)
        ids[name, seq].add(message_id)
        numbers[name].setdefault(seq)
    return {
        "kills": kills,
        "events": len(events),
        "owed": len(events) * _WELL,
        "lost": sum(len(set(events) - set(seen)) for seen in numbers.values())
        + len(events) * (_WELL - len(numbers)),
        "came": len(rows),
        "came_twice": len(rows) - len(bodies),
        "changed": sum(len(found) > 1 for found in (*bodies.values(), *ids.values())),
        # By the first time each came: of one case the order is that of the journal where that of all is.
        "out_of_order": sum(list(seen) != sorted(seen) for seen in numbers.values()),
    }


def _newest(url: str) -> int:
    with connect(url) as connection:
        row = connection.execute("SELECT journal_newest()").fetchone()
    assert row is not None
    return int(str(row[0]))


def _events_after(url: str, seq: int) -> list[int]:
    with connect(url) as connection:
        rows = connection.execute(
            "SELECT seq FROM journal WHERE seq > %s AND kind LIKE 'case.%%' ORDER BY seq", [seq]
        ).fetchall()
    return [int(str(row[0])) for row in rows]
