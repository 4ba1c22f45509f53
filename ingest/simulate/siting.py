"""Put what is simulated into the imported city by documented rules: devices, what moves, cases, networks."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from sqlalchemy import Connection

from ingest.simulate.cases import site_cases
from ingest.simulate.city import City, read_city
from ingest.simulate.compounds import site_compounds
from ingest.simulate.departments import site_departments
from ingest.simulate.gates import site_gates
from ingest.simulate.networks import site_networks
from ingest.simulate.parameters import Parameters, load_parameters
from ingest.simulate.placements import PLACEMENTS
from ingest.simulate.register import DeviceRow, ensure_dataset, speak_for_cameras, store_devices
from ingest.simulate.rules import site_rules
from ingest.simulate.sites import Site
from ingest.simulate.staff import site_workers
from ingest.simulate.vehicles import site_vehicles
from twin.access.sealing import Sealer
from twin.catalog import Catalog, load_catalog
from twin.errors import InvalidError
from twin.sight import update_sight

DEFAULT_SEED = 20261121
"""Seed of the demonstration; the same seed, city and number give the same devices."""


@dataclass(slots=True)
class SitingSummary:
    """What siting did. ``asked`` is the wish, ``sited`` what the city has room for; the counts of rows add
    up: ``sited + workers + vehicles = inserted + updated + unchanged``.
    """

    asked: int
    sited: int = 0
    by_kind: dict[str, int] = field(default_factory=dict)
    workers: int = 0
    vehicles: int = 0
    rules: int = 0
    cases: int = 0
    network_lines: int = 0
    compounds: int = 0
    gates: int = 0
    inserted: int = 0
    updated: int = 0
    unchanged: int = 0
    closed: int = 0
    outside_every_grid: int = 0
    real_cameras: int = 0
    warnings: list[str] = field(default_factory=list)

    @property
    def changed(self) -> bool:
        """Whether anything in the database was changed."""
        return bool(self.inserted or self.updated or self.closed)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for ``--json``."""
        return asdict(self)


def site_devices(
    connection: Connection,
    sealer: Sealer,
    *,
    total: int | None = None,
    seed: int = DEFAULT_SEED,
    parameters: Parameters | None = None,
    catalog: Catalog | None = None,
) -> SitingSummary:
    """Put devices, what moves, a few cases and rules into the city; the same call twice changes nothing.

    Nothing is committed: the caller's transaction makes it whole. Devices of an earlier siting that the
    new one does not have are closed (``valid_to``), never deleted.

    Parameters
    ----------
    sealer
        Seals the made-up phones of workers and who reported a case, as of real ones.
    total
        How many devices (workers and vehicles come on top); None follows from the size of the city.
    seed
        Decides the order of equal places, names and cases.

    Raises
    ------
    NotFoundError
        No city is in the database.
    InvalidError
        `total` is out of range, or the parameters name a kind or place that does not exist.
    """
    parameters = parameters or load_parameters()
    catalog = catalog or load_catalog()
    if total is not None and not 0 <= total <= parameters.siting.maximum_total:
        raise InvalidError(
            f"{total} devices cannot be simulated",
            where="--devices",
            hint=f"choose a number from 0 to {parameters.siting.maximum_total}",
        )
    city = read_city(connection)
    wanted = default_total(city, parameters) if total is None else total
    plan = plan_devices(city, parameters, catalog, wanted, seed)
    summary = SitingSummary(asked=wanted, real_cameras=city.cameras)
    rows = _rows(city, parameters, plan)
    dataset_id = ensure_dataset(connection)
    people = site_workers(connection, city, parameters, seed)
    vehicles = site_vehicles(city, parameters, seed) if wanted > 0 else []
    counts = store_devices(connection, dataset_id, rows + people.trackers + vehicles)
    people.link(connection, sealer)
    # Nobody else reports for them in a demonstration; with no simulated device there is none.
    speak_for_cameras(connection, speak=wanted > 0)
    summary.by_kind = {kind: len(sites) for kind, sites in plan.items()}
    summary.sited = sum(summary.by_kind.values())
    summary.workers = len(people.trackers)
    summary.vehicles = len(vehicles)
    summary.inserted, summary.updated, summary.unchanged, summary.closed = (
        counts.inserted,
        counts.updated,
        counts.unchanged,
        counts.closed,
    )
    summary.outside_every_grid = counts.outside_every_grid
    site_departments(connection, wanted=wanted > 0)
    summary.rules = site_rules(connection, city, catalog, wanted=wanted > 0)
    summary.cases = site_cases(connection, sealer, parameters, seed, chinese=city.chinese)
    shown = city if wanted > 0 else None
    summary.network_lines = site_networks(connection, dataset_id, shown)
    summary.compounds = site_compounds(connection, dataset_id, shown)
    summary.gates = site_gates(connection, dataset_id)
    if summary.by_kind.get("camera"):
        update_sight(connection)
    if summary.sited < wanted:
        summary.warnings.append(f"the city has room for {summary.sited} devices of the {wanted} asked for")
    return summary


