"""Find what a point sees among walls: its visibility polygon, exact but for the arc of its range."""

from __future__ import annotations

import math

import numpy as np
import shapely
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_EPSILON_RAD = 1e-6  # rays just beside a corner: 0.04 mm at 40 m
_ARC_STEP_RAD = math.radians(3.0)


def visible(
    eye: Floats, walls: Floats, bearing_deg: float, field_of_view_deg: float, range_m: float
) -> shapely.Polygon:
    """Return the visibility polygon of a point among walls that do not cross each other, metres.

    Rays go to every end of a wall and just beside it, to where walls cross the circle of the range, to the
    two sides of the sector and along its arc; between two neighbouring rays the nearest thing is one
    straight wall or the arc, so that the polygon is exact but for the arc (chords of 3°).

    Parameters
    ----------
    eye
        Shape (2,).
    walls
        Ends of walls, x, y, x, y, shape (n, 4).
    """
    full = field_of_view_deg >= 360.0 - 1e-9
    width = 2.0 * math.pi if full else math.radians(field_of_view_deg)
    first = math.radians(bearing_deg) - width / 2.0
    a, b = walls[:, :2] - eye, walls[:, 2:] - eye
    ends = np.vstack([a, b])
    ends = np.vstack([ends[np.hypot(*ends.T) <= range_m], _on_circle(a, b, range_m)])
    corner = np.unique((np.arctan2(ends[:, 0], ends[:, 1]) - first) % (2.0 * math.pi))
    beside = np.concatenate([corner - _EPSILON_RAD, corner, corner + _EPSILON_RAD])
    if full:  # beside a corner where the circle begins is its end
        beside %= width
    arc = np.linspace(0.0, width, math.ceil(width / _ARC_STEP_RAD) + 1)
    angles = np.unique(np.concatenate([beside, arc]))
    angles = angles[(angles >= 0.0) & ((angles < width) if full else (angles <= width))]
    reach = _cast(angles + first, a, b, range_m)
    rim = eye + reach[:, None] * np.column_stack([np.sin(angles + first), np.cos(angles + first)])
    polygon = shapely.Polygon(rim if full else np.vstack([eye, rim]))
    if polygon.is_valid:
        return polygon
    parts = shapely.get_parts(shapely.make_valid(polygon))
    areal = parts[shapely.get_dimensions(parts) == 2]
    return shapely.Polygon() if len(areal) == 0 else max(areal, key=lambda p: float(p.area))


def _on_circle(a: Floats, b: Floats, radius_m: float) -> Floats:
    """Return the points where segments cross a circle around the origin, shape (n, 2)."""
    step = b - a
    # |a + t step|² = r²
    qa = np.maximum((step**2).sum(axis=1), 1e-18)
    qb = 2.0 * (a * step).sum(axis=1)
    disc = qb**2 - 4.0 * qa * ((a**2).sum(axis=1) - radius_m**2)
    root = np.sqrt(np.maximum(disc, 0.0))
    out = []
    for t in ((-qb - root) / (2.0 * qa), (-qb + root) / (2.0 * qa)):
        on = (disc >= 0.0) & (t >= 0.0) & (t <= 1.0)
        out.append(a[on] + t[on, None] * step[on])
    return np.vstack(out)


def _cast(azimuth: Floats, a: Floats, b: Floats, range_m: float) -> Floats:
    """Return how far rays from the origin go before the first wall, at most the range; shape of azimuth."""
    if len(a) == 0:
        return np.full(len(azimuth), range_m)
    dx, dy = np.sin(azimuth)[:, None], np.cos(azimuth)[:, None]
    step = b - a
    across = dx * step[:, 1] - dy * step[:, 0]
    with np.errstate(divide="ignore", invalid="ignore"):
        distance = (a[:, 0] * step[:, 1] - a[:, 1] * step[:, 0]) / across
        share = (a[:, 0] * dy - a[:, 1] * dx) / across
    hit = (np.abs(across) > 1e-12) & (distance >= 0.0) & (share >= -1e-9) & (share <= 1.0 + 1e-9)
    reach = np.where(hit, distance, range_m).min(axis=1)
    return np.asarray(np.minimum(reach, range_m), dtype=np.float64)
