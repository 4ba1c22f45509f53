"""Write small cities as OpenStreetMap files and ask databases about them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import Engine, text

from ingest.vector.record import Rules

SHARED = Path(__file__).parents[4] / "shared/data"
CHENGDU = SHARED / "chengdu_tianfu/chengdu_tianfu_nometa.osm.pbf"
BEIJING = SHARED / "beijing_bupt/beijing_bupt.osm"

PLAIN = Rules(make_grids=False, see=False)
"""Rules of tests that are not about what hangs on an import."""


class City:
    """Write an OSM XML file piece by piece; coordinates are metres from 104.06, 30.66."""

    LON, LAT = 104.06, 30.66

    def __init__(self, date: str = "2026-01-01T00:00:00Z") -> None:
        self.nodes: list[str] = []
        self.ways: list[str] = []
        self.relations: list[str] = []
        self.last = 0
        self.date = date
        self.bounds = ""

    def lon_lat(self, x: float, y: float) -> tuple[float, float]:
        return self.LON + x / 95_700.0, self.LAT + y / 110_900.0

    def window(self, x0: float, y0: float, x1: float, y1: float) -> City:
        (west, south), (east, north) = self.lon_lat(x0, y0), self.lon_lat(x1, y1)
        self.bounds = (
            f'<bounds minlat="{south:.7f}" minlon="{west:.7f}" maxlat="{north:.7f}" maxlon="{east:.7f}"/>'
        )
        return self

    def _id(self, given: int | None) -> int:
        if given is None:
            self.last += 1
            return self.last
        self.last = max(self.last, given)
        return given

    def node(self, x: float, y: float, tags: dict[str, str] | None = None, id_: int | None = None) -> int:
        number = self._id(id_)
        lon, lat = self.lon_lat(x, y)
        self.nodes.append(
            f'<node id="{number}" version="1" timestamp="{self.date}" lat="{lat:.7f}" lon="{lon:.7f}">'
            f"{_tags(tags)}</node>"
        )
        return number

    def way(self, nodes: list[int], tags: dict[str, str] | None = None, id_: int | None = None) -> int:
        number = self._id(id_)
        refs = "".join(f'<nd ref="{n}"/>' for n in nodes)
        self.ways.append(f'<way id="{number}" version="1" timestamp="{self.date}">{refs}{_tags(tags)}</way>')
        return number

    def line(self, points: list[tuple[float, float]], tags: dict[str, str], id_: int | None = None) -> int:
        return self.way([self.node(x, y) for x, y in points], tags, id_)

    def ring(self, points: list[tuple[float, float]], tags: dict[str, str], id_: int | None = None) -> int:
        nodes = [self.node(x, y) for x, y in points]
        return self.way([*nodes, nodes[0]], tags, id_)

    def house(
        self,
        x: float,
        y: float,
        size: float = 20.0,
        tags: dict[str, str] | None = None,
        id_: int | None = None,
    ) -> int:
        corners = [(x, y), (x + size, y), (x + size, y + size), (x, y + size)]
        return self.ring(corners, {"building": "yes", **(tags or {})}, id_)

    def relation(
        self, members: list[tuple[str, int, str]], tags: dict[str, str], id_: int | None = None
    ) -> int:
        number = self._id(id_)
        kinds = {"n": "node", "w": "way", "r": "relation"}
        body = "".join(f'<member type="{kinds[k]}" ref="{r}" role="{role}"/>' for k, r, role in members)
        self.relations.append(
            f'<relation id="{number}" version="1" timestamp="{self.date}">{body}{_tags(tags)}</relation>'
        )
        return number

    def write(self, path: Path) -> Path:
        body = "\n".join([self.bounds, *self.nodes, *self.ways, *self.relations])
        path.write_text(f'<?xml version="1.0" encoding="UTF-8"?>\n<osm version="0.6">{body}</osm>\n')
        return path


def _tags(tags: dict[str, str] | None) -> str:
    def escape(value: str) -> str:
        return value.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")

    return "".join(f'<tag k="{escape(k)}" v="{escape(v)}"/>' for k, v in (tags or {}).items())


def small_city() -> City:
    """Return a crossing of two roads with four houses, inside a window of 400 by 400 metres."""
    city = City().window(-200, -200, 200, 200)
    city.line([(-190, 0), (0, 0), (190, 0)], {"highway": "residential", "name": "人民路"}, 1000)
    city.line([(0, -190), (0, 190)], {"highway": "service"}, 1001)
    for n, (x, y) in enumerate([(30, 30), (-60, 30), (-60, -60), (30, -60)]):
        city.house(x, y, tags={"building:levels": str(n + 1)}, id_=2000 + n)
    return city


def ask(engine: Engine, sql: str, **parameters: Any) -> list[tuple[Any, ...]]:
    """Return rows as plain tuples."""
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(text(sql), parameters)]


def everything(engine: Engine) -> dict[str, int]:
    """Return how many rows each table has that an import may write."""
    tables = (
        "dataset",
        "import_run",
        "import_reject",
        "area",
        "building",
        "road",
        "ground_cover",
        "address",
        "device",
        "service_point",
        "component",
        "feature_history",
    )
    return {table: ask(engine, f"SELECT count(*) FROM {table}")[0][0] for table in tables}
