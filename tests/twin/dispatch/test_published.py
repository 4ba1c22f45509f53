"""What planners' SQL finds is the network that ways are answered from, and the example of the page runs."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import psycopg
import pytest
from scipy.sparse.csgraph import dijkstra

from tests.twin.dispatch.test_streets import _GATES, Followed
from tests.waiting import until
from twin.dispatch.network.profiles import load_profiles
from twin.dispatch.streets import Traveller

pytestmark = pytest.mark.postgis

PAGE = Path(__file__).parents[3] / "docs/dispatch.md"
EXAMPLE, LOGIN = re.findall(r"```sql\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)


def asked(made: Followed, statement: str) -> list[tuple]:
    with psycopg.connect(made.database.url.replace("+psycopg", ""), autocommit=True) as connection:
        return connection.execute(statement).fetchall()


async def written(made: Followed, edges: int) -> None:
    await until(lambda: asked(made, "SELECT count(*) FROM street_edge") == [(edges,)])


async def test_pgrouting_takes_as_long_between_all_nodes_as_our_search(database) -> None:
    async with Followed(database, _GATES) as made:
        snapshot = made.streets.snapshot(Traveller("car", frozenset({"property", "patrol"})))
        network = snapshot.network
        await written(made, network.edges)
        assert asked(made, "SELECT count(*) FROM street_cost") == [(network.edges * len(load_profiles()),)]
        assert asked(made, "SELECT count(*) FROM street_edge WHERE gate_id IS NOT NULL") == [(4,)]
        ours = dijkstra(snapshot.outward)
        found = np.full_like(ours, np.inf)
        np.fill_diagonal(found, 0.0)
        of = "SELECT id, source, target, cost, reverse_cost FROM street_way WHERE profile = ''car''"
        nodes = "ARRAY(SELECT id FROM street_node)"
        for start, end, cost in asked(made, f"SELECT * FROM pgr_dijkstraCost('{of}', {nodes}, {nodes})"):
            found[start - 1, end - 1] = cost
        assert found == pytest.approx(ours, rel=1e-9)
        assert np.isinf(ours).any(), "a one-way street is one in SQL too"
        places = np.array(asked(made, "SELECT ST_X(geom), ST_Y(geom) FROM street_node ORDER BY id"))
        assert places == pytest.approx(made.streets.frame.degrees(network.cut.node_xy), abs=1e-9)
        made.run("UPDATE road SET valid_to = now() WHERE source_ref = 'way/2'")
        await written(made, 4)


async def test_example_of_the_page_runs_for_a_planner_who_sees_streets_and_nothing_else(database) -> None:
    async with Followed(database) as made:
        await written(made, 2)
        # Roles are of the whole server: this one goes again with the transaction.
        with psycopg.connect(made.database.url.replace("+psycopg", "")) as connection:
            connection.execute(LOGIN)
            connection.execute("SET LOCAL ROLE planner")
            rows = connection.execute(EXAMPLE).fetchall()
            # 4.5 km/h for 600 s are 750 m: the first street is 958.6 m long, so no other node is reached.
            assert rows == []
            wider = connection.execute(EXAMPLE.replace("600)", "900)")).fetchall()
            assert [round(seconds) for _, seconds in wider] == [767]
            for table in ("building", "gate", "worker"):
                with (
                    connection.transaction(force_rollback=True),
                    pytest.raises(psycopg.errors.InsufficientPrivilege),
                ):
                    connection.execute(f"SELECT * FROM {table}")
            connection.rollback()


async def test_a_network_that_is_the_same_is_not_written_again(database) -> None:
    async with Followed(database) as made:
        await written(made, 2)
        (before,) = asked(made, "SELECT xmin::text FROM street_edge LIMIT 1")
        made.run("UPDATE road SET name_en = 'x'")
        await until(lambda: made.streets.version == 2)
        await made.streets.refresh()
        assert asked(made, "SELECT xmin::text FROM street_edge LIMIT 1") == [before]
