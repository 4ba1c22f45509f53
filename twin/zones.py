"""Tell by which time zone a place lives."""

from __future__ import annotations


def timezone_of(lon: float, lat: float) -> str:
    """Return the IANA time zone a city lives by: China's one zone inside China's box, else by its longitude.

    ``Etc/GMT`` zones have their sign turned round (POSIX).
    """
    if 73.0 <= lon <= 135.1 and 18.0 <= lat <= 53.6:
        return "Asia/Shanghai"
    if 19.0 <= lon <= 31.6 and 59.7 <= lat <= 70.1:
        return "Europe/Helsinki"
    hours = round(lon / 15.0)
    return "UTC" if hours == 0 else f"Etc/GMT{-hours:+d}"
