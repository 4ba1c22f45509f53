"""Open a few simulated cases with who reported them, each as far on its way as its place in the list says."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import NAMESPACE_URL, uuid5

from sqlalchemy import Connection, Row, text

from ingest.simulate.departments import department_code
from ingest.simulate.parameters import CaseTemplate, Parameters, WorkerRule
from ingest.simulate.persons import identity_number_of, phone_of, store_person
from ingest.simulate.sites import rank
from ingest.simulate.staff import worker_name
from twin.access.persons import Person
from twin.access.roles import Act
from twin.access.sealing import Sealer
from twin.cases.acting import READ, clocks_of, event_of, state_of, store
from twin.cases.categories import open_category
from twin.cases.clocks import clocks_at
from twin.cases.deciding import decide
from twin.cases.parties import Party, Told
from twin.cases.states import CaseState, Stage
from twin.dispatch.assignments import Choice
from twin.model.case import REPORTED_SOURCES
from twin.store.journal import append_now

_STAGES: Final = (
    Stage.FILED,
    Stage.DISPATCHED,
    Stage.HANDLING,
    Stage.HANDLING,
    Stage.FEEDBACK,
    Stage.COLLECTED,
)
_WAY: Final = ("file", "dispatch", "take", "report_done")
_STALE: Final = timedelta(hours=24)
_PLAYER: Final = "模拟 simulated"
_ALL: Final = frozenset(act for act in Act if act.value.startswith("case."))
_WHO, _OTHER = (Party(uuid5(NAMESPACE_URL, name), _PLAYER, _ALL) for name in ("player", "other player"))

_DEVICES = text(
    """
    SELECT id, uid, address, address_en, ST_X(geom) AS lon, ST_Y(geom) AS lat FROM device
    WHERE simulated AND valid_to IS NULL AND kind = :kind AND responsibility_grid_id IS NOT NULL
    """
)
_OPEN = text(f"{READ} WHERE simulated AND outcome IS NULL ORDER BY id FOR NO KEY UPDATE")
_FIND = text(f"{READ} WHERE number = :number FOR NO KEY UPDATE")
_STORE = text(
    """
    INSERT INTO case_file (number, title, title_en, category_code, source, priority, geom, address,
                           unit_grid_id, responsibility_grid_id, reporter_id, opened_at, stage_since,
                           stage_due_at, clock_at, simulated)
    SELECT :number, :title, :title_en, :category_code, :source, :priority, d.geom, d.address, d.unit_grid_id,
           d.responsibility_grid_id, :reporter_id, :at, :at, :stage_due_at, :clock_at, true
    FROM device d WHERE d.id = :device
    """
)
_WORKER = text(
    """
    SELECT w.id FROM worker AS w JOIN case_file AS c ON c.responsibility_grid_id = w.responsibility_grid_id
    WHERE c.id = :case ORDER BY NOT w.on_duty, w.id LIMIT 1
    """
)

_DEPARTMENT = text("SELECT id FROM organisation WHERE simulated AND code = :code")


def site_cases(
    connection: Connection, sealer: Sealer, parameters: Parameters, seed: int, *, chinese: bool
) -> int:
    """Open the cases of ``[siting.cases]`` beside devices of their kind and return how many are open.

    Each template has one open case. One that is a day overdue is void and another is opened, so that a
    demonstration started again after a week does not begin with a list of old cases. Whatever happens to them
    happens by the acts of people, in the journal.
    """
    rule = parameters.siting.cases
    now = datetime.now(UTC)
    open_now = set()
    for row in connection.execute(_OPEN).all():
        state = state_of(row)
        if state.due_at is not None and state.due_at < now - _STALE and state.linked_to is None:
            _play(connection, row.number, [("void", _WHO, now), ("grant", _OTHER, now)])
        else:
            open_now.add(row.number.rpartition("-")[2])
    for n in range(rule.count):
        template = rule.templates[n % len(rule.templates)]
        place = f"{n + 1:04d}"
        devices = connection.execute(_DEVICES, {"kind": template.near}).all()
        if place in open_now or not devices:
            continue
        # The order by hash is stable under siting more devices only by chance; the number is what holds.
        device = min(devices, key=lambda d: rank(seed, f"{place}/{d.uid}"))
        _open(connection, sealer, parameters, seed, n, template, device, chinese=chinese, now=now)
        open_now.add(place)
    return len(open_now)


def _open(
    connection: Connection,
    sealer: Sealer,
    parameters: Parameters,
    seed: int,
    n: int,
    template: CaseTemplate,
    device: Row[Any],
    *,
    chinese: bool,
    now: datetime,
) -> None:
    """Open a case some time ago and bring it on its way."""
    number = f"SIM-{now:%Y%m%d}-{n + 1:04d}"
    # Most are within their time; one in five is past it.
    part = (rank(seed, number) % 1000) / 1000.0
    age = timedelta(hours=template.due_h) * (1.05 + 0.1 * part if n % 5 == 4 else 0.1 + 0.8 * part)
    opened_at = now - age
    reporter_id = None
    if template.source in REPORTED_SOURCES:
        home = device.address if chinese else device.address_en
        reporter = _reporter(parameters.siting.workers, seed, n, home or "", chinese=chinese)
        reporter_id = store_person(connection, sealer, f"case/{number}", reporter)
    state = clocks_at(device.lon, device.lat).started(
        CaseState(category_code=template.category_code, priority=template.priority, stage_since=opened_at)
    )
    connection.execute(
        _STORE,
        {
            "number": number,
            "title": f"{template.zh}（模拟）",
            "title_en": f"{template.en} (simulated)",
            "category_code": template.category_code,
            "source": template.source,
            "priority": template.priority,
            "reporter_id": reporter_id,
            "at": opened_at,
            "stage_due_at": state.stage_due_at,
            "clock_at": state.clock_at,
            "device": device.id,
        },
    )
    row = connection.execute(_FIND, {"number": number}).one()
    state = state_of(row)
    append_now(connection, [event_of(row, "case.reported", CaseState(), state, _PLAYER, Told())])
    way = _WAY[: tuple(Stage).index(_STAGES[n % len(_STAGES)])]
    times = (opened_at + age * (step + 1) / (len(way) + 2) for step in range(len(way)))
    acts = [(move, _WHO, at) for move, at in zip(way, times, strict=True)]
    department = None
    if template.by_department:
        about = open_category(template.category_code, now.date()).responsible
        department = connection.execute(_DEPARTMENT, {"code": department_code(about)}).scalar()
    _play(connection, number, acts, department)


def _play(
    connection: Connection,
    number: str,
    acts: Iterable[tuple[str, Party, datetime]],
    department: int | None = None,
) -> None:
    """Let simulated people act on a case; a department, or the worker of its grid, is who handles it."""
    for move, who, at in acts:
        row = connection.execute(_FIND, {"number": number}).one()
        worker = None if department else connection.execute(_WORKER, {"case": row.id}).scalar()
        told = Told(
            reason="演示重新开始", note="已处理（模拟）", worker_id=worker, organisation_id=department
        )
        state = state_of(row)
        decision = decide(state, move, who, told, clocks=clocks_of(row), now=at)
        store(connection, [(row, state, decision)], told, who.name, Choice(behind=True))


def _reporter(rule: WorkerRule, seed: int, number: int, home: str, *, chinese: bool) -> Person:
    """Invent who reported a case."""
    surnames, given = (rule.surnames_zh, rule.given_zh) if chinese else (rule.surnames_en, rule.given_en)
    # From the end: the first names are those of workers.
    name, _ = worker_name(rule, seed, len(surnames) * len(given) - 1 - number, chinese=chinese)
    room = 101 + 100 * (number % 6) + number % 4
    return Person(
        name=name,
        phone=phone_of(number),
        identity_number=identity_number_of(number) if number % 2 else None,
        address=f"{home}{1 + number % 3}单元{room}室" if chinese else f"{home}, Apt. {room}",
    )
