"""Name the areas a role can be held at, by the tree of areas or by words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection

_LISTED: Final = """
    WITH RECURSIVE found AS (
        SELECT a.id, a.code, a.level, a.name, a.name_en, a.parent_id FROM area AS a
        LEFT JOIN area AS p ON p.id = a.parent_id
        WHERE a.valid_to IS NULL AND a.level <> 'unit_grid' AND {which}
        ORDER BY {order} a.code LIMIT :limit
    ), above AS (
        SELECT f.id, p.parent_id, p.name, p.name_en, 1 AS steps FROM found AS f JOIN area AS p ON p.id = f.parent_id
        UNION ALL
        SELECT above.id, p.parent_id, p.name, p.name_en, steps + 1 FROM above JOIN area AS p ON p.id = above.parent_id
    )
    SELECT f.code, f.level, f.name, f.name_en,
           (SELECT count(*) FROM area AS c
            WHERE c.parent_id = f.id AND c.valid_to IS NULL AND c.level <> 'unit_grid') AS inside,
           coalesce((SELECT jsonb_agg(jsonb_build_array(name, name_en) ORDER BY steps DESC) FROM above
                     WHERE above.id = f.id), '[]') AS above
    FROM found AS f ORDER BY {outer_order} f.code"""  # noqa: E501

_INSIDE: Final = text(
    _LISTED.format(which="p.code IS NOT DISTINCT FROM CAST(:under AS text)", order="", outer_order="")
)
_MATCHING: Final = text(
    _LISTED.format(
        which="(a.name ILIKE :anywhere OR a.name_en ILIKE :anywhere OR a.code LIKE :begins)",
        # The greater area first: who types the name of a street means the street, not its grids.
        order="length(rtrim(a.code, '0')),",
        outer_order="length(rtrim(f.code, '0')),",
    )
)


@dataclass(frozen=True, slots=True)
class ListedArea:
    """An area of the tree: names are (Chinese, English or None); ``above`` from the whole to the part."""

    code: str
    level: str
    name: str
    name_en: str | None
    inside: int
    above: tuple[tuple[str, str | None], ...]


async def list_inside(connection: AsyncConnection, code: str | None, limit: int) -> list[ListedArea]:
    """Return the present areas right below one, by code; None gives those that lie in no other."""
    return await _listed(connection, _INSIDE, limit, under=code)


async def list_matching(connection: AsyncConnection, words: str, limit: int) -> list[ListedArea]:
    """Return the present areas whose name has the words or whose code begins so, the greater first."""
    escaped = words.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    begins = f"{escaped.replace(' ', '')}%"
    return await _listed(connection, _MATCHING, limit, anywhere=f"%{escaped}%", begins=begins)


async def _listed(
    connection: AsyncConnection, statement: TextClause, limit: int, **values: object
) -> list[ListedArea]:
    rows = await connection.execute(statement, {"limit": limit, **values})
    return [
        ListedArea(
            row.code,
            row.level,
            row.name,
            row.name_en,
            row.inside,
            tuple((name, name_en) for name, name_en in row.above),
        )
        for row in rows
    ]
