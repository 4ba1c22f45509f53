"""Make cities in a database, and read how they are divided."""

from __future__ import annotations

import hashlib

import numpy as np
import shapely
from sqlalchemy import text

from twin.partition.linework import Scale

CENTRE = (104.06, 30.66)
SCALE = Scale.at(*CENTRE)


def degrees(metres):
    return shapely.transform(metres, lambda c: c / (SCALE.x_m, SCALE.y_m) + CENTRE)


def add_dataset(connection) -> int:
    sql = (
        "INSERT INTO dataset (name, kind, declared_crs, simulated) VALUES ('osm', 'osm', 'EPSG:4326', false)"
        " RETURNING id"
    )
    return connection.execute(text(sql)).scalar_one()


def add_community(connection, dataset, number, geom, name="西华门社区") -> int:
    sql = (
        "INSERT INTO area (code, code_source, level, name, geom, label_point, made_by, area_m2, dataset_id,"
        " source_ref, content_hash) VALUES (:code, 'provisional', 'community', :name,"
        " ST_Multi(ST_GeomFromWKB(:g, 4326)), ST_PointOnSurface(ST_GeomFromWKB(:g, 4326)), 'borders', 1, :d,"
        " :code, '\\x00') RETURNING id"
    )
    values = {"code": f"510105001{number:03d}000", "name": name, "g": geom.wkb, "d": dataset}
    return connection.execute(text(sql), values).scalar_one()


def add_road(connection, dataset, ref, geom, road_class="residential", tunnel=False) -> None:
    sql = (
        "INSERT INTO road (geom, road_class, foot, bike_forward, bike_backward, car_forward, car_backward,"
        " width_m, layer, bridge, tunnel, stairs, dataset_id, source_ref, content_hash)"
        " VALUES (ST_GeomFromWKB(:g, 4326), :c, true, true, true, true, true, 6, 0, false, :t,"
        " false, :d, :r, '\\x00')"
    )
    connection.execute(text(sql), {"g": geom.wkb, "c": road_class, "t": tunnel, "d": dataset, "r": ref})


def add_building(connection, dataset, ref, geom, kind="apartments", levels=6.0) -> None:
    sql = (
        "INSERT INTO building (geom, kind, body, height_m, min_height_m, levels, height_source, footprint_m2,"
        " dataset_id, source_ref, content_hash)"
        " VALUES (ST_Multi(ST_GeomFromWKB(:g, 4326)), :k, 'whole', :h, 0, :l, 'levels',"
        " ST_Area(ST_GeomFromWKB(:g, 4326)::geography), :d, :r, :hash)"
    )
    values = {"g": geom.wkb, "k": kind, "h": 3.0 * (levels or 3), "l": levels, "d": dataset, "r": ref}
    connection.execute(text(sql), {**values, "hash": hashlib.sha256(geom.wkb).digest()})


def add_device(connection, dataset, uid, geom) -> None:
    sql = (
        "INSERT INTO device (uid, kind, geom, height_m, simulated, position_source, dataset_id, source_ref,"
        " content_hash)"
        " VALUES (:u, 'camera', ST_GeomFromWKB(:g, 4326), 3, false, 'measured', :d, :u, '\\x00')"
    )
    connection.execute(text(sql), {"u": uid, "g": geom.wkb, "d": dataset})


def grids(connection, level, present=True):
    rows = connection.execute(
        text(
            "SELECT id, code, parent_id, name, ST_AsBinary(geom) AS geom, households, households_source,"
            " floor_area_m2, area_m2 FROM area"
            f" WHERE level = :level AND valid_to IS {'NULL' if present else 'NOT NULL'} ORDER BY code"
        ),
        {"level": level},
    )
    return rows.all()


def shapes(rows):
    return np.array([shapely.get_geometry(shapely.from_wkb(bytes(r.geom)), 0) for r in rows], dtype=object)


def small_city(connection) -> dict[str, int]:
    """Two communities of 300 m × 200 m side by side, streets between blocks of 100 m, six big houses."""
    d = add_dataset(connection)
    west = add_community(connection, d, 1, degrees(shapely.box(0, 0, 300, 200)), "西社区")
    east = add_community(connection, d, 2, degrees(shapely.box(300, 0, 600, 200)), "东社区")
    add_road(connection, d, "way/1", degrees(shapely.LineString([(-50, 103), (650, 97)])))
    for x in (100, 200, 400, 500):
        add_road(connection, d, f"way/x{x}", degrees(shapely.LineString([(x, -50), (x, 250)])))
    add_road(connection, d, "way/subway", degrees(shapely.LineString([(0, 50), (600, 50)])), tunnel=True)
    for k in range(6):
        house = shapely.box(100 * k + 20, 20, 100 * k + 80, 70)
        add_building(connection, d, f"way/h{k}", degrees(house), levels=6.0)
    add_device(connection, d, "cam-0001", degrees(shapely.Point(50, 150)))
    add_device(connection, d, "cam-0002", degrees(shapely.Point(50, 900)))
    return {"dataset": d, "west": west, "east": east}


def add_worker(connection, code, grid, base_point=None) -> None:
    sql = (
        "INSERT INTO worker (code, name, responsibility_grid_id, base_point)"
        " VALUES (:c, :c, :g, ST_GeomFromWKB(CAST(:p AS bytea), 4326))"
    )
    point = None if base_point is None else base_point.wkb
    connection.execute(text(sql), {"c": code, "g": grid, "p": point})


def add_case(connection, number, geom, *, closed) -> None:
    """File a case with the grids of today."""
    sql = (
        "INSERT INTO case_file (number, title, category_code, source, geom, unit_grid_id,"
        " responsibility_grid_id, opened_at, closed_at, outcome)"
        " SELECT :n, :n, '20101', 'patrol', g.geom, u.id, r.id,"
        " now() - interval '1 hour', CASE WHEN :closed THEN now() END, CASE WHEN :closed THEN 'void' END"
        " FROM (SELECT ST_GeomFromWKB(:g, 4326) AS geom) g"
        " JOIN area u ON u.level = 'unit_grid' AND u.valid_to IS NULL AND ST_Intersects(u.geom, g.geom)"
        " JOIN area r ON r.level = 'responsibility_grid' AND r.valid_to IS NULL"
        " AND ST_Intersects(r.geom, g.geom)"
    )
    connection.execute(text(sql), {"n": number, "g": geom.wkb, "closed": closed})


def replace_community(connection, ids, geom) -> None:
    """Give the western community another border as an import does: the row ends and another begins."""
    connection.execute(text("UPDATE area SET valid_to = now() WHERE id = :i"), {"i": ids["west"]})
    ids["west"] = add_community(connection, ids["dataset"], 1, geom, "西社区")


def links(connection, table, *columns):
    """By the name of the thing, for each column the code of the area, with "closed" where it is."""
    name = "number" if table == "case_file" else "code"
    picked = ", ".join(
        "(SELECT a.code || CASE WHEN a.valid_to IS NULL THEN '' ELSE ' closed' END"
        f" FROM area a WHERE a.id = t.{column})"
        for column in columns
    )
    rows = connection.execute(text(f"SELECT t.{name}, {picked} FROM {table} t"))
    return {row[0]: tuple(row[1:]) for row in rows}
