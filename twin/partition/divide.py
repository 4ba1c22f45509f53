"""Divide the communities of the database into unit grids and responsibility grids."""

from __future__ import annotations

from sqlalchemy import Connection

from twin.partition.options import DivisionOptions, DivisionSummary


def divide(connection: Connection, *, options: DivisionOptions | None = None) -> DivisionSummary:
    """Make or renew the grids of every present community, inside the caller's transaction.

    A community whose border, roads and options are what they were is left alone; where one changed, it
    and the communities that touch it are divided again, grids that stay the same keep their row, others
    are closed with ``valid_to`` and new ones inserted. Devices and components are given the grids they
    stand in. The caller commits.

    Parameters
    ----------
    connection
        Open connection in a transaction; nothing is committed here.
    options
        Aimed sizes; the defaults when omitted.
    """
    raise NotImplementedError


def assign_grids(connection: Connection) -> tuple[int, int]:
    """Give present devices and components the present grids they stand in; return how many changed of each."""
    raise NotImplementedError
