"""Read the devices that the simulator speaks for, as columns, and tell which gateway carries which."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, text

from ingest.simulate.parameters import TrafficParameters
from ingest.simulate.sites import rank
from ingest.simulate.vehicles import VEHICLE, drive_of
from twin.catalog import SLOTS, Catalog
from twin.crs import to_local_metres
from twin.errors import NotFoundError

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

DIRECT = -1
"""Gateway number of a device that sends for itself."""

_CELL_M = 200.0
"""Devices of one gateway stand close together: gateways are filled cell by cell, row by row."""

# A real device is spoken for only where siting has marked its readings as made up.
_DEVICES = text(
    """
    SELECT d.uid, d.kind, d.source_ref, d.expected_interval_s, coalesce(d.building_id, 0) AS building_id,
           ST_X(d.geom) AS lon, ST_Y(d.geom) AS lat
    FROM device d WHERE d.valid_to IS NULL AND (d.simulated OR d.readings_simulated)
    ORDER BY d.uid
    """
)


@dataclass(frozen=True)
class Fleet:
    """All devices as columns of one length, in the order of their uids.

    Attributes
    ----------
    lower, upper, decimals
        Physical range and decimals of each property, shape (n, 4); NaN where there is no such slot.
    gateway
        Number of the gateway, `DIRECT` for those that send for themselves. Vehicles have one of their own.
    drives
        Of vehicles how they drive, a row of ``[drive]``; "" of all else.
    """

    uids: list[str]
    kinds: list[str]
    interval_s: Floats
    x_m: Floats
    y_m: Floats
    building: Integers
    gateway: Integers
    is_worker: NDArray[np.bool_]
    lower: Floats
    upper: Floats
    decimals: Floats
    center: tuple[float, float]
    drives: list[str]

    def __len__(self) -> int:
        return len(self.uids)

    @property
    def is_vehicle(self) -> NDArray[np.bool_]:
        """Which of them drive."""
        return np.array([bool(how) for how in self.drives], bool)

    @property
    def gateways(self) -> int:
        """How many gateways there are."""
        return int(self.gateway.max(initial=DIRECT)) + 1

    @property
    def slots(self) -> Integers:
        """How many properties each device has."""
        return np.asarray(np.isfinite(self.lower).sum(axis=1), np.int64)


def read_fleet(connection: Connection, catalog: Catalog, traffic: TrafficParameters, seed: int) -> Fleet:
    """Read the present devices that are simulated, and the real ones whose readings are.

    Raises
    ------
    NotFoundError
        There is none.
    """
    found = [r for r in connection.execute(_DEVICES).mappings() if r["kind"] in catalog.by_name]
    if not found:
        raise NotFoundError(
            "there are no simulated devices",
            where="table device",
            hint="import a city, then run gridtwin simulate with --devices N",
        )
    kinds = [catalog.by_name[r["kind"]] for r in found]
    lon = np.array([r["lon"] for r in found], np.float64)
    lat = np.array([r["lat"] for r in found], np.float64)
    center = float((lon.min() + lon.max()) / 2.0), float((lat.min() + lat.max()) / 2.0)
    x, y = to_local_metres(*center)[0](lon, lat)
    bounds = np.full((3, len(found), SLOTS), np.nan)
    for row, kind in enumerate(kinds):
        for p in kind.properties:
            bounds[:, row, p.slot] = p.minimum, p.maximum, p.decimals
    uids = [str(r["uid"]) for r in found]
    is_worker = np.array([k.layer == 1 for k in kinds], bool)
    drives = [drive_of(str(r["source_ref"])) if r["kind"] == VEHICLE else "" for r in found]
    is_vehicle = np.array([bool(how) for how in drives], bool)
    return Fleet(
        uids=uids,
        kinds=[k.name for k in kinds],
        interval_s=np.array(
            [r["expected_interval_s"] or k.expected_interval_s for r, k in zip(found, kinds, strict=True)],
            np.float64,
        ),
        x_m=x,
        y_m=y,
        building=np.array([r["building_id"] for r in found], np.int64),
        gateway=_gateways(uids, x, y, is_worker, is_vehicle, traffic, seed),
        is_worker=is_worker,
        lower=bounds[0],
        upper=bounds[1],
        decimals=bounds[2],
        center=center,
        drives=drives,
    )


def direct_uids(fleet: Fleet) -> list[str]:
    """Return the uids of the devices that send for themselves."""
    return [fleet.uids[row] for row in np.flatnonzero(fleet.gateway == DIRECT).tolist()]


def _gateways(
    uids: list[str],
    x: Floats,
    y: Floats,
    is_worker: NDArray[np.bool_],
    is_vehicle: NDArray[np.bool_],
    traffic: TrafficParameters,
    seed: int,
) -> Integers:
    gateway = np.full(len(uids), DIRECT, np.int64)
    fixed = np.flatnonzero(~is_worker & ~is_vehicle)
    single = min(round(traffic.single_share * len(fixed)), traffic.single_most)
    by_hash = sorted(fixed.tolist(), key=lambda r: rank(seed, f"single/{uids[r]}"))
    carried = np.array(sorted(by_hash[single:]), np.int64)
    row, column = np.floor(y[carried] / _CELL_M), np.floor(x[carried] / _CELL_M)
    # Boustrophedon: every other row of cells runs back, so that a gateway never spans the city.
    column = np.where(row % 2 == 0, column, -column)
    order = carried[np.lexsort((carried, column, row))]
    gateway[order] = np.arange(len(order)) // traffic.devices_per_gateway
    # One operator's platform speaks for all vehicles, with their places.
    gateway[is_vehicle] = gateway.max(initial=DIRECT) + 1
    return gateway
