"""Read surveillance cameras: where they look, how wide, how high, as far as that is tagged."""

from __future__ import annotations

from dataclasses import dataclass

from ingest.vector.tag_values import Tags, direction, metres, number

ALL_ROUND = frozenset({"dome", "panning", "ptz", "panoramic", "360"})
"""Values of ``camera:type`` that see all round, at once or by turning."""

_MOUNT_HEIGHT_M = {"pole": 5.0, "street_lamp": 5.0, "wall": 4.0, "ceiling": 3.0, "roof": 10.0}


@dataclass(frozen=True, slots=True)
class CameraView:
    """What the tags of a camera say; None where they say nothing and it is left to be estimated."""

    bearing_deg: float | None
    field_of_view_deg: float | None
    height_m: float | None
    range_m: float | None


def is_camera(tags: Tags) -> bool:
    """Whether tags describe a surveillance camera, and not a guard or a number-plate gate without one."""
    return tags.get("man_made") == "surveillance" and tags.get("surveillance:type", "camera") in {
        "camera",
        "ALPR",
        "yes",
    }


def camera_view(tags: Tags) -> CameraView:
    """Read direction (degrees, compass words, ranges), kind, height and mount of a camera.

    A range of directions is a direction in its middle and a field of view of its width. A camera that sees
    all round has 360 degrees whatever its direction. Height: ``height``, ``camera:height``, else usual for
    its mount (pole 5 m, wall 4 m, ceiling 3 m, roof 10 m: our assumption).
    """
    looking = direction(tags.get("camera:direction") or tags.get("direction"))
    bearing, width = looking if looking else (None, None)
    if tags.get("camera:type", "").lower() in ALL_ROUND:
        width = 360.0
    elif width is None:
        tagged = number(tags.get("camera:fov") or tags.get("camera:field_of_view"))
        width = tagged if tagged is not None and 0.0 < tagged <= 360.0 else None
    height = metres(tags.get("height") or tags.get("camera:height"))
    if height is None or not 0.0 <= height <= 300.0:
        height = _MOUNT_HEIGHT_M.get(tags.get("camera:mount", ""))
    reach = metres(tags.get("camera:range") or tags.get("range"))
    return CameraView(
        None if bearing is None else round(bearing % 360.0, 2) % 360.0,
        None if width is None else round(width, 2),
        height,
        reach if reach is not None and 0.0 < reach <= 5000.0 else None,
    )