def default_total(city: City, parameters: Parameters) -> int:
    """Return how many devices suit the city when nobody says."""
    siting = parameters.siting
    road_km = float(sum(r.line.length for r in city.roads)) / 1000.0
    fitting = siting.per_building * len(city.buildings) + siting.per_road_km * road_km
    return min(siting.default_total, round(fitting))


def plan_devices(
    city: City, parameters: Parameters, catalog: Catalog, total: int, seed: int
) -> dict[str, list[Site]]:
    """Choose the sites of every kind; pure, so that the same arguments give the same plan.

    Raises
    ------
    InvalidError
        A rule names a kind that the catalogue lacks or a place that no function knows.
    """
    rules = parameters.siting.kinds
    for kind, rule in rules.items():
        if kind not in catalog.by_name:
            raise InvalidError(
                f"there is no kind of device “{kind}”", where=f"simulation.toml siting.kinds.{kind}"
            )
        if rule.place not in PLACEMENTS:
            raise InvalidError(
                f"there is no way of placing “{rule.place}”",
                where=f"simulation.toml siting.kinds.{kind}.place",
                hint="one of " + ", ".join(PLACEMENTS),
            )
    fillers = [kind for kind, rule in rules.items() if rule.fills]
    if len(fillers) != 1:
        raise InvalidError("exactly one kind must have fills = true", where="simulation.toml siting.kinds")
    candidates = {
        kind: PLACEMENTS[rule.place](city, kind, rule, total, seed)[: rule.cap or total]
        for kind, rule in rules.items()
        if not rule.fills
    }
    counts = share_out(
        total, {k: r.share for k, r in rules.items()}, {k: len(c) for k, c in candidates.items()}
    )
    filler = fillers[0]
    filled = PLACEMENTS[rules[filler].place](city, filler, rules[filler], counts[filler], seed)
    plan = {kind: candidates[kind][: counts[kind]] for kind in candidates}
    plan[filler] = filled[: counts[filler]]
    return {kind: plan[kind] for kind in rules}


def share_out(total: int, shares: Mapping[str, float], room: Mapping[str, int]) -> dict[str, int]:
    """Divide a total by shares where some have only so much room (a kind not in `room` has no bound).

    What a full kind leaves goes to the others by their shares, in rounds; whole numbers by largest
    remainder, ties by the order of `shares`. The result adds up to `total`, or to all room there is.
    """
    counts = dict.fromkeys(shares, 0)
    left = total
    while left > 0:
        open_kinds = [k for k in shares if k not in room or counts[k] < room[k]]
        weight = sum(shares[k] for k in open_kinds)
        if not open_kinds or weight <= 0.0:
            break
        ideal = {k: left * shares[k] / weight for k in open_kinds}
        give = {k: int(ideal[k]) for k in open_kinds}
        by_remainder = sorted(open_kinds, key=lambda k: give[k] - ideal[k])
        for k in by_remainder[: left - sum(give.values())]:
            give[k] += 1
        for k in open_kinds:
            more = give[k] if k not in room else min(give[k], room[k] - counts[k])
            counts[k] += more
            left -= more
    return counts


def _rows(city: City, parameters: Parameters, plan: Mapping[str, list[Site]]) -> list[DeviceRow]:
    sites = [(kind, site) for kind, kind_sites in plan.items() for site in kind_sites]
    lon, lat = city.lon_lat(np.array([s.x_m for _, s in sites]), np.array([s.y_m for _, s in sites]))
    rows = []
    for (kind, site), east, north in zip(sites, lon.tolist(), lat.tolist(), strict=True):
        rule = parameters.siting.kinds[kind]
        number = f" {site.number}" if site.number else ""
        rows.append(
            DeviceRow(
                source_ref=site.ref,
                uid=device_uid(kind, site.ref),
                kind=kind,
                name=f"{site.place_zh} {rule.zh}{number}（模拟）",
                name_en=f"{site.place_en} {rule.en}{number} (simulated)",
                lon=east,
                lat=north,
                height_m=round(site.height_m, 2),
                floor=site.floor,
                bearing_deg=site.bearing_deg,
                building_id=site.building_id,
                address=site.place_zh,
                address_en=site.place_en,
            )
        )
    return rows


def device_uid(kind: str, ref: str) -> str:
    """Return the uid of a simulated device: ``sim-KIND-`` and 10 letters of a hash of its place (50 bits)."""
    digest = hashlib.blake2b(ref.encode(), digest_size=10).digest()
    return f"sim-{kind}-{base64.b32encode(digest).decode().lower()[:10]}"
