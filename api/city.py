"""Ask whether the database holds a city, or exactly this one."""

from __future__ import annotations

import hashlib
from pathlib import Path

from sqlalchemy import exists, select

from twin.model import Building, Dataset, Device, ImportRun, Road
from twin.store.engine import create_engine


def city_is_current(url: str, file: Path | None) -> bool:
    """Whether the database needs no import.

    Parameters
    ----------
    url
        A migrated database.
    file
        None asks whether any city is there; a file, whether it was the last one imported completely.
    """
    engine = create_engine(url, pool_size=1)
    try:
        with engine.connect() as connection:
            if file is None:
                present = exists(select(Building.id)) | exists(select(Road.id))
                return bool(connection.scalar(select(present)))
            last = connection.scalar(
                select(ImportRun.file_sha256)
                .join(Dataset, Dataset.id == ImportRun.dataset_id)
                .where(Dataset.kind == "osm", ImportRun.finished_at.is_not(None))
                .order_by(ImportRun.id.desc())
                .limit(1)
            )
            return last is not None and last == _sha256(file)
    finally:
        engine.dispose()


def has_simulated_devices(url: str) -> bool:
    """Whether simulated devices were put into the city before."""
    engine = create_engine(url, pool_size=1)
    try:
        with engine.connect() as connection:
            found = exists(select(Device.id).where(Device.simulated, Device.valid_to.is_(None)))
            return bool(connection.scalar(select(found)))
    finally:
        engine.dispose()


def _sha256(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
