"""Read an OpenStreetMap file into plain nodes, ways and relations with their coordinates."""

from __future__ import annotations

import contextlib
from array import array
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import osmium
import shapely
from numpy.typing import NDArray
from shapely.geometry import LineString, Polygon, box
from shapely.geometry.base import BaseGeometry

from ingest.vector.source_file import SourceFile, file_errors
from ingest.vector.summary import Progress, Silent
from twin.errors import FileFormatError

Tags = dict[str, str]
EXTENT_FREE_NODES_MIN = 20
"""Fewer free-standing nodes than this say nothing about the window an extract was cut with."""


@dataclass(slots=True)
class Node:
    """A tagged node."""

    id: int
    tags: Tags
    lon: float
    lat: float


@dataclass(slots=True)
class Way:
    """A way. ``coordinates`` is (n, 2) lon/lat; a row is NaN where the node is not in the file."""

    id: int
    tags: Tags
    nodes: NDArray[np.int64]
    coordinates: NDArray[np.float64]

    @property
    def known(self) -> NDArray[np.bool_]:
        """Which of its nodes are in the file."""
        return np.asarray(np.isfinite(self.coordinates).all(axis=1), dtype=np.bool_)

    @property
    def complete(self) -> bool:
        """Whether every node of the way is in the file."""
        return bool(np.isfinite(self.coordinates).all())

    @property
    def closed(self) -> bool:
        """Whether the way ends at the node it began with."""
        return len(self.nodes) >= 4 and self.nodes[0] == self.nodes[-1]


@dataclass(slots=True)
class Relation:
    """A relation; members are (type ``n``/``w``/``r``, id, role). ``area`` where it could be assembled."""

    id: int
    tags: Tags
    members: list[tuple[str, int, str]]
    area: BaseGeometry | None = None


@dataclass(slots=True)
class OsmExtract:
    """Everything of a file that an importer looks at."""

    nodes: list[Node] = field(default_factory=list)
    ways: dict[int, Way] = field(default_factory=dict)
    relations: list[Relation] = field(default_factory=list)
    locations: dict[int, tuple[float, float]] = field(default_factory=dict)
    """Place of tagged nodes and of the label and centre nodes of boundaries."""
    extent: Polygon | None = None
    extent_source: str = "header"
    data_date: datetime | None = None
    duplicates: list[str] = field(default_factory=list)
    """Objects that came a second time (``way/12``); the first was kept."""
    bad_coordinates: list[str] = field(default_factory=list)
    nodes_total: int = 0


def read_osm(source: SourceFile, progress: Progress | None = None) -> OsmExtract:
    """Read a PBF or XML file.

    Raises
    ------
    FileFormatError
        Cut off, damaged, a history or change file, or without any object.
    """
    progress = progress or Silent()
    progress.begin("reading map objects", None)
    extract = OsmExtract()
    with file_errors(source.path):
        source.path.stat()
    try:
        try:
            _read(source.path, source.format, extract, progress, sorted_ids=True)
        except RuntimeError as error:
            if "out of order" not in str(error):
                raise
            # Editors write objects in any order, and ids may come twice: the strict reader stops there.
            extract = OsmExtract()
            _read(source.path, source.format, extract, progress, sorted_ids=False)
    except (RuntimeError, osmium.InvalidLocationError) as error:
        with file_errors(source.path):
            source.path.stat()
        raise FileFormatError(
            f"{source.name} is damaged or cut off: {error}",
            where=str(source.path),
            hint="fetch it again and compare its size with the source",
        ) from error
    if not extract.nodes_total and not extract.ways:
        raise FileFormatError(
            f"{source.name} holds no map objects",
            where=str(source.path),
            hint="the extract is empty: check the bounding box it was made with",
        )
    return extract


def _osmium_file(path: Path, format_name: str) -> osmium.io.File:
    # The format is said outright: the name of the file may be wrong.
    return osmium.io.File(str(path), "pbf" if format_name == "osm_pbf" else "xml")


def _read(path: Path, format_name: str, extract: OsmExtract, progress: Progress, *, sorted_ids: bool) -> None:
    processor = osmium.FileProcessor(_osmium_file(path, format_name)).with_locations()
    if sorted_ids:
        processor = processor.with_areas()
    header = processor.header
    if header.has_multiple_object_versions:
        raise FileFormatError(
            f"{path.name} is a history file with several versions of each object",
            where=str(path),
            hint="make a present-day extract of it: osmium time-filter",
        )
    factory = osmium.geom.WKBFactory()
    areas: dict[int, BaseGeometry] = {}
    seen_relations: set[int] = set()
    seen_nodes: set[int] = set()
    free = _Nodes()
    newest = 0.0
    for n, thing in enumerate(processor):
        if n % 10_000 == 0:
            progress.advance(10_000)
        if isinstance(thing, osmium.osm.Area):
            if not thing.from_way():
                # What the assembler cannot close comes as an area without rings; others look at it later.
                with contextlib.suppress(RuntimeError):
                    areas[thing.orig_id()] = shapely.from_wkb(factory.create_multipolygon(thing))
            continue
        if isinstance(thing, osmium.osm.Node):
            extract.nodes_total += 1
            location = thing.location
            if not location.valid():
                extract.bad_coordinates.append(f"node/{thing.id}")
                continue
            free.add(thing.id, location.lon, location.lat)
            if thing.tags:
                if thing.id in seen_nodes:
                    extract.duplicates.append(f"node/{thing.id}")
                    continue
                seen_nodes.add(thing.id)
                extract.nodes.append(Node(thing.id, dict(thing.tags), location.lon, location.lat))
                extract.locations[thing.id] = (location.lon, location.lat)
        elif isinstance(thing, osmium.osm.Way):
            if thing.id in extract.ways:
                extract.duplicates.append(f"way/{thing.id}")
                continue
            extract.ways[thing.id] = _way(thing)
        elif isinstance(thing, osmium.osm.Relation):
            if thing.id in seen_relations:
                extract.duplicates.append(f"relation/{thing.id}")
                continue
            seen_relations.add(thing.id)
            extract.relations.append(
                Relation(thing.id, dict(thing.tags), [(m.type, m.ref, m.role) for m in thing.members])
            )
        else:
            continue
        newest = max(newest, thing.timestamp.timestamp())
    if sorted_ids:
        for relation in extract.relations:
            relation.area = areas.get(relation.id)
    else:
        free.fill(extract.ways)
        _assemble_areas(extract)
    _set_date(extract, header.get("osmosis_replication_timestamp"), newest)
    _set_extent(extract, header.box(), free)


