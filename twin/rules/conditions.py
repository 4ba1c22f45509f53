"""Say what a rule may ask of readings: conditions are data, checked when they are read, and never code."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Final, Literal

import msgspec
from msgspec import Meta

from twin.errors import InvalidError
from twin.rules.density import DensityTerms
from twin.rules.learned import LearnedRule, load_learned_rules
from twin.rules.places import Polygons, read_polygons

LONGEST_S: Final = 7 * 86_400.0
"""Longest time that a condition may look back or wait."""

Seconds = Annotated[float, Meta(ge=0, le=LONGEST_S)]
_Number = Annotated[float, Meta(ge=-1e12, le=1e12)]
_Size = Annotated[float, Meta(ge=0, le=1e12)]


class Threshold(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A number that is reached ``above`` (>=) or ``below`` (<=), one of the two.

    It begins when it was so for ``hold_s``, and ends when the number came back by more than ``hysteresis``.
    """

    above: _Number | None = None
    below: _Number | None = None
    hysteresis: _Size = 0.0
    hold_s: Seconds = 0.0

    def check(self) -> None:
        """Refuse a threshold without a side, or with both."""
        if (self.above is None) == (self.below is None):
            raise InvalidError("a threshold has either “above” or “below”", where="condition")


class Limit(Threshold, frozen=True, forbid_unknown_fields=True, kw_only=True, tag="limit"):
    """The value itself reaches a threshold, in the unit of the property."""

    needs_property: ClassVar = True


class Rate(Threshold, frozen=True, forbid_unknown_fields=True, kw_only=True, tag="rate"):
    """The value changes too fast: by so much in ``per_s`` seconds, judged over ``window_s``.

    Above 5 is a rise of 5 and more, below -5 a fall of 5 and more.
    """

    needs_property: ClassVar = True
    per_s: Annotated[float, Meta(ge=1, le=LONGEST_S)] = 60.0
    window_s: Annotated[float, Meta(ge=1, le=21_600)]


class Silence(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag="silence"):
    """Nothing was observed for longer than ``after_s``; what never reported is not silent but unknown."""

    needs_property: ClassVar = False
    after_s: Annotated[float, Meta(ge=10, le=LONGEST_S)]

    def check(self) -> None:
        """Accept it: every field is checked by its type."""


class Learned(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag="learned"):
    """The value is unusual for its own series: a row of `data/learned_rules.toml`, see `twin.rules.learned`.

    ``score`` is where it begins, that of the row when left out.
    """

    needs_property: ClassVar = True
    parameters: Annotated[str, Meta(max_length=60)] = "usual"
    score: Annotated[float, Meta(ge=0.1, le=100)] | None = None
    side: Literal["both", "above", "below"] = "both"

    def check(self) -> None:
        """Refuse parameters that are no row of the table."""
        self.row()

    def row(self) -> LearnedRule:
        """Return the parameters, beginning at the score of this condition.

        Raises
        ------
        InvalidError
            There is no such row.
        """
        rows = {rule.name: rule for rule in load_learned_rules()}
        row = rows.get(self.parameters)
        if row is None:
            raise InvalidError(
                f"there are no learned parameters “{self.parameters}”",
                where="condition.parameters",
                hint="one of " + ", ".join(rows),
            )
        begins = row.warning if self.score is None else self.score
        return msgspec.structs.replace(row, warning=begins, alarm=None, critical=None, side=self.side)


