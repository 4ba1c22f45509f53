"""Describe residential compounds: their border, who runs them, what they declare to have."""

from __future__ import annotations

from typing import Any

from sqlalchemy import CheckConstraint
from sqlalchemy.orm import Mapped

from twin.model.base import Base, Imported, Key, Scoped, geometry, present_index, spatial_index, tile_geometry


class Compound(Base, Imported, Scoped):
    """A residential compound (小区). ``households`` are as its register counts them, None where it does not.

    ``equipment`` is what the register declares: codes of `data/compound_equipment.toml` with how many. What
    stands inside is counted when it is asked for. The code of the property company is a unified social
    credit code (GB 32100).
    """

    __tablename__ = "compound"

    id: Mapped[Key]
    geom: Mapped[Any] = geometry("MULTIPOLYGON")
    geom_3857: Mapped[Any] = tile_geometry("MULTIPOLYGON")
    name: Mapped[str]
    name_en: Mapped[str | None]
    property_company: Mapped[str | None]
    property_company_code: Mapped[str | None]
    households: Mapped[int | None]
    equipment: Mapped[dict[str, Any] | None]

    __table_args__ = (
        CheckConstraint("property_company_code ~ '^[0-9A-Z]{18}$'", name="property_company_code"),
        CheckConstraint("households >= 0", name="households"),
        CheckConstraint("ST_IsValid(geom)", name="geom_valid"),
        present_index("compound"),
        spatial_index("compound"),
        spatial_index("compound", "geom_3857"),
    )
