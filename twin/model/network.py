"""Describe networks of pipes and cables: nodes, lines between them, and who hangs on which node."""

from __future__ import annotations

from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, SmallInteger, text
from sqlalchemy.orm import Mapped, mapped_column

from twin.model.base import Base, Imported, Key, Scoped, geometry, present_index, spatial_index, tile_geometry

UTILITIES = ("water", "gas", "power")

NODE_KINDS = (
    "source", "valve", "switch", "transformer", "regulator", "meter", "hydrant", "joint",
)  # fmt: skip
"""``source`` feeds the network from outside it: waterworks, gate station, substation."""

CLOSABLE = ("valve", "switch")
"""Kinds of nodes that can cut their lines from each other."""


class NetworkNode(Base, Imported, Scoped):
    """A point of a network. ``passes`` says whether it lets through in normal operation.

    ``device_uid`` and ``serves`` are what the file says: the device that sits there, the buildings (source
    references, names or addresses) that hang on it. `twin.networks.joining` makes ``device_id`` and the rows
    of ``service_connection`` of them and of what lies there.
    """

    __tablename__ = "network_node"

    id: Mapped[Key]
    geom: Mapped[Any] = geometry("POINT")
    utility: Mapped[str]
    kind: Mapped[str]
    name: Mapped[str | None]
    name_en: Mapped[str | None]
    passes: Mapped[bool] = mapped_column(server_default=text("true"))
    owner_name: Mapped[str | None]
    laid_year: Mapped[int | None] = mapped_column(SmallInteger)
    device_uid: Mapped[str | None]
    device_id: Mapped[int | None] = mapped_column(ForeignKey("device.id", ondelete="SET NULL"), index=True)
    serves: Mapped[list[str] | None]

    __table_args__ = (
        CheckConstraint(f"utility IN {UTILITIES}", name="utility"),
        CheckConstraint(f"kind IN {NODE_KINDS}", name="kind"),
        CheckConstraint(f"passes OR kind IN {CLOSABLE}", name="passes"),
        CheckConstraint("laid_year BETWEEN 1850 AND 2100", name="laid_year"),
        present_index("network_node"),
        spatial_index("network_node"),
    )


class NetworkLine(Base, Imported, Scoped):
    """A pipe or cable between two nodes; it flows or feeds from ``from_node_id`` where that is known at all.

    ``grade`` is the class of pressure or voltage in the owner's words (中压A, 10 kV). The ends' nodes are
    those within a metre of them; None where there is none. A line lies in the area of its middle.
    """

    __tablename__ = "network_line"

    id: Mapped[Key]
    geom: Mapped[Any] = geometry("LINESTRING")
    geom_3857: Mapped[Any] = tile_geometry("LINESTRING")
    utility: Mapped[str]
    grade: Mapped[str | None]
    diameter_mm: Mapped[float | None]
    material: Mapped[str | None]
    name: Mapped[str | None]
    name_en: Mapped[str | None]
    owner_name: Mapped[str | None]
    laid_year: Mapped[int | None] = mapped_column(SmallInteger)
    length_m: Mapped[float]
    from_node_id: Mapped[int | None] = mapped_column(
        ForeignKey("network_node.id", ondelete="SET NULL"), index=True
    )
    to_node_id: Mapped[int | None] = mapped_column(
        ForeignKey("network_node.id", ondelete="SET NULL"), index=True
    )

    __table_args__ = (
        CheckConstraint(f"utility IN {UTILITIES}", name="utility"),
        CheckConstraint("diameter_mm > 0 AND diameter_mm <= 5000", name="diameter"),
        CheckConstraint("laid_year BETWEEN 1850 AND 2100", name="laid_year"),
        CheckConstraint("length_m >= 0", name="length"),
        present_index("network_line"),
        spatial_index("network_line"),
        spatial_index("network_line", "geom_3857"),
    )


class ServiceConnection(Base):
    """A building that hangs on a node: as declared, or because a meter stands there."""

    __tablename__ = "service_connection"

    node_id: Mapped[int] = mapped_column(
        ForeignKey("network_node.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    building_id: Mapped[int] = mapped_column(
        ForeignKey("building.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    source: Mapped[str]

    __table_args__ = (
        CheckConstraint("source IN ('declared', 'meter')", name="source"),
        Index("ix_service_connection_building_id", "building_id"),
    )
