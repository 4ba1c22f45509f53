"""Compare seconds of ways with those of a peer, and say on which streets a way differs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np
import shapely
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Found = Sequence[Mapping[str, Any]]
Pairs = Sequence[Sequence[Sequence[float]]]

_FAR: Final = 1e-4
"""Degrees, some ten metres: farther than that from a line is another street."""

NEARLY: Final = 0.10
"""A way that takes so much more or less is listed."""


MOVED_M: Final = 1.0
"""A peer that begins or ends a way farther from the place it was given answers another question."""

_M_A_LAT: Final = 111_132.0


def compare(pairs: Pairs, ours: Found, theirs: Found) -> dict[str, Any]:
    """Count which pairs have a way, and give the ratios of our seconds to theirs where both have one.

    Pairs whose places a peer has moved are counted apart.
    """
    moved = np.array([moved_m(pair, one) > MOVED_M for pair, one in zip(pairs, theirs, strict=True)])
    a, b = _seconds(ours)[~moved], _seconds(theirs)[~moved]
    both = np.isfinite(a) & np.isfinite(b)
    ratio = a[both] / b[both]
    quantiles = np.percentile(ratio, (5, 50, 95)) if both.any() else np.full(3, np.nan)
    return {
        "pairs": len(moved),
        "moved": int(moved.sum()),
        "both": int(both.sum()),
        "neither": int((~np.isfinite(a) & ~np.isfinite(b)).sum()),
        "only_ours": int((np.isfinite(a) & ~np.isfinite(b)).sum()),
        "only_theirs": int((~np.isfinite(a) & np.isfinite(b)).sum()),
        **{
            name: None if np.isnan(one) else round(float(one), 4)
            for name, one in zip(("p5", "median", "p95"), quantiles, strict=True)
        },
        "within_tenth": round(float((np.abs(ratio - 1) <= NEARLY).mean()), 4) if both.any() else None,
    }


def differing(pairs: Pairs, ours: Found, theirs: Found, names: Mapping[int, str]) -> list[dict[str, Any]]:
    """List the pairs with a way on one side only or with another time, and the streets only our way uses."""
    out = []
    for pair, one, other in zip(pairs, ours, theirs, strict=True):
        a, b = one["seconds"], other["seconds"]
        if a is None and b is None:
            continue
        if a is not None and b is not None and abs(a / b - 1) <= NEARLY:
            continue
        found = {
            "from": pair[0],
            "to": pair[1],
            "ours_s": a,
            "theirs_s": b,
            "why": other.get("why"),
            "moved_m": round(moved_m(pair, other), 1),
        }
        if a is not None and b is not None:
            found |= {
                "ours_m": round(one["metres"]),
                "theirs_m": round(other["metres"]),
                "stairs_m": round(one["stairs_m"]),
                "only_ours": sorted(set(_elsewhere(one, other, names))),
            }
        out.append(found)
    return out


def moved_m(pair: Sequence[Sequence[float]], one: Mapping[str, Any]) -> float:
    """Return how far from the places that were asked for a peer's way begins or ends, metres; 0 of none."""
    if one["seconds"] is None:
        return 0.0
    line = decoded(one["line"])
    scale = _M_A_LAT * np.array([np.cos(np.radians(pair[0][1])), 1.0])
    return float(max(np.hypot(*((line[end] - np.array(pair[end])) * scale)) for end in (0, -1)))


def _elsewhere(one: Mapping[str, Any], other: Mapping[str, Any], names: Mapping[int, str]) -> Iterator[str]:
    line = shapely.LineString(decoded(other["line"]))
    gaps = shapely.distance(shapely.points(np.array(one["middles"])), line)
    for road, gap in zip(one["roads"], gaps.tolist(), strict=True):
        if gap > _FAR:
            yield names.get(road, "a link nobody drew")


def decoded(line: str) -> Floats:
    """Return the places of a line both peers write, lon/lat, shape (n, 2).

    It holds steps of a millionth of a degree, latitude first, five bits a letter, the sign in the lowest.
    """
    steps, value, shift = [], 0, 0
    for letter in line:
        five = ord(letter) - 63
        value |= (five & 31) << shift
        shift += 5
        if five < 32:
            steps.append(~(value >> 1) if value & 1 else value >> 1)
            value = shift = 0
    return np.asarray(np.cumsum(np.array(steps).reshape(-1, 2), axis=0)[:, ::-1] / 1e6, float)


def _seconds(found: Found) -> Floats:
    return np.array([np.inf if one["seconds"] is None else max(one["seconds"], 0.1) for one in found])
