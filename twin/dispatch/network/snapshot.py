"""Say what every edge takes a traveller now: a snapshot that is never changed, and the matrix made of it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from scipy.sparse import csr_array
from shapely import STRtree

from twin.dispatch.network.network import Network
from twin.dispatch.network.profiles import Profile
from twin.dispatch.network.roads import Bools, Floats, Integers


class Structure:
    """Where in a sparse matrix each way through an edge stands; the same for all snapshots of a network.

    Edges beside one another (same nodes) share a place: the quickest of them counts.
    """

    def __init__(self, network: Network) -> None:
        tail, head, nodes = network.cut.tail, network.cut.head, network.nodes
        key = np.r_[tail * nodes + head, head * nodes + tail]
        self._order = np.argsort(key, kind="stable")
        ordered = key[self._order]
        self._first = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]]) if len(key) else key
        self._key = ordered[self._first]
        row, column = np.divmod(self._key, max(1, nodes))
        self._indices = column.astype(np.int32)
        self._indptr = np.searchsorted(row, np.arange(nodes + 1)).astype(np.int32)
        self._nodes = nodes

    def matrix(self, there: Floats, back: Floats) -> csr_array:
        """Return the matrix whose row is where one is and whose column is where one goes, seconds."""
        if not len(self._first):
            return csr_array((self._nodes, self._nodes))
        data = np.minimum.reduceat(np.r_[there, back][self._order], self._first)
        made = csr_array((data, self._indices, self._indptr), shape=(self._nodes, self._nodes))
        made.has_sorted_indices = True
        return made

    def edges(self, there: Floats, back: Floats, nodes: Integers) -> tuple[Integers, Bools]:
        """Return the quickest edge between each two nodes of a way, and whether it is used as it is drawn.

        Parameters
        ----------
        nodes
            Shape (n,), each joined to the next; the answers have one less.
        """
        both, count = np.r_[there, back], len(there)
        out = np.empty(max(0, len(nodes) - 1), np.int64)
        for i, at in enumerate(np.searchsorted(self._key, nodes[:-1] * self._nodes + nodes[1:])):
            end = self._first[at + 1] if at + 1 < len(self._first) else len(self._order)
            beside = self._order[self._first[at] : end]
            out[i] = beside[both[beside].argmin()]
        return out % count, out < count


@dataclass(frozen=True)
class Snapshot:
    """What one kind of traveller finds now.

    Attributes
    ----------
    there, back
        Seconds through each edge as it is drawn and against that, shape (edges,); inf is closed.
    version
        Counts up with each change of what is closed, so that a stored decision can be explained.
    unsure
        Edges through gates whose barrier does not say how it stands: hours and keys were believed.
    opened
        The same before anything was closed; places are put on that, and it is searched for them only once.
    """

    network: Network
    structure: Structure
    profile: Profile
    there: Floats
    back: Floats
    version: int = 0
    unsure: Integers = field(default_factory=lambda: np.zeros(0, np.int64))
    opened: Snapshot | None = None

    @classmethod
    def open(cls, network: Network, structure: Structure, profile: Profile) -> Snapshot:
        """Return what there is where nothing is closed and every gate stands open."""
        return cls(network, structure, profile, *network.seconds(profile))

    def closed(self, edges: Bools, version: int, unsure: Bools | None = None) -> Snapshot:
        """Return the same with these edges closed both ways, shape (edges,); ``unsure`` marks edges too."""
        there, back = (np.where(edges, np.inf, seconds) for seconds in (self.there, self.back))
        return replace(
            self,
            there=there,
            back=back,
            version=version,
            unsure=self.unsure if unsure is None else np.flatnonzero(unsure),
            opened=self.opened or self,
        )

    @cached_property
    def outward(self) -> csr_array:
        """From a row to a column."""
        return self.structure.matrix(self.there, self.back)

    @cached_property
    def inward(self) -> csr_array:
        """From a column to a row."""
        return self.structure.matrix(self.back, self.there)

    @cached_property
    def standing(self) -> Integers:
        """Edges on which such a traveller can stand: open, now or when nothing is closed; not in a gate."""
        if self.opened is not None:
            return self.opened.standing
        there, back = self.network.seconds(self.profile)
        return np.flatnonzero((np.isfinite(there) | np.isfinite(back)) & (self.network.cut.gate < 0))

    @cached_property
    def tree(self) -> STRtree:
        """Finds edges of `standing` by place."""
        if self.opened is not None:
            return self.opened.tree
        return STRtree(self.network.lines[self.standing])

    @cached_property
    def part(self) -> Integers:
        """Part of the network each node belongs to, the one with most metres is 0, shape (nodes,).

        What is closed for now makes no part: who is behind a shut gate is not put before it.
        """
        if self.opened is not None:
            return self.opened.part
        return self.network.parts((self.there, self.back))
