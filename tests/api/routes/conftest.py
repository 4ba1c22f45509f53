"""Give tests two grids side by side, with one thing of every kind in the second."""

from __future__ import annotations

import time

import numpy as np
import psycopg
import pytest

from tests.alarming import raise_sql
from twin.batch import ObservationBatch

HERE, BESIDE = "510105001001001", "510105001001002"

_BESIDE = """
UPDATE device SET name = '周小明', name_en = 'Zhou Xiaoming' WHERE uid = 'worker-0001';
UPDATE worker SET name_en = 'Zhou Xiaoming' WHERE code = 'w-1';
INSERT INTO area (dataset_id, source_ref, content_hash, code, level, name, parent_id, geom, label_point, made_by, area_m2)
    SELECT 1, 'beside', '\\x00', '510105001001002', 'responsibility_grid', '第二网格', 2, ST_Multi(box), ST_Centroid(box),
           'drawn', ST_Area(box::geography)
    FROM ST_MakeEnvelope(104.0660, 30.6550, 104.0690, 30.6650, 4326) AS box;
INSERT INTO building (dataset_id, source_ref, content_hash, geom, name, kind, height_m, min_height_m, height_source,
                      footprint_m2, body)
    SELECT 1, 'way/99', '\\x00', ST_Multi(ST_MakeEnvelope(104.0665, 30.6598, 104.0667, 30.6600, 4326)), '隔壁大厦',
           'office', 30, 0, 'levels', 1, 'whole';
INSERT INTO component (dataset_id, source_ref, content_hash, code, class_code, name, geom, department_name)
    VALUES (1, 'c/1', '\\x00', '51010501001000001', '01001', '这里井盖', 'SRID=4326;POINT(104.0600 30.6600)', '水务局'),
           (1, 'c/2', '\\x00', '51010501001000002', '01001', '隔壁井盖', 'SRID=4326;POINT(104.0670 30.6600)', NULL);
INSERT INTO device (dataset_id, source_ref, content_hash, uid, kind, name, geom, height_m, position_source, simulated)
    SELECT 1, uid, '\\x00', uid, kind, name, ST_SetSRID(ST_MakePoint(lon, 30.6600), 4326), 3, 'measured', true
    FROM (VALUES (1, 'water-0009', 'water_level', '隔壁液位计', 104.0670), (2, 'worker-0009', 'worker', '赵四方', 104.0672))
        AS d (n, uid, kind, name, lon) ORDER BY n;
INSERT INTO worker (code, name, responsibility_grid_id, device_id, on_duty, simulated)
    VALUES ('w-9', '赵四方', 5, 7, true, true);
{raised};
INSERT INTO case_file (number, title, category_code, source, geom, opened_at, due_at)
    SELECT number, title, '01001', 'sensor', ST_SetSRID(ST_MakePoint(lon, 30.6600), 4326), now() - interval '1 day',
           now() + interval '1 hour'
    FROM (VALUES ('HERE-1', '这里积水', 104.0600), ('BESIDE-1', '隔壁积水', 104.0670)) AS c (number, title, lon);
INSERT INTO journal (seq, kind, subject, area_code, actor, data)
    SELECT n, 'alarm.raised', 'device/' || id, code, 'system', jsonb_build_object('device_id', id, 'uid', uid)
    FROM (VALUES (1, 'water-0001', '510105001001001'), (2, 'water-0009', '510105001001002'),
                 (3, 'worker-0009', '510105001001002'), (4, 'worker-0001', '510105001001001')) AS j (n, uid, code)
    JOIN device USING (uid);
INSERT INTO duty (worker_id, starts_at, consent_at, simulated)
    SELECT id, now() - interval '1 day', now() - interval '1 day', true FROM worker
    WHERE on_duty AND NOT EXISTS (SELECT FROM duty WHERE worker_id = worker.id);
"""  # noqa: E501


def beside_sql() -> str:
    """Return the statements that make the grid beside that of the town, and alarms in both."""
    return _BESIDE.replace("{raised}", raise_sql("uid IN ('water-0001', 'water-0009', 'worker-0009')"))


@pytest.fixture
def two_grids(fresh_city: object) -> object:
    """Ask for it before the server: `served` then runs on both grids."""
    with psycopg.connect(fresh_city.url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(beside_sql())
    return fresh_city


async def observe(
    served, uid: str, values: list[float], step_s: float = 10.0, track: bool = False, at: tuple | None = None
) -> None:
    """Let a device send values, the last one now.

    ``track`` gives each a place a little farther on; ``at`` is the place (lon/lat) of all.
    """
    board = served.runtime.twin.board
    n, row = len(values), board.row_of_uid[uid]
    now_us = int(time.time() * 1e6)
    nowhere = np.full(n, np.nan)
    result = await served.runtime.twin.observe(
        ObservationBatch(
            row=np.full(n, row, np.int32),
            slot=np.zeros(n, np.uint8),
            phenomenon_us=now_us - (np.arange(n)[::-1] * step_s * 1e6).astype(np.int64),
            value=np.array(values, float),
            lon=board.lon[row] + np.arange(n) * 1e-4 if track else np.full(n, at[0]) if at else nowhere,
            lat=np.full(n, board.lat[row] if track else at[1]) if track or at else nowhere,
            received_us=np.full(n, now_us),
        )
    )
    assert result.stored == n


@pytest.fixture
def cameras_here(monkeypatch):
    """Test cameras listen on this machine, which has to be declared."""
    monkeypatch.setenv("GRIDTWIN_CAMERA_RANGES", "127.0.0.0/8")
    monkeypatch.setenv("GRIDTWIN_CAMERA_PROBE_S", "0")
