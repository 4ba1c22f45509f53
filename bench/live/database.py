"""Put the devices of a plan into a database, and count what arrived there."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import numpy as np
import psycopg
from numpy.typing import NDArray
from sqlalchemy.engine import make_url

from bench.live.plan import Plan
from bench.report import spread_ms

_COLUMNS = "uid, kind, name, geom, height_m, simulated, position_source, dataset_id, source_ref, content_hash"


def connect(url: str) -> psycopg.Connection[tuple[object, ...]]:
    """Connect to a database named by a SQLAlchemy URL."""
    parts = make_url(url)
    return psycopg.connect(
        dbname=parts.database or "",
        user=parts.username or "",
        password=parts.password or "",
        host=str(parts.query.get("host", parts.host or "")),
        port=str(parts.query.get("port", parts.port or 5432)),
        autocommit=True,
    )


ALARM_KIND = "smoke"
ALARM_PROPERTY = "obscuration"
ALARM_VALUE = 0.8
"""Beyond the alarm limit of the kind, which has no time to hold."""


def insert_devices(url: str, plan: Plan, alarm_uids: Sequence[str] = ()) -> NDArray[np.int64]:
    """Insert the plan's devices, and those that will raise one alarm each, marked as simulated.

    Returns
    -------
    ids of the plan's devices, in the plan's order.
    """
    with connect(url) as connection, connection.transaction():
        row = connection.execute(
            "INSERT INTO dataset (name, kind, declared_crs, simulated) "
            "VALUES ('bench', 'devices', 'EPSG:4326', true) RETURNING id"
        ).fetchone()
        assert row is not None
        dataset = int(str(row[0]))
        points = _points(plan.lon, plan.lat)
        with (
            connection.cursor() as cursor,
            cursor.copy(f"COPY device ({_COLUMNS}) FROM STDIN") as copy,
        ):
            for uid, kind, point in zip(plan.uid.tolist(), plan.kind.tolist(), points, strict=True):
                copy.write_row((uid, kind, uid, point, 3.0, True, "estimated", dataset, uid, uid.encode()))
            step = max(1, plan.count // max(1, len(alarm_uids)))
            for number, uid in enumerate(alarm_uids):
                point = points[number * step % plan.count]
                copy.write_row(
                    (uid, ALARM_KIND, uid, point, 3.0, True, "estimated", dataset, uid, uid.encode())
                )
    with connect(url) as connection:
        connection.execute("ANALYZE device")
    return ids_of(url, plan)


def ids_of(url: str, plan: Plan) -> NDArray[np.int64]:
    """Give the ids the plan's devices have, in the plan's order."""
    with connect(url) as connection:
        ids = {str(uid): int(str(key)) for key, uid in connection.execute("SELECT id, uid FROM device")}
    return np.array([ids[uid] for uid in plan.uid.tolist()], dtype=np.int64)


def count_observations(url: str, since_s: float) -> int:
    """Count the observations stored whose phenomenon time is at or after a Unix time."""
    with connect(url) as connection:
        row = connection.execute(
            "SELECT count(*) FROM observation WHERE phenomenon_time >= %s",
            (datetime.fromtimestamp(since_s, UTC),),
        ).fetchone()
    assert row is not None
    return int(str(row[0]))


def wait_for_observations(
    url: str, since_s: float, expected: int, timeout_s: float, progress: Callable[[str], None]
) -> tuple[int, float]:
    """Wait until `expected` observations are stored, or no more come; give their count and the wait."""
    begun = time.monotonic()
    told = False
    while True:
        stored = count_observations(url, since_s)
        waited_s = time.monotonic() - begun
        if stored >= expected or waited_s > timeout_s:
            return stored, waited_s
        if waited_s > 5 and not told:
            progress(f"  waiting for the database: {stored:,} of {expected:,} stored")
            told = True
        time.sleep(0.5)


def spread_until_received(url: str, from_s: float, to_s: float) -> dict[str, float | int | None]:
    """Give the spread of publishing to reception by the server, of what was published in a window."""
    with connect(url) as connection:
        rows = connection.execute(
            "SELECT extract(epoch FROM received_at - phenomenon_time)::float8 FROM observation "
            "WHERE phenomenon_time >= %s AND phenomenon_time < %s",
            (datetime.fromtimestamp(from_s, UTC), datetime.fromtimestamp(to_s, UTC)),
        ).fetchall()
    return spread_ms(np.array([float(str(row[0])) for row in rows]))


def count_quarantined(url: str) -> int:
    """Count the messages that were refused."""
    with connect(url) as connection:
        row = connection.execute("SELECT count(*) FROM quarantine").fetchone()
    assert row is not None
    return int(str(row[0]))


def _points(lon: NDArray[np.float64], lat: NDArray[np.float64]) -> list[str]:
    """Write points as hexadecimal EWKB, SRID 4326."""
    packed = np.empty(
        lon.size, dtype=[("order", "u1"), ("kind", "<u4"), ("srid", "<u4"), ("x", "<f8"), ("y", "<f8")]
    )
    packed["order"], packed["kind"], packed["srid"] = 1, 0x20000001, 4326
    packed["x"], packed["y"] = lon, lat
    size = packed.dtype.itemsize
    data = packed.tobytes().hex()
    return [data[2 * size * index : 2 * size * (index + 1)] for index in range(lon.size)]
