"""Give the tests a small invented town, as objects and in a database."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
import pytest
import shapely
from sqlalchemy import Connection, Engine, insert

from ingest.simulate.city import BuildingFact, City, EntranceFact, RoadFact
from ingest.simulate.parameters import Parameters, load_parameters
from twin.catalog import Catalog, load_catalog
from twin.crs import to_local_metres
from twin.model import Area, Base, Building, Dataset, Road
from twin.store.engine import create_engine

CENTER = (104.0632, 30.6618)
BLOCK_M = 130.0
BLOCKS = 4


def make_city(*, cameras: int = 0) -> City:
    """A town of 4 x 4 blocks with streets around them, lanes into them and an underpass."""
    forward, back = to_local_metres(*CENTER)
    half = BLOCKS * BLOCK_M / 2.0
    lines = np.linspace(-half, half, BLOCKS + 1)
    roads: list[RoadFact] = []

    def add(
        ref: str, cls: str, name: str | None, width: float, xy: list[tuple[float, float]], **more: bool
    ) -> None:
        facts = {"tunnel": False, "bridge": False, "foot": True, "car": True} | more
        line = shapely.LineString(xy)
        roads.append(
            RoadFact(len(roads) + 1, ref, cls, name, name and f"{name} St", width, 0, **facts, line=line)  # type: ignore[arg-type]
        )

    for i, a in enumerate(lines):
        cls, width = ("primary", 14.0) if i == 2 else ("residential", 6.0)
        add(f"way/{100 + i}", cls, f"横{i}街", width, [(float(x), float(a)) for x in lines])
        add(f"way/{200 + i}", cls, f"纵{i}街", width, [(float(a), float(y)) for y in lines])
    buildings: list[BuildingFact] = []
    for i, j in np.ndindex(BLOCKS, BLOCKS):
        west, south = float(lines[i]), float(lines[j])
        add(f"way/{300 + 10 * i + j}", "service", None, 4.0, [(west + 65, south), (west + 65, south + 60)])
        for n, (x, y) in enumerate([(15, 15), (80, 15), (15, 80), (80, 80)]):
            kind = ["apartments", "commercial", "yes", "apartments"][n]
            levels = [18, 3, 6, 9][n]
            name = "太平商场" if (i, j, n) == (0, 0, 1) else None
            shape = shapely.box(west + x, south + y, west + x + 35, south + y + 30)
            ref = f"way/{1000 + 100 * i + 10 * j + n}"
            buildings.append(BuildingFact(len(buildings) + 1, ref, kind, name, None, None, levels, shape))
    tunnel = [(float(lines[2]), float(lines[0])), (float(lines[2]), -half - 60.0)]
    add("way/900", "primary", "横2下穿隧道", 14.0, tunnel, tunnel=True)
    door = buildings[0].shape.bounds
    return City(
        center=CENTER,
        to_metres=forward,
        to_lon_lat=back,
        extent=shapely.box(-half - 20, -half - 70, half + 20, half + 20),
        buildings=tuple(buildings),
        roads=tuple(roads),
        entrances=(EntranceFact("node/1", 1, "横0街1号", shapely.Point(door[0] + 10, door[1])),),
        waters=(("way/800", shapely.box(half + 5, -100, half + 15, 100)),),
        blocks=(("way/700", shapely.box(-half + 5, -half + 5, -half + 125, -half + 125)),),
        kitchens=(("node/2", "老成都面馆", shapely.Point(door[0] + 100, door[1] + 10)),),
        cameras=cameras,
        district_code="510105",
        chinese=True,
    )


@pytest.fixture(scope="session")
def city() -> City:
    return make_city()


@pytest.fixture(scope="session")
def parameters() -> Parameters:
    return load_parameters()


@pytest.fixture(scope="session")
def catalog() -> Catalog:
    return load_catalog()


def store_city(connection: Connection, city: City) -> None:
    """Write the town into a database as an import would, with four responsibility grids."""

    def geom(shape: object, kind: str = "") -> str:
        moved = shapely.transform(shape, lambda xy: np.column_stack(city.to_lon_lat(xy[:, 0], xy[:, 1])))
        moved = shapely.multipolygons([moved]) if kind == "multi" else moved
        return f"SRID=4326;{shapely.to_wkt(moved, rounding_precision=9)}"

    def add(model: type[Base], **values: object) -> int:
        return connection.execute(insert(model).values(**values).returning(model.id)).scalar_one()  # type: ignore[attr-defined]

    dataset = add(Dataset, name="town", kind="osm", declared_crs="EPSG:4326", extent=geom(city.extent))

    def put(model: type[Base], ref: str, **values: object) -> int:
        return add(model, dataset_id=dataset, source_ref=ref, content_hash=b"0", **values)

    for b in city.buildings:
        put(
            Building,
            b.ref,
            geom=geom(b.shape, "multi"),
            name=b.name,
            kind=b.kind,
            height_m=b.levels * 3.0,
            min_height_m=0.0,
            levels=b.levels,
            height_source="levels",
            footprint_m2=b.shape.area,
        )
    for r in city.roads:
        ways = dict.fromkeys(("foot", "bike_forward", "bike_backward", "car_forward", "car_backward"), True)
        line = geom(r.line)
        put(
            Road,
            r.ref,
            geom=line,
            road_class=r.road_class,
            name=r.name,
            width_m=r.width_m,
            tunnel=r.tunnel,
            **ways,
        )
    west, south, east, north = city.extent.bounds
    x, y = (west + east) / 2.0, (south + north) / 2.0
    boxes = [(west, y, x, north), (x, y, east, north), (west, south, x, y), (x, south, east, y)]
    for n, level in itertools.product(range(4), ("responsibility_grid", "unit_grid")):
        shape = shapely.box(*boxes[n])
        put(
            Area,
            f"{level}/{n}",
            code=f"510105001001{n + 1:03d}",
            level=level,
            name=f"网格{n + 1}",
            geom=geom(shape, "multi"),
            label_point=geom(shape.centroid),
            made_by="merged",
            area_m2=shape.area,
        )


@pytest.fixture
def town(database: object, city: City) -> Iterator[Engine]:
    """A fresh database that holds the town."""
    engine = create_engine(database.fresh().url)  # type: ignore[attr-defined]
    with engine.begin() as connection:
        store_city(connection, city)
    yield engine
    engine.dispose()
