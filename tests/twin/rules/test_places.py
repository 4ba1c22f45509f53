"""Polygons that people draw, right and wrong."""

from __future__ import annotations

import math

import pytest

from twin.errors import CoordinateError, InvalidError
from twin.rules.places import MOST_VERTICES, read_polygons

SQUARE = ((104.06, 30.66), (104.07, 30.66), (104.07, 30.67), (104.06, 30.67), (104.06, 30.66))
HOLE = ((104.062, 30.662), (104.064, 30.662), (104.064, 30.664), (104.062, 30.662))
BOW = ((104.06, 30.66), (104.07, 30.67), (104.07, 30.66), (104.06, 30.67), (104.06, 30.66))
CIRCLE = tuple(
    (104 + 0.01 * math.cos(n), 30 + 0.01 * math.sin(n))
    for n in (2 * math.pi * k / MOST_VERTICES for k in range(MOST_VERTICES))
)


def test_polygons_with_holes_are_taken():
    far = tuple((lon + 1, lat) for lon, lat in SQUARE)
    shape = read_polygons(((SQUARE, HOLE), (far,)))
    assert shape.is_valid
    assert len(shape.geoms) == 2
    assert len(shape.geoms[0].interiors) == 1


@pytest.mark.parametrize(
    ("polygons", "error", "what", "where"),
    [
        ((), InvalidError, "at least one polygon", "polygons"),
        (((),), InvalidError, "at least one polygon", "polygons"),
        (((SQUARE[:-1],),), InvalidError, "not closed", "polygons[0][0]"),
        (((SQUARE[:2],),), InvalidError, "at least three corners", "polygons[0][0]"),
        (((BOW,),), InvalidError, "crosses itself", "polygons[0] at 104.065"),
        (((SQUARE,), (SQUARE,)), InvalidError, "border", "polygons"),
        (((SQUARE, BOW),), InvalidError, "border", "polygons[0]"),
        (
            ((tuple((lat, lon) for lon, lat in SQUARE),),),
            CoordinateError,
            "are exchanged",
            "polygons[0][0][0]",
        ),
        (((((math.nan, 1.0), *SQUARE[1:]),),), CoordinateError, "finite", "polygons[0][0][0]"),
        (((((181.0, 1.0), *SQUARE[1:]),),), CoordinateError, "no place on earth", "polygons[0][0][0]"),
        (
            (((SQUARE[0], SQUARE[1], SQUARE[0], SQUARE[0]),),),
            InvalidError,
            "nothing is inside",
            "polygons[0]",
        ),
        ((((*CIRCLE, CIRCLE[0]),),), InvalidError, "2,001 corners", "polygons"),
    ],
)
def test_what_is_wrong_is_said(polygons, error, what, where):
    with pytest.raises(error, match=what.replace("[", r"\[")) as told:
        read_polygons(polygons, "polygons")
    assert told.value.where.startswith(where)
