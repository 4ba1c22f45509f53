"""Check registers of components: classes, codes, what must be there, grids they are said to be in."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection

from twin.component_classes import component_classes
from twin.quality.finding import Finding
from twin.quality.reading import findings, select_examples

MANDATORY: Final = ("department_code", "department_name", "installed_on")
"""What GB/T 47678.5-2026, table 2 asks for beside what every component has here."""

_SUBJECT: Final = "SELECT 'component ' || c.code AS subject, ST_X(c.geom) AS lon, ST_Y(c.geom) AS lat"


def check_components(connection: Connection) -> list[Finding]:
    """Check present components; what a map extract knows is not held to be a register."""
    unknown = select_examples(
        connection,
        f"{_SUBJECT}, c.class_code AS detail FROM component c"
        f" WHERE c.valid_to IS NULL AND c.class_code <> ALL(:known) ORDER BY c.code",
        known=list(component_classes().by_code),
    )
    torn = select_examples(
        connection,
        f"{_SUBJECT}, 'class ' || c.class_code AS detail FROM component c"
        " WHERE c.valid_to IS NULL AND substr(c.code, 7, 5) <> c.class_code ORDER BY c.code",
    )
    lacking = ", ".join(f"CASE WHEN c.{name} IS NULL THEN '{name}' END" for name in MANDATORY)
    bare = select_examples(
        connection,
        f"{_SUBJECT}, concat_ws(', ', {lacking}) AS detail FROM component c"
        " JOIN dataset d ON d.id = c.dataset_id AND d.kind = 'vector' WHERE c.valid_to IS NULL AND ("
        + " OR ".join(f"c.{name} IS NULL" for name in MANDATORY)
        + ") ORDER BY c.code",
    )
    # A provisional number of ours can never be what a register says.
    elsewhere = select_examples(
        connection,
        f"{_SUBJECT}, 'said to be in ' || c.declared_grid_code || ', stands in ' || g.code AS detail"
        " FROM component c JOIN area g ON g.id = c.unit_grid_id AND g.code_source = 'official'"
        " WHERE c.valid_to IS NULL AND c.declared_grid_code <> g.code ORDER BY c.code",
    )
    return [
        *findings(
            "component_class_unknown",
            "info",
            unknown,
            message=f"{{n}} components are of a class that {component_classes().standard} does not have",
            hint="correct the class, or add the local class to data/component_classes.toml",
        ),
        *findings(
            "component_code_of_another_class",
            "error",
            torn,
            message="{n} components have a code whose class is not their class",
            hint="correct code or class in the register and import it again",
        ),
        *findings(
            "component_without_mandatory",
            "warning",
            bare,
            message="{n} components of registers lack attributes that the standard asks for",
            hint="fill them in the register, or map their columns with --map",
        ),
        *findings(
            "component_in_another_grid",
            "warning",
            elsewhere,
            message="{n} components stand in another unit grid than their register says",
            hint="correct the place or SZDYWGBSM in the register",
        ),
    ]
