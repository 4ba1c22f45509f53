"""Open a few simulated cases, so that the list of cases has rows; their workflow is not played."""

from __future__ import annotations

from sqlalchemy import Connection, text

from ingest.simulate.parameters import Parameters
from ingest.simulate.sites import rank

_STAGES = ("filed", "dispatched", "handling", "handling", "feedback", "collected")
_STREET_STAGES = ("dispatched", "handling", "feedback")

_DEVICES = text(
    """
    SELECT id, uid FROM device
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
_COUNT = text("SELECT count(*) FROM case_file WHERE simulated AND closed_at IS NULL")


def site_cases(connection: Connection, parameters: Parameters, seed: int) -> int:
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
    return int(connection.execute(_COUNT).scalar_one())
