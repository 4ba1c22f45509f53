"""Work out what a camera sees: its bearing towards the street and its field of view cut by buildings."""

from __future__ import annotations

from sqlalchemy import Connection


def update_sight(connection: Connection) -> int:
    """Compute bearing, optics and field of view of present cameras and store what changed.

    Returns the number of cameras that changed. Nothing is committed here.
    """
    raise NotImplementedError
