"""Invent the departments of a city and what each answers for, marked as simulated."""

from __future__ import annotations

from sqlalchemy import Connection, text

from ingest.simulate.organisations import ORGANISATION
from twin.access.scope import HIGHEST_CODE, WHOLE_CODE
from twin.cases.categories import load_categories
from twin.cases.responsible import WHOLE

_NOT_DEPARTMENTS = {"property": "property"}
_RULE = text(
    """
    INSERT INTO responsibility (about, area_code, area_level, low, high, organisation_id, set_by)
    VALUES (:about, :code, :level, 0, :high, :organisation_id, '模拟 simulated')
    ON CONFLICT (about, low, high) WHERE valid_to IS NULL DO NOTHING
    """
)

_WITHDRAW = text(
    """
    UPDATE responsibility AS r SET valid_to = now(), withdrawn_by = '模拟 simulated'
    FROM organisation AS o WHERE o.id = r.organisation_id AND o.simulated AND r.valid_to IS NULL
    """
)


def department_code(about: str) -> str:
    """Return the code of the simulated department that answers for what a kind of body answers for."""
    return f"SIM-D-{about}"


def site_departments(connection: Connection, *, wanted: bool) -> int:
    """Make one department for each kind of body that answers for cases, everywhere; return how many.

    A rule that somebody made for the whole installation stays. Where nothing simulated is ``wanted`` nobody
    invented answers for anything any more.
    """
    if not wanted:
        connection.execute(_WITHDRAW)
        return 0
    kinds = load_categories().responsible
    for about, name in kinds.items():
        made = connection.execute(
            ORGANISATION,
            {
                "code": department_code(about),
                "name": f"{name.zh}部门（模拟）",
                "name_en": f"{name.en} (simulated)",
                "kind": _NOT_DEPARTMENTS.get(about, "department"),
                "parent": None,
            },
        ).scalar_one()
        rule = {"about": about, "code": WHOLE_CODE, "level": WHOLE, "high": HIGHEST_CODE}
        connection.execute(_RULE, {**rule, "organisation_id": made})
    return len(kinds)
