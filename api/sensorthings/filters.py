"""Turn the tree of a condition into SQL: columns from the list of `entities`, values always bound.

Conditions that are joined by ``and`` and reach over the same link speak of the same thing there:
``Datastreams/name eq 'a' and Datastreams/id gt 5`` asks for one datastream that is both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import Text, and_, exists, func, literal, not_, or_, select

from api.sensorthings.entities import ENTITIES
from api.sensorthings.functions import BOOL, GEO, JSON, NULL, NUMBER, TEXT, TIME
from api.sensorthings.shape import Entity, Expression, Property, Type
from api.sensorthings.syntax import And, Binary, Call, Literal, Minus, Node, Not, Or, Path, wrong
from api.sensorthings.values import COMPARE, Algebra, Condition, Value

_OF_TYPE: Final = {
    Type.NUMBER: NUMBER,
    Type.TEXT: TEXT,
    Type.BOOL: BOOL,
    Type.TIME: TIME,
    Type.GEO: GEO,
    Type.JSON: JSON,
    Type.RESULT: JSON,
}


@dataclass(slots=True)
class Reach:
    """The rows that the conditions of one ``and`` speak of: the one outside, and those over its links."""

    entity: Entity
    table: Any
    joined: dict[tuple[str, ...], tuple[Entity, Any]] = field(default_factory=dict)
    conditions: list[Condition] = field(default_factory=list)

    def along(self, steps: tuple[str, ...], where: str) -> tuple[Entity, Any, tuple[str, ...]]:
        """Follow links; return where they end, and the steps that are left."""
        entity, table = self.entity, self.table
        for i, step in enumerate(steps):
            link = entity.links.get(step)
            if link is None:
                return entity, table, steps[i:]
            prefix = steps[: i + 1]
            if prefix not in self.joined:
                target = ENTITIES[link.target]
                there = target.table()
                self.joined[prefix] = target, there
                self.conditions.append(link.on(table, there))
            entity, table = self.joined[prefix]
        raise wrong(f"“{'/'.join(steps)}” names things; a property of them is asked", where)


def condition(node: Node, entity: Entity, table: Any) -> Condition:
    """Return the condition that a row of an entity's subquery fits.

    Raises
    ------
    InvalidError
        It names what there is not, or compares what cannot be compared.
    """
    match node:
        case Or(parts):
            return or_(*(condition(part, entity, table) for part in parts))
        case Not(of):
            return not_(condition(of, entity, table))
        case And(parts):
            return _all(_flat(parts), entity, table)
        case _:
            return _all([node], entity, table)


def order(node: Node, entity: Entity, table: Any) -> Expression:
    """Return what rows are ordered by.

    Raises
    ------
    InvalidError
        It is no property, or lies over a link that leads to many.
    """
    reach = Reach(entity, table)
    if isinstance(node, Path):
        here = entity
        for step in node.steps[:-1]:
            link = here.links.get(step)
            if link is not None and link.many:
                raise wrong(f"“{node}” may be many values", "$orderby")
            here = ENTITIES[link.target] if link is not None else here
    found = _Compiler(reach, "$orderby").value(node)
    if found.kind in (GEO, NULL):
        raise wrong("geometries have no order", "$orderby")
    made = found.number if found.number is not None else found.made
    if not reach.joined:
        return made
    tables = [there for _, there in reach.joined.values()]
    return (
        select(made).select_from(*tables).where(*reach.conditions).correlate(table).limit(1).scalar_subquery()
    )


def _flat(parts: Sequence[Node]) -> list[Node]:
    flat: list[Node] = []
    for part in parts:
        flat += _flat(part.parts) if isinstance(part, And) else [part]
    return flat


def _all(parts: Sequence[Node], entity: Entity, table: Any) -> Condition:
    reach = Reach(entity, table)
    compiler = _Compiler(reach, "$filter")
    near: list[Condition] = []
    far: list[Condition] = []
    for part in parts:
        if isinstance(part, Or | Not):
            near.append(condition(part, entity, table))
            continue
        (far if _uses_links(part, entity) else near).append(compiler.truth(part))
    if far:
        tables = [there for _, there in reach.joined.values()]
        near.append(exists(select(1).select_from(*tables).where(*reach.conditions, *far).correlate(table)))
    return and_(*near)


def _uses_links(node: Node, entity: Entity) -> bool:
    match node:
        case Path(steps):
            return steps[0] in entity.links
        case Binary(_, left, right):
            return _uses_links(left, entity) or _uses_links(right, entity)
        case Call(_, arguments):
            return any(_uses_links(argument, entity) for argument in arguments)
        case Minus(of):
            return _uses_links(of, entity)
        case _:
            return False


class _Compiler(Algebra):
    """Turns expressions over the rows of a `Reach` into SQL."""

    def __init__(self, reach: Reach, where: str) -> None:
        super().__init__(where)
        self.reach = reach

    def truth(self, node: Node) -> Condition:
        """Return an expression that is true or false."""
        if isinstance(node, And | Or | Not):
            raise self.wrong("a condition cannot be a part of a value here")
        if isinstance(node, Binary) and node.operator in COMPARE:
            return self.compare(node.operator, self.value(node.left), self.value(node.right))
        value = self.value(node)
        if value.kind == JSON:
            value = self.as_kind(value, BOOL)
        if value.kind != BOOL:
            raise self.wrong(f"this is a {value.kind}, a condition is wanted")
        return value.made

    def value(self, node: Node) -> Value:
        match node:
            case Literal(given):
                return self.literal(given)
            case Path(steps):
                return self.path(steps)
            case Call(name, arguments):
                return self.call(name, [self.value(argument) for argument in arguments])
            case Minus(of):
                return Value(NUMBER, -self.as_kind(self.value(of), NUMBER).made)
            case Binary(sign, left, right) if sign not in COMPARE:
                return self.calculate(sign, self.value(left), self.value(right))
        return Value(BOOL, self.truth(node))

    def path(self, steps: tuple[str, ...]) -> Value:
        entity, table, rest = self.reach.along(steps, self.where)
        name = "id" if rest[0] == "@iot.id" else rest[0]
        found = entity.properties.get(name)
        if found is None:
            known = ", ".join([*entity.properties, *entity.links])
            raise self.wrong(f"a {entity.singular} has no “{name[:60]}”", f"it has {known}")
        if len(rest) > 1:
            return self.inside(entity, table, found, rest[1:])
        values = found.of(table)
        if found.type is Type.RESULT:
            return Value(JSON, values[1], number=values[0])
        value = Value(_OF_TYPE[found.type], values[0])
        # A datastream observes from a moment to another; an observation is compared by its beginning, which
        # there is an index for.
        if found.type is Type.TIME and len(values) == 2 and found.columns[0] != "phenomenon_time":
            value.end = values[1]
        if name == "id":
            if entity.id_is_text:
                value.kind = TEXT
            value.identifies = lambda given: entity.is_one(table, given)
        return value

    def inside(self, entity: Entity, table: Any, found: Property, steps: tuple[str, ...]) -> Value:
        """Return a member of a JSON property; those of ``properties`` that are columns of ours as such."""
        if found.type not in (Type.JSON, Type.RESULT):
            raise self.wrong(f"“{found.name}” has no members")
        if found.name == "properties" and len(steps) == 1 and steps[0] in entity.inner:
            column, kind = entity.inner[steps[0]]
            return Value(_OF_TYPE[kind], table.c[column])
        values = found.of(table)
        whole = values[1] if found.type is Type.RESULT else values[0]
        return Value(JSON, func.jsonb_extract_path(whole, *(literal(step, Text) for step in steps)))