class Geofence(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag="fence"):
    """Something that moves enters a fence, leaves it, or stays in it; see `twin.rules.fences.Fence`.

    ``polygons`` are coordinates of a GeoJSON MultiPolygon, degrees WGS 84; ``area`` (its code) or
    ``compound`` (its number) says whose border that was. ``dwell_s``, for dwell alone, is how long it stays,
    and ``radius_m`` how far it may move meanwhile.
    """

    needs_property: ClassVar = False
    when: Literal["enter", "leave", "dwell"]
    polygons: Polygons = ()
    area: Annotated[str, Meta(pattern="^[0-9]{15}$")] | None = None
    compound: Annotated[int, Meta(ge=1, le=2**62)] | None = None
    dwell_s: Annotated[float, Meta(ge=10, le=86_400)] | None = None
    radius_m: Annotated[float, Meta(ge=5, le=10_000)] | None = None
    margin_m: Annotated[float, Meta(ge=0, le=1_000)] = 10.0
    worst_accuracy_m: Annotated[float, Meta(ge=1, le=1_000)] = 50.0
    fixes: Annotated[int, Meta(ge=1, le=20)] = 2
    seconds: Annotated[float, Meta(ge=0, le=3_600)] = 0.0
    gap_s: Annotated[float, Meta(ge=10, le=86_400)] = 900.0

    def check(self) -> None:
        """Refuse polygons that are none, and a time to stay where nothing stays."""
        read_polygons(self.polygons)
        if (self.when == "dwell") != (self.dwell_s is not None):
            raise InvalidError(
                "how long it stays belongs to “dwell”, and “dwell” needs it",
                where="condition.dwell_s",
                hint="seconds for dwell, nothing for enter and leave",
            )
        if self.radius_m is not None and self.when != "dwell":
            raise InvalidError("the radius belongs to “dwell”", where="condition.radius_m")


class Crowd(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag="density"):
    """More of what moves is in a cell than is usual there at this hour; see `twin.rules.density`.

    The rule is about the kind `GATHERING` and its property `EXCESS`: the server counts what is of the kinds
    ``of`` and was heard within ``fresh_s``, and makes a gathering of each cell where there are too many.
    """

    needs_property: ClassVar = True
    of: Annotated[tuple[Annotated[str, Meta(max_length=60)], ...], Meta(min_length=1, max_length=20)]
    at_least: Annotated[int, Meta(ge=1, le=1_000_000)] = 10
    surprise: Annotated[float, Meta(ge=1, le=50)] = 6.0
    hold_s: Annotated[float, Meta(ge=0, le=3_600)] = 120.0
    quiet_s: Annotated[float, Meta(ge=60, le=86_400)] = 300.0
    resolution: Annotated[int, Meta(ge=7, le=11)] = 10
    ring: Literal[0, 1] = 0
    learn_days: Annotated[float, Meta(ge=1, le=30)] = 3.0
    fresh_s: Annotated[float, Meta(ge=30, le=3_600)] = 300.0

    def check(self) -> None:
        """Refuse terms that could single out somebody."""
        self.terms()

    def terms(self) -> DensityTerms:
        """Return what a gathering is."""
        return DensityTerms(
            at_least=self.at_least,
            surprise=self.surprise,
            hold_s=self.hold_s,
            quiet_s=self.quiet_s,
            resolution=self.resolution,
            ring=self.ring,
            learn_days=self.learn_days,
        )


Condition = Limit | Rate | Silence | Learned | Geofence | Crowd
"""What a rule may ask; the field ``type`` of its JSON says which."""


def read_condition(content: Any) -> Condition:
    """Check what somebody wrote as a condition.

    Parameters
    ----------
    content
        JSON as Python objects.

    Raises
    ------
    InvalidError
        It is none: an unknown type or field, a number that is missing, no number or out of range.
    """
    for number in _numbers(content):
        if not math.isfinite(number):
            raise InvalidError(f"a number must be finite, it is {number}", where="condition")
    try:
        condition: Condition = msgspec.convert(content, Condition)
    except msgspec.ValidationError as error:
        said, _, path = str(error).partition(" - at `$")
        where = "condition" + path.rstrip("`")
        raise InvalidError(said, where=where, hint="see docs/rules.md") from error
    condition.check()
    return condition


def write_condition(condition: Condition) -> dict[str, Any]:
    """Return a condition as JSON, every field named."""
    built: dict[str, Any] = msgspec.to_builtins(condition)
    return built


def _numbers(content: Any) -> Iterator[float]:
    """Yield the numbers in JSON, however deep it is nested."""
    left = [content]
    while left:
        one = left.pop()
        if isinstance(one, float):
            yield one
        elif isinstance(one, dict | list):
            left += one.values() if isinstance(one, dict) else one
