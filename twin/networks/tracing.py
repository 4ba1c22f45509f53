"""Trace a break: what to close to cut it off, and what is without supply then."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from twin.networks.topology import Flags, Topology

Sources = Literal["declared", "assumed", "none"]


@dataclass(frozen=True, slots=True)
class Trace:
    """What a trace found: flags over lines (m,) and nodes (n,) of the topology.

    ``section`` is what is cut off, ``close`` what must be closed for it; ``lines`` and ``nodes`` are without
    supply then, the section included. ``sources`` says of the piece of network it is about whether what
    feeds it is declared, assumed to be the one node where lines only begin, or not known: then nothing but
    the section is known to be affected.
    """

    section: Flags
    close: Flags
    lines: Flags
    nodes: Flags
    sources: Sources


def isolate(topology: Topology, *, lines: Flags, nodes: Flags, closed: Flags | None = None) -> Trace:
    """Cut off broken lines and nodes by the nearest closable nodes on all sides.

    Parameters
    ----------
    topology
        The network.
    lines, nodes
        What is broken. A broken node that could be closed is not closed.
    closed
        Nodes that are closed besides.
    """
    n, m = len(topology.node_id), len(topology.line_id)
    closed = np.zeros(n, np.bool_) if closed is None else closed
    piece = topology.pieces(topology.closable & ~nodes, np.zeros(m, np.bool_))
    section = np.isin(piece, piece[lines | topology.incident(nodes)])
    # A node all of whose lines are cut off has nothing to keep from them.
    close = topology.closable & topology.passes & ~nodes & ~closed
    close &= topology.touched(section) & topology.touched(~section)
    return _without_supply(topology, section, nodes, close, closed | close)


def downstream(topology: Topology, *, lines: Flags, nodes: Flags, closed: Flags | None = None) -> Trace:
    """Say what loses its supply when only these lines are taken out and these nodes let nothing through.

    In a tree that is what hangs behind them; in a meshed network often nothing but they.
    """
    n = len(topology.node_id)
    closed = np.zeros(n, np.bool_) if closed is None else closed
    return _without_supply(topology, lines, nodes, np.zeros(n, np.bool_), closed | nodes)


def _without_supply(topology: Topology, section: Flags, broken: Flags, close: Flags, shut: Flags) -> Trace:
    source, known = _sources(topology)
    usual = topology.closable & ~topology.passes
    before = _supplied(topology, source, usual, np.zeros(len(section), np.bool_))
    after = _supplied(topology, source, usual | shut, section)
    dead = section | (before & ~after)
    # What still has one line that is fed is not affected, unless it is itself what broke.
    nodes = broken | (topology.touched(dead) & ~topology.touched(after))
    about = known[section | topology.incident(broken | shut)]
    sources: Sources = (
        "none" if (about == _NONE).any() else "assumed" if (about == _ASSUMED).any() else "declared"
    )
    return Trace(section, close, dead, nodes, sources)


def _supplied(topology: Topology, source: Flags, shut: Flags, removed: Flags) -> Flags:
    piece = topology.pieces(shut, removed)
    fed = topology.incident(source & ~shut) & ~removed
    return np.isin(piece, piece[fed]) & ~removed


_DECLARED, _ASSUMED, _NONE = 0, 1, 2


def _sources(topology: Topology) -> tuple[Flags, NDArray[np.int8]]:
    """Return what feeds, (n,), and how it is known for each line, (m,).

    A piece without a declared source that has exactly one node where lines only begin is fed from there;
    with several of them the lines were drawn either way, and that says nothing.
    """
    n, m = len(topology.node_id), len(topology.line_id)
    piece = topology.pieces(np.zeros(n, np.bool_), np.zeros(m, np.bool_))
    declared = np.isin(piece, piece[topology.incident(topology.source)])
    begins, ends = np.zeros(n + 1, np.bool_), np.zeros(n + 1, np.bool_)
    begins[topology.start[~declared]] = True
    ends[topology.end] = True
    root = (begins & ~ends)[:n]
    # Every root of a line, once: the piece of a node is that of any of its lines.
    first = np.flatnonzero(root[topology.start] & (topology.start >= 0))
    rooted, at = np.unique(topology.start[first], return_index=True)
    of_root = piece[first][at]
    single = of_root[np.bincount(of_root)[of_root] == 1] if len(of_root) else of_root
    root[rooted] = np.isin(of_root, single)
    known = np.full(m, _NONE, np.int8)
    known[np.isin(piece, single)] = _ASSUMED
    known[declared] = _DECLARED
    return topology.source | root, known
