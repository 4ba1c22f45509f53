"""Traces agree with walks over random networks, step by step, that know nothing of matrices."""

from __future__ import annotations

import random
from collections import deque

import numpy as np
import pytest

from twin.networks.topology import Topology
from twin.networks.tracing import Trace, downstream, isolate


def network(nodes: str, lines: list[tuple[int, int]], off: tuple[int, ...] = ()) -> Topology:
    """Nodes by letters: s source, v valve, j joint; ids are 10 + index, of lines 100 + index."""
    kinds = {"s": "source", "v": "valve", "j": "joint"}
    return Topology.of_rows(
        [{"id": 10 + n, "kind": kinds[k], "passes": n not in off} for n, k in enumerate(nodes)],
        [{"id": 100 + m, "from_node_id": 10 + a, "to_node_id": 10 + b} for m, (a, b) in enumerate(lines)],
    )


def flags(size: int, *on: int) -> np.ndarray:
    found = np.zeros(size, bool)
    found[list(on)] = True
    return found


def broken(topology: Topology, *, line: int | None = None, node: int | None = None) -> dict[str, np.ndarray]:
    return {
        "lines": flags(len(topology.line_id), *([] if line is None else [line])),
        "nodes": flags(len(topology.node_id), *([] if node is None else [node])),
    }


def on(found: np.ndarray) -> list[int]:
    return np.flatnonzero(found).tolist()


def test_break_between_two_valves_of_a_tree() -> None:
    #  s0 --0-- v1 --1-- j2 --2-- v3 --3-- j4
    tree = network("svjvj", [(0, 1), (1, 2), (2, 3), (3, 4)])
    found = isolate(tree, **broken(tree, line=1))
    assert (on(found.section), on(found.close)) == ([1, 2], [1, 3])
    assert (on(found.lines), on(found.nodes), found.sources) == ([1, 2, 3], [2, 3, 4], "declared")


def test_break_in_a_ring_leaves_the_rest_fed_from_the_other_side() -> None:
    #  s0 -0- v1 -1- j2 -2- v3 -3- j4 -4- v5 -5- s0
    ring = network("svjvjv", [(0, 1), (1, 2), (2, 3), (3, 4), (4, 5), (5, 0)])
    found = isolate(ring, **broken(ring, node=2))
    assert (on(found.close), on(found.lines), on(found.nodes)) == ([1, 3], [1, 2], [2])
    both = isolate(ring, **broken(ring, node=2), closed=flags(6, 5))
    assert (on(both.close), on(both.lines), on(both.nodes)) == ([1, 3], [1, 2, 3, 4], [2, 3, 4])


def test_valve_that_broke_itself_is_not_closed() -> None:
    tree = network("svjvj", [(0, 1), (1, 2), (2, 3), (3, 4)])
    found = isolate(tree, **broken(tree, node=3))
    assert (on(found.section), on(found.close), on(found.nodes)) == ([1, 2, 3], [1], [2, 3, 4])


def test_valve_that_is_closed_already_needs_no_hand_and_was_fed_from_one_side_only() -> None:
    tie = network("sjvjs", [(0, 1), (1, 2), (2, 3), (3, 4)], off=(2,))
    found = isolate(tie, **broken(tie, line=0))
    assert (on(found.close), on(found.lines), on(found.nodes)) == ([], [0, 1], [0, 1])


def test_downstream_of_a_node_and_of_a_line() -> None:
    #  s0 -0- j1 -1- j2, j1 -2- j3 -3- j4
    tree = network("sjjjj", [(0, 1), (1, 2), (1, 3), (3, 4)])
    assert on(downstream(tree, **broken(tree, line=2)).nodes) == [3, 4]
    assert on(downstream(tree, **broken(tree, node=1)).nodes) == [1, 2, 3, 4]
    assert on(downstream(tree, **broken(tree, node=4)).nodes) == [4]


def test_without_a_source_the_one_root_is_taken_for_it_and_two_say_nothing() -> None:
    lines = [(0, 1), (1, 2), (1, 3), (3, 4)]
    tree = network("jjjjj", lines)
    assert (on(downstream(tree, **broken(tree, line=2)).nodes), "assumed") == (
        [3, 4],
        downstream(tree, **broken(tree, line=2)).sources,
    )
    either_way = network("jjjjj", [(0, 1), (2, 1), (1, 3), (3, 4)])
    found = downstream(either_way, **broken(either_way, line=2))
    assert (found.sources, on(found.lines)) == ("none", [2])


