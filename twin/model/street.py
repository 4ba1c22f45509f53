"""Describe the network of streets as planners' SQL asks for it: written anew whenever the network is made."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, SmallInteger
from sqlalchemy.orm import Mapped, mapped_column

from twin.model.base import Base, geometry, spatial_index


class StreetNode(Base):
    """A place where edges end."""

    __tablename__ = "street_node"

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    geom: Mapped[Any] = geometry("POINT")

    __table_args__ = (spatial_index("street_node"),)


class StreetEdge(Base):
    """A piece of a road between two nodes, a gate (no length), or a link to an island that nobody drew."""

    __tablename__ = "street_edge"

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    source: Mapped[int] = mapped_column(BigInteger)
    target: Mapped[int] = mapped_column(BigInteger)
    geom: Mapped[Any] = geometry("LINESTRING")
    length_m: Mapped[float]
    road_id: Mapped[int | None] = mapped_column(BigInteger)
    gate_id: Mapped[int | None] = mapped_column(BigInteger)
    joint: Mapped[bool]
    layer: Mapped[int] = mapped_column(SmallInteger)
    name: Mapped[str | None]

    __table_args__ = (spatial_index("street_edge"),)


class StreetCost(Base):
    """Seconds through an edge by one profile, both ways; -1 is closed to it, as pgRouting writes it."""

    __tablename__ = "street_cost"

    profile: Mapped[str] = mapped_column(primary_key=True)
    edge_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    cost: Mapped[float]
    reverse_cost: Mapped[float]
