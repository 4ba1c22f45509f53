"""Hold a network as arrays: which line joins which nodes, which nodes can be closed, what feeds it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from sqlalchemy import text

from twin.model.network import CLOSABLE

Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

NODES: Final = text(
    "SELECT id, kind, passes FROM network_node WHERE valid_to IS NULL AND utility = :utility ORDER BY id"
)
LINES: Final = text(
    "SELECT id, from_node_id, to_node_id FROM network_line"
    " WHERE valid_to IS NULL AND utility = :utility ORDER BY id"
)


@dataclass(frozen=True, slots=True)
class Topology:
    """A network of n nodes and m lines.

    ``node_id`` (n,) and ``line_id`` (m,) are numbers of rows, ascending; ``start`` and ``end`` (m,) are
    indices of nodes, -1 where an end hangs on none.
    """

    node_id: Ints
    closable: Flags
    passes: Flags
    source: Flags
    line_id: Ints
    start: Ints
    end: Ints

    @classmethod
    def of_rows(cls, nodes: Iterable[Any], lines: Iterable[Any]) -> Topology:
        """Make it of the rows, by column, of `NODES` and `LINES`; other nodes than these are none."""
        nodes, lines = list(nodes), list(lines)
        index = {row["id"]: n for n, row in enumerate(nodes)}
        return cls(
            node_id=np.array([row["id"] for row in nodes], np.int64),
            closable=np.array([row["kind"] in CLOSABLE for row in nodes], np.bool_),
            passes=np.array([row["passes"] for row in nodes], np.bool_),
            source=np.array([row["kind"] == "source" for row in nodes], np.bool_),
            line_id=np.array([row["id"] for row in lines], np.int64),
            start=np.array([index.get(row["from_node_id"], -1) for row in lines], np.int64),
            end=np.array([index.get(row["to_node_id"], -1) for row in lines], np.int64),
        )

    def incident(self, nodes: Flags) -> Flags:
        """Say of each line, (m,), whether an end of it hangs on one of some nodes, (n,)."""
        padded = np.append(nodes, False)
        return np.asarray(padded[self.start] | padded[self.end], np.bool_)

    def touched(self, lines: Flags) -> Flags:
        """Say of each node, (n,), whether one of some lines, (m,), ends there."""
        found = np.zeros(len(self.node_id) + 1, np.bool_)
        found[self.start[lines]] = True
        found[self.end[lines]] = True
        return found[:-1]

    def pieces(self, shut: Flags, removed: Flags) -> Ints:
        """Return for each line, (m,), the number of the piece it is in; -1 for removed lines.

        Two lines are of one piece where one can get from the one to the other without passing a node that is
        shut, (n,), and without a removed line, (m,).
        """
        n, m = len(self.node_id), len(self.line_id)
        line = np.concatenate([np.arange(m), np.arange(m)])
        node = np.concatenate([self.start, self.end])
        kept = (node >= 0) & ~np.append(shut, False)[node] & ~removed[line]
        # Lines and nodes are the vertices: a line is joined to each node that lets through at its end.
        graph = coo_array(
            (np.ones(int(kept.sum()), np.int8), (line[kept], m + node[kept])), shape=(m + n, m + n)
        )
        label = connected_components(graph, directed=False)[1][:m].astype(np.int64)
        label[removed] = -1
        return label