def test_line_that_ends_nowhere_is_a_network_of_its_own() -> None:
    loose = Topology.of_rows(
        [{"id": 1, "kind": "source", "passes": True}],
        [
            {"id": 5, "from_node_id": None, "to_node_id": None},
            {"id": 6, "from_node_id": 1, "to_node_id": 99},
        ],
    )
    found = isolate(loose, lines=flags(2, 0), nodes=flags(1))
    assert (on(found.section), on(found.lines), found.sources) == ([0], [0], "none")


# --- the oracle: breadth-first walks over dictionaries ---------------------------------------------


def reach(topology: Topology, begin: set[int], shut: set[int], removed: set[int]) -> set[int]:
    """Lines reached from some lines through nodes that are not shut."""
    at: dict[int, list[int]] = {}
    for m, ends in enumerate(zip(topology.start.tolist(), topology.end.tolist(), strict=True)):
        for node in ends:
            at.setdefault(node, []).append(m)
    seen, queue = begin - removed, deque(begin - removed)
    while queue:
        line = queue.popleft()
        for node in (int(topology.start[line]), int(topology.end[line])):
            if node in shut or node < 0:
                continue
            for other in at[node]:
                if other not in seen and other not in removed:
                    seen.add(other)
                    queue.append(other)
    return seen


def at_nodes(topology: Topology, nodes: set[int]) -> set[int]:
    return {m for m in range(len(topology.line_id)) if {int(topology.start[m]), int(topology.end[m])} & nodes}


def random_network(seed: int) -> Topology:
    pick = random.Random(seed)
    n = pick.randint(2, 14)
    nodes = "".join(pick.choice("svvjjj") for _ in range(n))
    lines = [(pick.randrange(n), pick.randrange(n)) for _ in range(pick.randint(1, 22))]
    off = tuple(k for k in range(n) if nodes[k] == "v" and pick.random() < 0.2)
    return network(nodes, lines, off)


@pytest.mark.parametrize("seed", range(400))
def test_random_networks_against_walks(seed: int) -> None:
    topology = random_network(seed)
    if not topology.source.any():
        topology.source[0] = True
        topology.closable[0] = False
        topology.passes[0] = True
    pick = random.Random(-seed - 1)
    n, m = len(topology.node_id), len(topology.line_id)
    line, node = (pick.randrange(m), None) if pick.random() < 0.5 else (None, pick.randrange(n))
    extra = {k for k in on(topology.closable) if pick.random() < 0.15 and k != node}
    closable, usual = set(on(topology.closable)), set(on(topology.closable & ~topology.passes))
    sources = set(on(topology.source))
    start_nodes = set() if node is None else {node}
    start_lines = {line} if line is not None else at_nodes(topology, start_nodes)

    found = isolate(topology, **broken(topology, line=line, node=node), closed=flags(n, *extra))
    section = reach(topology, start_lines, closable - start_nodes, set())
    assert set(on(found.section)) == section
    close = set(on(found.close))
    # With these closed nothing gets out of the section; each of them is needed for that.
    assert reach(topology, start_lines, usual | extra | close, set()) <= section
    for valve in close:
        assert not reach(topology, start_lines, closable - start_nodes - {valve}, set()) <= section
    assert not close & (usual | extra | start_nodes)
    _check_supply(topology, found, sources, usual, usual | extra | close, section, start_nodes)

    behind = downstream(topology, **broken(topology, line=line, node=node), closed=flags(n, *extra))
    gone = set() if line is None else {line}
    _check_supply(topology, behind, sources, usual, usual | extra | start_nodes, gone, start_nodes)


def _check_supply(
    topology: Topology,
    found: Trace,
    sources: set[int],
    usual: set[int],
    shut: set[int],
    removed: set[int],
    start_nodes: set[int],
) -> None:
    if found.sources != "declared":
        return  # a piece of its own, of which no source is told
    roots = {k for k in range(len(topology.node_id)) if _only_begins(topology, k, sources)}
    before = reach(topology, at_nodes(topology, (sources | roots) - usual), usual, set())
    after = reach(topology, at_nodes(topology, (sources | roots) - shut), shut, removed)
    dead = removed | (before - after)
    assert set(on(found.lines)) == dead
    nodes = {
        k
        for k in range(len(topology.node_id))
        if k in start_nodes or (at_nodes(topology, {k}) & dead and not at_nodes(topology, {k}) & after)
    }
    assert set(on(found.nodes)) == nodes


def _only_begins(topology: Topology, node: int, sources: set[int]) -> bool:
    """Say whether a piece without a source has this one node where lines only begin."""
    mine = at_nodes(topology, {node})
    whole = reach(topology, mine, set(), set())
    inside = {int(x) for m in whole for x in (topology.start[m], topology.end[m])}
    roots = [k for k in inside if k not in {int(topology.end[m]) for m in whole}]
    return not inside & sources and roots == [node]
