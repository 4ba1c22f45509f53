"""Open a few simulated cases with who reported them; their workflow is not played."""

from __future__ import annotations

from sqlalchemy import Connection, text

from ingest.simulate.parameters import Parameters, WorkerRule
from ingest.simulate.persons import identity_number_of, phone_of, store_person
from ingest.simulate.sites import rank
from ingest.simulate.staff import worker_name
from twin.access.persons import Person
from twin.access.sealing import Sealer
from twin.model.case import REPORTED_SOURCES

_STAGES = ("filed", "dispatched", "handling", "handling", "feedback", "collected")
_STREET_STAGES = ("dispatched", "handling", "feedback")

_DEVICES = text(
    """
    SELECT id, uid, address, address_en FROM device
    WHERE simulated AND valid_to IS NULL AND kind = :kind AND responsibility_grid_id IS NOT NULL
    """
)
_STORE = text(
    """
    INSERT INTO case_file AS c (number, title, title_en, category_code, source, stage, priority, geom,
                           address, unit_grid_id, responsibility_grid_id, worker_id, opened_at, due_at,
                           version, simulated)
    SELECT :number, :title, :title_en, :category_code, :source, :stage, :priority, d.geom,
           d.address, d.unit_grid_id, d.responsibility_grid_id,
           CASE WHEN :assigned THEN (SELECT min(w.id) FROM worker w
                WHERE w.responsibility_grid_id = d.responsibility_grid_id AND w.on_duty) END,
           now() - make_interval(mins => :age_min),
           now() - make_interval(mins => :age_min) + make_interval(mins => :due_min), 1, true
    FROM device d WHERE d.id = :device
    ON CONFLICT (number) DO UPDATE SET opened_at = excluded.opened_at, due_at = excluded.due_at
    WHERE c.simulated AND c.version = 1 AND c.closed_at IS NULL
      AND c.due_at < now() - interval '24 hours'
    """
)
_REPORTED = text(
    """
    UPDATE case_file SET reporter_id = :person
    WHERE number = :number AND simulated AND version = 1 AND closed_at IS NULL AND source = :source
    """
)
_COUNT = text("SELECT count(*) FROM case_file WHERE simulated AND closed_at IS NULL")


def site_cases(
    connection: Connection, sealer: Sealer, parameters: Parameters, seed: int, *, chinese: bool
) -> int:
    """Open the cases of ``[siting.cases]`` beside devices of their kind and return how many are open.

    A case keeps its number; one that nobody touched and that is a day overdue is dated anew, so that a
    demonstration started again after a week does not begin with a list of old cases.
    """
    rule = parameters.siting.cases
    for n in range(rule.count):
        template = rule.templates[n % len(rule.templates)]
        number = f"SIM-{n + 1:04d}"
        devices = connection.execute(_DEVICES, {"kind": template.near}).all()
        if not devices:
            continue
        # The order by hash is stable under siting more devices only by chance; the number is what holds.
        device = min(devices, key=lambda d: rank(seed, f"{number}/{d.uid}"))
        stage = _STAGES[n % len(_STAGES)]
        due_min = round(template.due_h * 60)
        # Most are within their time; one in five is past it.
        part = (rank(seed, number) % 1000) / 1000.0
        age_min = round(due_min * (1.05 + 0.1 * part if n % 5 == 4 else 0.1 + 0.8 * part))
        connection.execute(
            _STORE,
            {
                "number": number,
                "title": f"{template.zh}（模拟）",
                "title_en": f"{template.en} (simulated)",
                "category_code": template.category_code,
                "source": template.source,
                "stage": stage,
                "priority": template.priority,
                "assigned": stage in _STREET_STAGES,
                "age_min": age_min,
                "due_min": due_min,
                "device": device.id,
            },
        )
        if template.source in REPORTED_SOURCES:
            home = device.address if chinese else device.address_en
            reporter = _reporter(parameters.siting.workers, seed, n, home or "", chinese=chinese)
            person = store_person(connection, sealer, f"case/{number}", reporter)
            connection.execute(_REPORTED, {"person": person, "number": number, "source": template.source})
    return int(connection.execute(_COUNT).scalar_one())


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
