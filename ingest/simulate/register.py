"""Write simulated devices into the table of devices, as an import would: new, changed, unchanged, closed."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

from sqlalchemy import Connection, text

DATASET = "simulation"
"""Name of the dataset everything simulated belongs to."""


@dataclass(frozen=True, slots=True)
class DeviceRow:
    """A row for table ``device``; lon/lat in degrees WGS 84, height above ground."""

    source_ref: str
    uid: str
    kind: str
    name: str
    name_en: str
    lon: float
    lat: float
    height_m: float
    floor: int | None = None
    bearing_deg: float | None = None
    building_id: int | None = None
    address: str | None = None
    address_en: str | None = None
    expected_interval_s: float | None = None

    @property
    def content_hash(self) -> bytes:
        """What decides whether a later siting changes the row (its grids are compared on their own)."""
        values = tuple(getattr(self, f.name) for f in fields(self))
        return hashlib.blake2b(repr(values).encode(), digest_size=16).digest()


@dataclass(frozen=True, slots=True)
class RowCounts:
    """What became of the rows: ``inserted + updated + unchanged`` is how many there are."""

    inserted: int
    updated: int
    unchanged: int
    closed: int
    outside_every_grid: int


_COLUMNS = (
    "source_ref",
    "uid",
    "kind",
    "name",
    "name_en",
    "lon",
    "lat",
    "height_m",
    "floor",
    "bearing_deg",
    "building_id",
    "address",
    "address_en",
    "expected_interval_s",
    "content_hash",
)

_STAGE = """
CREATE TEMPORARY TABLE sited (
    source_ref text PRIMARY KEY, uid text, kind text, name text, name_en text, lon float8, lat float8,
    height_m float8, floor int2, bearing_deg float8, building_id int8, address text, address_en text,
    expected_interval_s float8, content_hash bytea,
    geom geometry(Point, 4326), unit_grid_id int8, responsibility_grid_id int8
) ON COMMIT DROP
"""

_LOCATE = (
    "UPDATE sited SET geom = ST_SetSRID(ST_MakePoint(lon, lat), 4326)",
    "CREATE INDEX ON sited USING gist (geom)",
    "ANALYZE sited",
    # On a shared border the lower number wins, so that the answer is the same each time.
    """
    UPDATE sited SET unit_grid_id = found.id FROM (
        SELECT s.source_ref, min(a.id) AS id FROM sited s JOIN area a ON ST_Covers(a.geom, s.geom)
        WHERE a.valid_to IS NULL AND a.level = 'unit_grid' GROUP BY s.source_ref
    ) AS found WHERE found.source_ref = sited.source_ref
    """,
    """
    UPDATE sited SET responsibility_grid_id = found.id FROM (
        SELECT s.source_ref, min(a.id) AS id FROM sited s JOIN area a ON ST_Covers(a.geom, s.geom)
        WHERE a.valid_to IS NULL AND a.level = 'responsibility_grid' GROUP BY s.source_ref
    ) AS found WHERE found.source_ref = sited.source_ref
    """,
)

_CLOSE = text(
    """
    UPDATE device SET valid_to = now()
    WHERE dataset_id = :dataset AND valid_to IS NULL
      AND NOT EXISTS (SELECT FROM sited WHERE sited.source_ref = device.source_ref)
    """
)
_UPDATE = text(
    """
    UPDATE device d SET kind = s.kind, name = s.name, name_en = s.name_en, geom = s.geom,
        height_m = s.height_m, floor = s.floor, bearing_deg = s.bearing_deg,
        bearing_source = CASE WHEN s.bearing_deg IS NULL THEN NULL ELSE 'estimated' END,
        building_id = s.building_id, address = s.address, address_en = s.address_en,
        expected_interval_s = s.expected_interval_s,
        unit_grid_id = s.unit_grid_id, responsibility_grid_id = s.responsibility_grid_id,
        content_hash = s.content_hash, valid_to = NULL
    FROM sited s
    WHERE d.dataset_id = :dataset AND d.uid = s.uid AND (
        d.valid_to IS NOT NULL OR d.content_hash <> s.content_hash
        OR d.unit_grid_id IS DISTINCT FROM s.unit_grid_id
        OR d.responsibility_grid_id IS DISTINCT FROM s.responsibility_grid_id
        OR d.building_id IS DISTINCT FROM s.building_id)
    """
)
_INSERT = text(
    """
    INSERT INTO device (dataset_id, source_ref, content_hash, uid, kind, name, name_en, geom, height_m, floor,
        bearing_deg, bearing_source, building_id, unit_grid_id, responsibility_grid_id, address, address_en,
        expected_interval_s, simulated, position_source)
    SELECT :dataset, s.source_ref, s.content_hash, s.uid, s.kind, s.name, s.name_en, s.geom, s.height_m,
        s.floor, s.bearing_deg, CASE WHEN s.bearing_deg IS NULL THEN NULL ELSE 'estimated' END, s.building_id,
        s.unit_grid_id, s.responsibility_grid_id, s.address, s.address_en,
        s.expected_interval_s, true, 'estimated'
    FROM sited s WHERE NOT EXISTS (SELECT FROM device d WHERE d.uid = s.uid)
    ORDER BY s.kind, s.uid
    """
)


_SPEAK_FOR_CAMERAS = text(
    """
    UPDATE device SET readings_simulated = :speak FROM dataset s
    WHERE s.id = device.dataset_id AND s.kind = 'osm' AND device.kind = 'camera' AND device.valid_to IS NULL
      AND readings_simulated <> :speak
    """
)


def speak_for_cameras(connection: Connection, *, speak: bool) -> int:
    """Mark the readings of the extract's real cameras as made up, or no longer; return how many changed.

    The mark comes before the first reading: the simulator speaks for a real device only where it stands.
    """
    return connection.execute(_SPEAK_FOR_CAMERAS, {"speak": speak}).rowcount


def ensure_dataset(connection: Connection) -> int:
    """Return the id of the dataset ``simulation``, made on first use."""
    return int(
        connection.execute(
            text(
                """
                INSERT INTO dataset (name, kind, declared_crs, attribution, simulated)
                VALUES (:name, 'derived', 'EPSG:4326', 'GridTwin simulation, not real', true)
                ON CONFLICT (name) DO UPDATE SET simulated = true RETURNING id
                """
            ),
            {"name": DATASET},
        ).scalar_one()
    )


def store_devices(connection: Connection, dataset_id: int, rows: Sequence[DeviceRow]) -> RowCounts:
    """Bring the dataset's devices to be exactly `rows`, each linked to the grids it stands in."""
    raw: Any = connection.connection.driver_connection
    with raw.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS sited")
        cursor.execute(_STAGE)
        with cursor.copy(f"COPY sited ({', '.join(_COLUMNS)}) FROM STDIN") as copy:
            for row in rows:
                copy.write_row([getattr(row, column) for column in _COLUMNS])
        for statement in _LOCATE:
            cursor.execute(statement)
    at = {"dataset": dataset_id}
    closed = connection.execute(_CLOSE, at).rowcount
    updated = connection.execute(_UPDATE, at).rowcount
    inserted = connection.execute(_INSERT, at).rowcount
    outside = connection.execute(
        text("SELECT count(*) FROM sited WHERE responsibility_grid_id IS NULL")
    ).scalar_one()
    return RowCounts(inserted, updated, len(rows) - inserted - updated, closed, int(outside))
