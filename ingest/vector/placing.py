"""Bring coordinates of a declared frame to storage and tell a wrong frame from a wrong row."""

from __future__ import annotations

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry
from sqlalchemy import Engine, text

from ingest.vector.geometry import GeometryRefusedError
from ingest.vector.record import FAR_KM
from ingest.vector.summary import ImportSummary
from twin.crs import area_of_use, converter_to_storage
from twin.distance import distance_m
from twin.errors import CoordinateError

Floats = NDArray[np.float64]
DEFAULT_FRAME = "EPSG:4326"
_WRONG_SHARE = 0.5
"""When more than half of a file lies wrong, it is the frame and not the rows."""


class Placer:
    """Convert geometries of one file; refuse single ones that lie wrong, and the file where most do.

    Parameters
    ----------
    declared
        The frame of the file's coordinates.
    city
        Box (west, south, east, north) of what is there already, None for an empty twin.
    allow_far
        Take data far from the city.
    """

    def __init__(
        self, declared: str, city: tuple[float, float, float, float] | None, *, allow_far: bool
    ) -> None:
        self.declared = declared
        self.city = city
        self.allow_far = allow_far
        self._convert = converter_to_storage(declared)
        self._use = area_of_use(declared)

    def place(
        self, geometries: list[BaseGeometry | None], where: str
    ) -> list[BaseGeometry | GeometryRefusedError]:
        """Return each geometry in storage lon/lat, or why it is refused, in the order given.

        Raises
        ------
        CoordinateError
            Most of the file lies outside the world, outside the declared frame's area, or far from the city.
        """
        placed = [self._place_one(g) for g in geometries]
        judged = [(p, p.reason if isinstance(p, GeometryRefusedError) else "") for p in placed]
        known = sum(reason not in {"empty", "unreadable_geometry"} for _, reason in judged)
        for reason, message, hint in (
            (
                "outside_the_world",
                "most coordinates lie outside longitude ±180, latitude ±90",
                "declare the frame with --crs (for example EPSG:4547 or GCJ-02), longitude first",
            ),
            (
                "outside_frame",
                f"most coordinates lie outside the area where {self.declared} is used",
                "declare the frame the file is really in with --crs",
            ),
            (
                "swapped",
                "longitude and latitude look swapped",
                "longitude comes first; swap the columns or the coordinates",
            ),
            (
                "far_from_city",
                f"most things lie more than {FAR_KM:g} km from the city that is there",
                "declare the right frame with --crs, or say --allow-far",
            ),
        ):
            count = sum(given == reason for _, given in judged)
            if known and count > _WRONG_SHARE * known:
                raise CoordinateError(message, where=f"{where}, declared as {self.declared}", hint=hint)
        return placed

    def _place_one(self, geometry: BaseGeometry | None) -> BaseGeometry | GeometryRefusedError:
        if geometry is None or geometry.is_empty:
            return GeometryRefusedError("empty", "it has no geometry")
        flat = shapely.force_2d(geometry)
        xy = shapely.get_coordinates(flat)
        if not np.isfinite(xy).all():
            return GeometryRefusedError("not_finite", "a coordinate is not a finite number")
        lon, lat = self._convert(xy[:, 0], xy[:, 1])
        if not (np.isfinite(lon).all() and np.isfinite(lat).all()):
            return GeometryRefusedError("outside_frame", f"it lies outside the area of {self.declared}")
        if (np.abs(lon) > 180.0).any() or (np.abs(lat) > 90.0).any():
            swapped = (np.abs(lon) <= 90.0).all() and (np.abs(lat) <= 180.0).all()
            return GeometryRefusedError(
                "swapped" if swapped else "outside_the_world",
                f"coordinate ({lon[0]:.6g}, {lat[0]:.6g}) is outside longitude ±180, latitude ±90"
                + ("; longitude and latitude look swapped" if swapped else ""),
            )
        if self._use is not None:
            west, south, east, north = self._use
            if lon.min() < west - 2 or lon.max() > east + 2 or lat.min() < south - 2 or lat.max() > north + 2:
                return GeometryRefusedError(
                    "outside_frame",
                    f"it lies at {lon[0]:.4f}, {lat[0]:.4f}, outside the area where {self.declared} is used",
                )
        if (wrong := self._far(lon, lat)) is not None:
            return wrong
        return shapely.set_coordinates(flat, np.column_stack([lon, lat]))

    def _far(self, lon: Floats, lat: Floats) -> GeometryRefusedError | None:
        if self.city is None or self.allow_far:
            return None
        away = _box_distance_km(float(lon[0]), float(lat[0]), self.city)
        if away <= FAR_KM:
            return None
        if abs(lon[0]) <= 90.0 and _box_distance_km(float(lat[0]), float(lon[0]), self.city) <= FAR_KM:
            return GeometryRefusedError("swapped", "longitude and latitude look swapped")
        return GeometryRefusedError(
            "far_from_city",
            f"it lies at {lon[0]:.4f}, {lat[0]:.4f}, {away:,.0f} km from the city that is there",
        )


def _box_distance_km(lon: float, lat: float, box: tuple[float, float, float, float]) -> float:
    """Return the distance from a point to a lon/lat box in km, right to a percent; 0 inside."""
    west, south, east, north = box
    near_lon, near_lat = min(max(lon, west), east), min(max(lat, south), north)
    return distance_m((lon, lat), (near_lon, near_lat)) / 1000.0


def city_box(engine: Engine) -> tuple[float, float, float, float] | None:
    """Return the box around everything that was imported, None for an empty twin."""
    with engine.connect() as connection:
        row = connection.execute(
            text(
                "SELECT ST_XMin(e), ST_YMin(e), ST_XMax(e), ST_YMax(e) "
                "FROM (SELECT ST_Extent(extent) AS e FROM dataset WHERE extent IS NOT NULL) AS boxes"
            )
        ).one()
    return None if row[0] is None else (row[0], row[1], row[2], row[3])


def declared_frame(written: str | None, said: str | None, summary: ImportSummary) -> str:
    """Return the frame to convert from: what was said, else what is written in the file, else lon/lat.

    Warns where nobody says it, and where the file says another one.
    """
    if said is not None:
        if written and written.upper() != said.upper() and not written.upper().endswith(("4326", "CRS84")):
            summary.warnings.append(f"the file says {written[:60]}, it was read as {said} as told")
        return said
    if written:
        return written
    summary.warnings.append(
        f"the file does not say its frame; it was read as {DEFAULT_FRAME} (declare it with --crs)"
    )
    return DEFAULT_FRAME
