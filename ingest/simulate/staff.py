"""Invent the workers: organisations, names, trackers and grids they answer for, marked as simulated."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import shapely
from sqlalchemy import Connection, text

from ingest.simulate.city import City
from ingest.simulate.organisations import ORGANISATION
from ingest.simulate.parameters import Parameters, WorkerRule
from ingest.simulate.paths import build_paths
from ingest.simulate.persons import phone_of, store_person
from ingest.simulate.register import DeviceRow
from ingest.simulate.sites import rank
from twin.access.persons import Person
from twin.access.sealing import Sealer

TRACKER_HEIGHT_M = 1.5
"""Height above ground of a phone on a belt or in a hand."""

_GRIDS = text(
    """
    SELECT id, code, ST_AsBinary(label_point) AS point,
           (SELECT s.name FROM area s WHERE s.level = 'street' AND s.valid_to IS NULL
            AND ST_Covers(s.geom, a.label_point) ORDER BY s.code LIMIT 1) AS street
    FROM area a WHERE valid_to IS NULL AND level = 'responsibility_grid' ORDER BY code
    """
)
_WORKER = text(
    """
    INSERT INTO worker (code, name, name_en, role, organisation_id, responsibility_grid_id, device_id,
                        person_id, skills, on_duty, simulated, base_point, travels_by)
    SELECT :code, :name, :name_en, :role, :organisation, :grid, d.id, :person, :skills ::jsonb, true, true,
           d.geom, :travels_by
    FROM device d WHERE d.uid = :uid
    ON CONFLICT (code) DO UPDATE SET name = excluded.name, name_en = excluded.name_en, role = excluded.role,
        organisation_id = excluded.organisation_id, responsibility_grid_id = excluded.responsibility_grid_id,
        device_id = excluded.device_id, person_id = excluded.person_id, skills = excluded.skills,
        on_duty = true, base_point = excluded.base_point, travels_by = excluded.travels_by
    """
)
# A week of eight-hour shifts from now on, round the clock; half an hour of rest in the middle of each.
_SHIFTS = text(
    """
    INSERT INTO shift (worker_id, starts_at, ends_at, breaks, simulated)
    SELECT w.id, s.at, s.at + interval '8 hours',
           tstzmultirange(tstzrange(s.at + w.rest, s.at + w.rest + interval '30 minutes')), true
    FROM (SELECT id, make_interval(mins => 195 + 30 * (row_number() OVER (ORDER BY code) % 3)::int) AS rest
          FROM worker WHERE simulated AND code = ANY(:codes)) AS w,
         generate_series(date_trunc('day', now()), now() + interval '7 days', interval '8 hours') AS s (at)
    ON CONFLICT DO NOTHING
    """
)
_CERTIFICATES = text(
    """
    INSERT INTO certificate (worker_id, skill, valid_from, valid_to, simulated)
    SELECT w.id, s.skill, current_date - 300, current_date + 65, true
    FROM worker AS w, jsonb_array_elements_text(w.skills) AS s (skill)
    WHERE w.simulated AND w.code = ANY(:codes)
      AND NOT EXISTS (SELECT FROM certificate AS c WHERE c.worker_id = w.id AND c.skill = s.skill
                      AND coalesce(c.valid_to >= current_date, true))
    """
)
_FORGET = text("DELETE FROM shift WHERE simulated AND ends_at < now() - interval '30 days'")
# Whoever is invented is on duty day and night, and so is their consent.
_DUTY = text(
    """
    INSERT INTO duty (worker_id, starts_at, consent_at, simulated)
    SELECT id, now(), now(), true FROM worker AS w
    WHERE simulated AND code = ANY(:codes)
      AND NOT EXISTS (SELECT FROM duty AS d WHERE d.worker_id = w.id
                      AND (d.ends_at IS NULL OR d.ends_at > now()))
    """
)
_END_DUTY = text(
    """
    UPDATE duty SET ends_at = now(), ended_by = 'simulation' FROM worker AS w
    WHERE w.id = worker_id AND w.simulated AND (ends_at IS NULL OR ends_at > now())
      AND NOT (w.code = ANY(:codes))
    """
)
_DISMISS = text(
    """
    UPDATE worker SET on_duty = false, device_id = NULL
    WHERE simulated AND on_duty AND NOT (code = ANY(:codes))
    """
)


@dataclass(slots=True)
class Staff:
    """Trackers to store as devices, and the workers to link to them afterwards."""

    trackers: list[DeviceRow] = field(default_factory=list)
    workers: list[dict[str, Any]] = field(default_factory=list)

    def link(self, connection: Connection, sealer: Sealer) -> None:
        """Store the workers and their phones; their trackers must be in table ``device`` by now."""
        # First free the trackers: a tracker may change hands, and one tracker has one worker.
        codes = {"codes": [w["code"] for w in self.workers]}
        connection.execute(_END_DUTY, codes)
        connection.execute(_DISMISS, codes)
        for number, worker in enumerate(self.workers):
            # From the end: the first numbers are those of who reports.
            phone = Person(phone=phone_of(-1 - number))
            person = store_person(connection, sealer, f"worker/{worker['code']}", phone)
            connection.execute(_WORKER, {**worker, "person": person})
        for statement in (_DUTY, _FORGET, _SHIFTS, _CERTIFICATES):
            connection.execute(statement, codes)


def site_workers(connection: Connection, city: City, parameters: Parameters, seed: int) -> Staff:
    """Plan the workers of every responsibility grid and store their organisations.

    A tracker starts at the footpath nearest to the middle of its worker's grid; a city without footpaths
    has no workers.
    """
    rule = parameters.siting.workers
    walkable = [r for r in city.roads if r.foot]
    paths = build_paths([r.line for r in walkable], [r.tunnel for r in walkable])
    main = paths.main_component()
    shapely.prepare(city.extent)
    if len(main):
        main = main[np.asarray(shapely.contains_xy(city.extent, paths.xy[main, 0], paths.xy[main, 1]), bool)]
    staff = Staff()
    if not len(main):
        return staff
    grids = [dict(r) for r in connection.execute(_GRIDS).mappings()]
    count = min(max(round(rule.per_grid * len(grids)), rule.minimum), rule.maximum)
    organisations: dict[str, tuple[int, int]] = {}
    for n in range(count):
        # More grids than workers: the grids are walked through evenly; fewer: some have two workers.
        grid = grids[n * len(grids) // count] if grids else None
        street = (grid["street"] if grid else None) or ""
        if street not in organisations:
            organisations[street] = _organisations(connection, street, len(organisations) + 1)
        code = f"SIM-W-{n + 1:03d}"
        if grid:
            point = shapely.get_coordinates(shapely.from_wkb(bytes(grid["point"])))
            x, y = city.to_metres(point[:, 0], point[:, 1])
            node = paths.nearest(float(x[0]), float(y[0]), main)
        else:
            node = int(main[rank(seed, code) % len(main)])
        lon, lat = city.lon_lat(paths.xy[[node], 0], paths.xy[[node], 1])
        zh, en = worker_name(rule, seed, n, chinese=city.chinese)
        uid = f"sim-worker-{n + 1:03d}"
        staff.trackers.append(
            DeviceRow(f"worker/{code}", uid, "worker", zh, en, float(lon[0]), float(lat[0]), TRACKER_HEIGHT_M)
        )
        leader = n % rule.leader_every == 0
        staff.workers.append(
            {
                "code": code,
                "name": zh,
                "name_en": en,
                "role": "grid_leader" if leader else "grid_worker",
                "organisation": organisations[street][0 if leader else 1],
                "grid": grid["id"] if grid else None,
                "skills": '["firefighting", "first_aid"]' if rank(seed, code) % 3 == 0 else "[]",
                # Two of five ride an e-bike, as in the day that dispatch is measured by.
                "travels_by": "ebike" if rank(seed, f"{code}/vehicle") % 5 < 2 else "foot",
                "uid": uid,
            }
        )
    return staff


def worker_name(rule: WorkerRule, seed: int, number: int, *, chinese: bool) -> tuple[str, str]:
    """Return an invented name, marked as such, (zh, en); no two of the first few hundred are the same."""
    surnames, given = (rule.surnames_zh, rule.given_zh) if chinese else (rule.surnames_en, rule.given_en)
    pairs = len(surnames) * len(given)
    # A stride without a common factor with the number of pairs visits each pair once.
    pick = (rank(seed, "names") + number * 137) % pairs
    surname, name = surnames[pick % len(surnames)], given[pick // len(surnames)]
    again = f" {number // pairs + 1}" if number >= pairs else ""
    full = f"{surname}{name}{again}" if chinese else f"{name} {surname}{again}"
    return f"{full}（模拟）", f"{full} (simulated)"


def _organisations(connection: Connection, street: str, number: int) -> tuple[int, int]:
    """Store the office and the patrol of a street ("" where the map has none) and return their ids."""
    base, street_en = street.removesuffix("街道") or "本辖区", street or "District"
    office = connection.execute(
        ORGANISATION,
        {
            "code": f"SIM-O-{number:02d}",
            "name": f"{base}街道办事处（模拟）",
            "name_en": f"{street_en} office (simulated)",
            "kind": "street_office",
            "parent": None,
        },
    ).scalar_one()
    patrol = connection.execute(
        ORGANISATION,
        {
            "code": f"SIM-O-{number:02d}-P",
            "name": f"{base}网格巡查队（模拟）",
            "name_en": f"{street_en} grid patrol (simulated)",
            "kind": "patrol",
            "parent": office,
        },
    ).scalar_one()
    return int(office), int(patrol)
