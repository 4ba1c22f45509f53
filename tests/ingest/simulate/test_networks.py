"""Simulated networks hang together, are fed, can be cut anywhere, and come out the same each time."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import shapely
from sqlalchemy import text

from ingest.simulate.city import City
from ingest.simulate.networks import plan_networks, site_networks
from ingest.simulate.register import ensure_dataset
from ingest.vector.intake import Row
from twin.networks.topology import LINES, NODES, Topology
from twin.networks.tracing import downstream, isolate
from twin.quality.networks import check_networks
from twin.store.engine import create_engine


@pytest.fixture(scope="module")
def rows(city: City) -> list[Row]:
    return plan_networks(city)


def of(rows: list[Row], utility: str, table: str) -> list[Row]:
    return [row for row in rows if row.label == table and row.values["utility"] == utility]


def topology(rows: list[Row], utility: str) -> Topology:
    """Join what is planned as the database does: by where it is."""
    nodes, lines = of(rows, utility, "network_node"), of(rows, utility, "network_line")
    at = {row.geom.coords[0]: n for n, row in enumerate(nodes)}
    ends = [(at[row.geom.coords[0]], at[row.geom.coords[-1]]) for row in lines]
    return Topology.of_rows(
        [{"id": n, "kind": row.values["kind"], "passes": True} for n, row in enumerate(nodes)],
        [{"id": m, "from_node_id": a, "to_node_id": b} for m, (a, b) in enumerate(ends)],
    )


def test_the_same_city_gives_the_same_rows(city: City, rows: list[Row]) -> None:
    assert [dataclasses.astuple(row) for row in plan_networks(city)] == [
        dataclasses.astuple(row) for row in rows
    ]
    assert len({(row.label, row.ref) for row in rows}) == len(rows)


@pytest.mark.parametrize("utility", ["water", "gas", "power"])
def test_each_network_is_one_piece_with_a_source(rows: list[Row], utility: str) -> None:
    net = topology(rows, utility)
    whole = net.pieces(np.zeros(len(net.node_id), bool), np.zeros(len(net.line_id), bool))
    assert len(set(whole.tolist())) == 1
    assert net.source.sum() == (2 if utility == "water" else 1)
    assert net.closable.any()
    loops = len(net.line_id) - len(net.node_id) + 1
    assert loops > 0 if utility == "water" else loops == 0


@pytest.mark.parametrize("utility", ["gas", "power"])
def test_trees_are_drawn_the_way_they_feed(rows: list[Row], utility: str) -> None:
    net = topology(rows, utility)
    assert np.bincount(net.end, minlength=len(net.node_id)).max() == 1
    assert np.bincount(net.end, minlength=len(net.node_id))[net.source].tolist() == [0]


def test_one_break_darkens_a_part_and_never_all(rows: list[Row]) -> None:
    for utility in ("water", "gas", "power"):
        net = topology(rows, utility)
        quiet, none = np.zeros(len(net.line_id), bool), np.zeros(len(net.node_id), bool)
        dark = []
        for m in range(len(net.line_id)):
            line = quiet.copy()
            line[m] = True
            found = isolate(net, lines=line, nodes=none)
            assert found.sources == "declared"
            assert found.section[m]
            dark.append(found.lines.mean())
            assert downstream(net, lines=line, nodes=none).lines.sum() <= found.lines.sum()
        assert np.median(dark) < 0.5


def test_most_buildings_are_served_by_each_and_by_one_node_of_it(city: City, rows: list[Row]) -> None:
    for utility in ("water", "gas", "power"):
        served = [ref for row in of(rows, utility, "network_node") for ref in row.values["serves"] or ()]
        assert len(served) == len(set(served))
        assert len(served) > 0.9 * len(city.buildings)
    for row in of(rows, "power", "network_node"):
        assert (row.values["kind"] in ("transformer", "source")) == bool(row.values["serves"])


def test_lines_lie_along_the_roads(city: City, rows: list[Row]) -> None:
    roads = shapely.union_all([r.line for r in city.roads]).buffer(3.0)
    for row in rows:
        xy = shapely.get_coordinates(row.geom)
        assert shapely.contains_xy(roads, *city.to_metres(xy[:, 0], xy[:, 1])).all()


@pytest.mark.postgis
def test_what_is_stored_is_joined_sound_marked_and_the_same_again(database, city: City) -> None:
    engine = create_engine(database.fresh().url)
    with engine.begin() as connection:
        dataset = ensure_dataset(connection)
        lines = site_networks(connection, dataset, city)
        for utility in ("water", "gas", "power"):
            of_it = {"utility": utility}
            net = Topology.of_rows(
                connection.execute(NODES, of_it).mappings(), connection.execute(LINES, of_it).mappings()
            )
            assert (net.start >= 0).all()
            assert (net.end >= 0).all()
        assert {finding.check for finding in check_networks(connection)} <= {"network_loose_end"}
    with engine.begin() as connection:
        assert site_networks(connection, dataset, city) == lines
        kept = connection.execute(text("SELECT count(*) FROM feature_history")).scalar_one()
        assert kept == 0
        assert site_networks(connection, dataset, None) == 0
        left = connection.execute(text("SELECT count(*) FROM network_line WHERE valid_to IS NULL"))
        assert left.scalar_one() == 0
    engine.dispose()