def _way(thing: osmium.osm.Way) -> Way:
    nodes = np.fromiter((n.ref for n in thing.nodes), dtype=np.int64, count=len(thing.nodes))
    coordinates = np.full((len(nodes), 2), np.nan)
    for i, node in enumerate(thing.nodes):
        if node.location.valid():
            coordinates[i] = node.location.lon, node.location.lat
    return Way(thing.id, dict(thing.tags), nodes, coordinates)


class _Nodes:
    """Collect every node with its place in 24 bytes, to look up later what the stream cannot tell."""

    def __init__(self) -> None:
        self._ids = array("q")
        self._lon_lat = array("d")

    def add(self, node_id: int, lon: float, lat: float) -> None:
        self._ids.append(node_id)
        self._lon_lat.append(lon)
        self._lon_lat.append(lat)

    @property
    def ids(self) -> NDArray[np.int64]:
        return np.frombuffer(self._ids, dtype=np.int64) if self._ids else np.empty(0, np.int64)

    @property
    def xy(self) -> NDArray[np.float64]:
        flat = np.frombuffer(self._lon_lat, dtype=np.float64) if self._lon_lat else np.empty(0)
        return flat.reshape(-1, 2)

    def outside_ways(self, ways: dict[int, Way]) -> NDArray[np.float64]:
        """Return the places of nodes that belong to no way."""
        if not self._ids:
            return np.empty((0, 2))
        used = np.concatenate([w.nodes for w in ways.values()]) if ways else np.empty(0, dtype=np.int64)
        outside: NDArray[np.float64] = self.xy[~np.isin(self.ids, used)]
        return outside

    def fill(self, ways: dict[int, Way]) -> None:
        """Give ways the coordinates of nodes that came after them in the file."""
        order = np.argsort(self.ids, kind="stable")
        ids, xy = self.ids[order], self.xy[order]
        for way in ways.values():
            at = np.searchsorted(ids, way.nodes)
            known = (at < len(ids)) & (ids[np.minimum(at, len(ids) - 1)] == way.nodes) if len(ids) else None
            if known is not None:
                way.coordinates[known] = xy[at[known]]


def _assemble_areas(extract: OsmExtract) -> None:
    """Build the areas of complete relations by the even-odd rule, where the strict assembler cannot run."""
    for relation in extract.relations:
        if relation.tags.get("type") not in {"multipolygon", "boundary"}:
            continue
        members = [ref for kind, ref, _ in relation.members if kind == "w"]
        ways = [extract.ways[ref] for ref in members if ref in extract.ways]
        if not ways or len(ways) < len(members) or not all(w.complete and len(w.nodes) > 1 for w in ways):
            continue
        area = shapely.build_area(shapely.unary_union([LineString(w.coordinates) for w in ways]))
        if area is not None and not area.is_empty:
            relation.area = area


def _set_date(extract: OsmExtract, header_date: str, newest: float) -> None:
    if header_date:
        try:
            extract.data_date = datetime.fromisoformat(header_date.replace("Z", "+00:00")).astimezone(UTC)
        except ValueError:
            extract.data_date = None
    if extract.data_date is None and newest > 0:
        extract.data_date = datetime.fromtimestamp(newest, UTC)


def _set_extent(extract: OsmExtract, header_box: osmium.osm.Box, free: _Nodes) -> None:
    """Set the window of the extract: the header's box, else what the objects say of it.

    Exports of the OSM API hold every node inside a box and every way that has a node inside, with all its
    nodes; ways thus reach far outside. A node of no way is inside, and a building has a point inside, which
    gives a box that is at most the true one and in a city only metres smaller.
    """
    if header_box.valid() and header_box.size() > 0:
        low, high = header_box.bottom_left, header_box.top_right
        extract.extent = box(low.lon, low.lat, high.lon, high.lat)
        return
    points = free.outside_ways(extract.ways)
    buildings = [
        w.coordinates for w in extract.ways.values() if "building" in w.tags and w.complete and len(w.nodes)
    ]
    if len(points) < EXTENT_FREE_NODES_MIN:
        # Nothing tells the window: take everything the file draws.
        xy = free.xy
        if len(xy) and np.ptp(xy[:, 0]) > 0 and np.ptp(xy[:, 1]) > 0:
            extract.extent, extract.extent_source = box(*xy.min(axis=0), *xy.max(axis=0)), "data"
        return
    low_xy, high_xy = points.min(axis=0), points.max(axis=0)
    if buildings:
        low_xy = np.minimum(low_xy, np.min([c.max(axis=0) for c in buildings], axis=0))
        high_xy = np.maximum(high_xy, np.max([c.min(axis=0) for c in buildings], axis=0))
    if (high_xy > low_xy).all():
        extract.extent, extract.extent_source = box(*low_xy, *high_xy), "data"
