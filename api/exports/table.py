"""Describe a table that can be taken out: its columns, its query, and what its cells hold."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from api.exports.cells import Cell
from api.exports.words import Language
from twin.access.roles import DataClass
from twin.catalog import Catalog
from twin.live.board import Board

Found = Mapping[str, Any]
"""A row of the database by its columns."""


@dataclass(frozen=True, slots=True)
class View:
    """What cells are made with: the language, the kinds of devices, the present state of all."""

    lang: Language
    catalog: Catalog
    board: Board


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its key in GeoJSON, and its heading in CSV."""

    key: str
    zh: str
    en: str


@dataclass(frozen=True, slots=True)
class Table:
    """A table that can be taken out.

    Parameters
    ----------
    name, zh, en
        In the address of the export, and for people.
    data
        The class of data one must read to export it.
    columns
        The columns of the file, in their order. What is not here does not come out.
    query
        Selects named columns, never all: a column that is added to a table stays in the system. It runs as
        the caller, who sees only what may be exported. ``{shape}`` stands for the column ``shape``.
    shape
        The geometry as SQL, lon/lat WGS 84; empty where the rows have no place that may be told.
    cells
        Makes the cells of a row, in the order of the columns.
    """

    name: str
    zh: str
    en: str
    data: DataClass
    columns: tuple[Column, ...]
    query: str
    shape: str
    cells: Callable[[Found, View], tuple[Cell, ...]]

    def sql(self, *, shapes: bool) -> str:
        """Return the query with or without the geometry, as GeoJSON text with 7 decimals (1 cm)."""
        # RFC 7946 3.1.6: outer rings run counterclockwise.
        shape = f"ST_AsGeoJSON(ST_ForcePolygonCCW({self.shape}), 7)" if shapes and self.shape else "NULL"
        return self.query.format(shape=shape)

    def headings(self, lang: Language) -> tuple[str, ...]:
        """Return the headings of the columns."""
        return tuple(column.en if lang == "en" else column.zh for column in self.columns)


AREA_JOINS: Final = """
    LEFT JOIN area AS g ON g.valid_to IS NULL AND g.level <> 'unit_grid'
        AND g.code::bigint = {thing}.scope_code
    LEFT JOIN area AS p ON p.id = g.parent_id"""
"""Joins of the smallest area of the tree a thing lies in, and the one above it."""

AREA_SQL: Final = (
    "g.code AS area_code, g.name AS area, g.name_en AS area_en, p.name AS above, p.name_en AS above_en"
)
AREA_COLUMNS: Final = (
    Column("area_code", "区划代码", "Area code"),
    Column("area", "所在区域", "Area"),
    Column("above", "上级区域", "Area above"),
)
POINT_SQL: Final = "round(ST_X({0})::numeric, 7)::float8 AS lon, round(ST_Y({0})::numeric, 7)::float8 AS lat"
SIMULATED: Final = Column("simulated", "模拟", "Simulated")
