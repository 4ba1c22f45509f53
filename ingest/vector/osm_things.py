"""Sort OpenStreetMap objects into rows for the tables, refusals and skips."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry import LineString, MultiPolygon, Point

from ingest.vector.address_tags import has_address
from ingest.vector.borders import Borders, draw_areas
from ingest.vector.building_tags import NO_BUILDING
from ingest.vector.camera_tags import is_camera
from ingest.vector.gate_rows import osm_gate_row
from ingest.vector.gate_tags import gate_kind
from ingest.vector.geometry import (
    GeometryRefusedError,
    clean_line,
    clean_polygon,
    inner_point,
    polygon_of_ring,
)
from ingest.vector.intake import Intake, Row
from ingest.vector.osm_reader import Node, OsmExtract, Relation, Way
from ingest.vector.osm_rows import (
    address_row,
    building_row,
    camera_row,
    component_row,
    cover_row,
    entrance_row,
    road_row,
    service_point_row,
)
from ingest.vector.place_tags import component_class, cover_of, service_category
from ingest.vector.road_tags import NOT_A_ROAD, road_class
from ingest.vector.summary import Progress, Silent
from ingest.vector.tag_values import Tags
from twin.dispatch.gate_kinds import load_gate_kinds

PARTS_COVER_SHARE = 0.7
"""A building whose parts cover at least this share of it is drawn by its parts alone."""


def gather(
    extract: OsmExtract, intake: Intake, *, country: str | None = None, progress: Progress | None = None
) -> Borders:
    """Sort everything of an extract into rows, refusals and skips; return its areas, not yet coded."""
    progress = progress or Silent()
    total = len(extract.nodes) + len(extract.ways) + len(extract.relations)
    progress.begin("sorting map objects", total)
    gatherer = _Gatherer(extract, intake)
    for node in extract.nodes:
        gatherer.node(node)
    progress.advance(len(extract.nodes))
    for way in extract.ways.values():
        gatherer.way(way)
    progress.advance(len(extract.ways))
    for relation in extract.relations:
        gatherer.relation(relation)
    progress.advance(len(extract.relations))
    gatherer.finish()
    for ref in extract.duplicates:
        intake.refuse(
            "duplicate",
            "duplicate",
            ref,
            "duplicate_id",
            "the same id comes twice in the file; the first one was taken",
        )
    for ref in extract.bad_coordinates:
        intake.refuse(
            "node", "node", ref, "bad_coordinate", "the node's coordinate is missing or outside the world"
        )
    borders = draw_areas(extract, country=country)
    for level, ref, name, reason, detail in borders.left_out:
        if level:
            # Its place is taken by its neighbours or by an unassigned community: what an earlier file said
            # of it cannot stay valid beside them.
            why = f"{name}: {detail}"
            intake.refuse("area", f"area_{level}", ref, reason, why, keep_ref=False)
        else:
            intake.skip("area_other", reason)
    return borders


class _Gatherer:
    """Walk the objects of an extract and hand each to the targets its tags name."""

    def __init__(self, extract: OsmExtract, intake: Intake) -> None:
        self.extract = extract
        self.intake = intake
        self.ignored: Counter[str] = Counter()
        self.buildings: list[Row] = []
        self.repaired: set[str] = set()
        self.entrances: list[Node] = []
        self.building_nodes: dict[int, Row] = {}
        self.barriers: list[Node] = []
        self.road_nodes: list[NDArray[np.int64]] = []

    # -- nodes

    def node(self, node: Node) -> None:
        tags = node.tags
        ref = f"node/{node.id}"
        place = Point(node.lon, node.lat)
        if tags.get("building", "no") not in NO_BUILDING:
            self.intake.skip("building", "a point, not a footprint")
        if is_camera(tags):
            self.intake.take("device", camera_row(ref, place, tags))
        self._place(ref, place, tags)
        if "barrier" in tags:
            self.barriers.append(node)
        if tags.get("entrance", "no") not in {"no", ""} or tags.get("building") == "entrance":
            self.entrances.append(node)
        elif has_address(tags):
            self._address(ref, place, tags)

    def _place(self, ref: str, place: Point, tags: Tags) -> None:
        if (row := service_point_row(ref, place, tags)) is not None:
            self.intake.take("service_point", row)
        if (row := component_row(ref, place, tags)) is not None:
            self.intake.take("component", row)

    def _address(self, ref: str, place: Point, tags: Tags) -> None:
        if (row := address_row(ref, place, tags)) is None:
            self.intake.skip("address", "no house number, house name or full text")
        else:
            self.intake.take("address", row)

    # -- ways

    def way(self, way: Way) -> None:
        tags = way.tags
        ref = f"way/{way.id}"
        if not tags:
            return
        if "highway" in tags and not self._drawn_as_area(way):
            self._road(way, ref)
        elif "highway" in tags:
            self.intake.skip("road", "drawn as an area")
        if way.closed and self._wants_polygon(tags):
            self._polygon(ref, tags, way)
        elif self._is_building(tags) is not None:
            self.intake.refuse(
                "building",
                "building_part" if self._is_building(tags) == "part" else "building",
                ref,
                "not_closed",
                "its outline is not closed",
                dict(tags),
            )
        elif tags.get("barrier") != "bollard" and np.isfinite(way.coordinates).any():
            # A line with a service or component on it (a row of bins) stands at its middle.
            finite = way.coordinates[way.known]
            if len(finite) and "highway" not in tags:
                self._place(ref, Point(finite[len(finite) // 2]), tags)

    @staticmethod
    def _drawn_as_area(way: Way) -> bool:
        return way.closed and (way.tags.get("area") == "yes" or "area:highway" in way.tags)

    def _wants_polygon(self, tags: Tags) -> bool:
        if self._is_building(tags) is not None or has_address(tags):
            return True
        if "highway" in tags and tags.get("area") != "yes":
            return False
        return (
            cover_of(tags) is not None
            or service_category(tags) is not None
            or component_class(tags) is not None
            or is_camera(tags)
        )

    @staticmethod
    def _is_building(tags: Tags) -> str | None:
        if tags.get("building", "no") not in NO_BUILDING:
            return "whole"
        if tags.get("building:part", "no") not in NO_BUILDING:
            return "part"
        return None

    def _road(self, way: Way, ref: str) -> None:
        tags = way.tags
        cls = road_class(tags)
        if cls is None:
            word = tags.get("highway", "")[:40]
            self.intake.skip(
                "road",
                f"highway={word} is in no use" if word in NOT_A_ROAD else f"highway={word} is not known",
            )
            return
        finite = way.known
        try:
            line, dropped = clean_line(way.coordinates[_longest_run(finite)])
        except GeometryRefusedError as error:
            reason = "outside_extract" if not finite.all() else error.reason
            self.intake.refuse("road", "road", ref, reason, _cut_words(finite, error.what), dict(tags))
            return
        self.road_nodes.append(way.nodes)
        row = road_row(ref, line, tags, cls)
        self.intake.take("road", row, repaired=dropped or not finite.all())

    def _polygon(self, ref: str, tags: Tags, way: Way) -> None:
        body = self._is_building(tags)
        finite = way.known
        try:
            if not finite.all():
                raise GeometryRefusedError("outside_extract", _cut_words(finite, ""))
            geom, repaired = clean_polygon(polygon_of_ring(way.coordinates))
        except GeometryRefusedError as error:
            self._refuse_polygon(ref, tags, body, error)
            return
        row = self._area_thing(ref, tags, geom, repaired)
        if row is not None and body == "whole":
            for node in way.nodes:
                self.building_nodes.setdefault(int(node), row)

    # -- relations

    def relation(self, relation: Relation) -> None:
        tags = relation.tags
        if tags.get("type") != "multipolygon" or not self._wants_polygon(tags):
            if self._is_building(tags) is not None and tags.get("type") != "multipolygon":
                label = "building_part" if self._is_building(tags) == "part" else "building"
                self.intake.skip(label, f"relation of type {tags.get('type', 'none')[:40]}, not an outline")
            return
        ref = f"relation/{relation.id}"
        body = self._is_building(tags)
        try:
            geom, repaired = self._assemble(relation)
        except GeometryRefusedError as error:
            self._refuse_polygon(ref, tags, body, error)
            return
        row = self._area_thing(ref, tags, geom, repaired)
        if row is not None and body == "whole":
            for kind, member, _ in relation.members:
                if kind == "w" and member in self.extract.ways:
                    for node in self.extract.ways[member].nodes:
                        self.building_nodes.setdefault(int(node), row)

    def _assemble(self, relation: Relation) -> tuple[MultiPolygon, bool]:
        if relation.area is not None:
            return clean_polygon(relation.area)
        members = [ref for kind, ref, _ in relation.members if kind == "w"]
        ways = [self.extract.ways[ref] for ref in members if ref in self.extract.ways]
        cut = sum(not way.complete for way in ways)
        if len(ways) < len(members) or cut:
            raise GeometryRefusedError(
                "outside_extract",
                f"{len(members) - len(ways)} of its {len(members)} ways are not in the file, {cut} are cut",
                hint="cut the extract with complete relations",
            )
        # The strict assembler gave up: build the area from its lines by the even-odd rule.
        lines = [LineString(way.coordinates) for way in ways if len(way.nodes) >= 2]
        geom = shapely.build_area(shapely.unary_union(lines)) if lines else None
        if geom is None or geom.is_empty:
            raise GeometryRefusedError("ring_not_closed", "its outline does not close")
        cleaned, _ = clean_polygon(geom)
        return cleaned, True

    # -- polygons of either kind

    def _refuse_polygon(self, ref: str, tags: Tags, body: str | None, error: GeometryRefusedError) -> None:
        """Refuse a polygon under every target it was meant for."""
        raw: dict[str, Any] = dict(tags)
        if body is not None:
            label = "building_part" if body == "part" else "building"
            self.intake.refuse("building", label, ref, error.reason, error.what, raw)
        elif cover_of(tags) is not None:
            self.intake.refuse("ground_cover", "ground_cover", ref, error.reason, error.what, raw)
        if has_address(tags):
            self.intake.refuse("address", "address", ref, error.reason, error.what, raw)
        if service_category(tags) is not None:
            self.intake.refuse("service_point", "service_point", ref, error.reason, error.what, raw)
        if component_class(tags) is not None:
            self.intake.refuse("component", "component", ref, error.reason, error.what, raw)
        if is_camera(tags):
            self.intake.refuse("device", "device", ref, error.reason, error.what, raw)

    def _area_thing(self, ref: str, tags: Tags, geom: MultiPolygon, repaired: bool) -> Row | None:
        body = self._is_building(tags)
        row = None
        if body is not None:
            row = self._building(ref, tags, geom, body, repaired)
        elif (cover := cover_of(tags)) is not None:
            self.intake.take("ground_cover", cover_row(ref, geom, tags, cover), repaired=repaired)
        place = inner_point(geom)
        if has_address(tags):
            self._address(ref, place, tags)
        if is_camera(tags):
            self.intake.take("device", camera_row(ref, place, tags))
        self._place(ref, place, tags)
        return row

    def _building(self, ref: str, tags: Tags, geom: MultiPolygon, body: str, repaired: bool) -> Row:
        row, ignored = building_row(ref, geom, tags, body)
        self.ignored.update(ignored)
        self.buildings.append(row)
        if repaired:
            self.repaired.add(ref)
        return row

    # -- what needs everything to be read first

    def finish(self) -> None:
        """Join parts to their buildings, give entrances their buildings' addresses, report ignored tags."""
        self._judge_parts()
        for row in self.buildings:
            self.intake.take("building", row, repaired=row.ref in self.repaired)
        for node in self.entrances:
            self.intake.take("address", entrance_row(node, self.building_nodes.get(node.id)))
        self._gates()
        for key, n in sorted(self.ignored.items()):
            self.intake.summary.warnings.append(
                f"{n} buildings have a “{key}” that is no possible value; it was not used"
            )

    def _gates(self) -> None:
        """Take barriers that are vertices of roads; others stand in nobody's way."""
        on_roads = np.unique(np.concatenate(self.road_nodes)) if self.road_nodes else np.zeros(0, np.int64)
        stands = np.isin(np.array([node.id for node in self.barriers], np.int64), on_roads)
        unread = 0
        for node, on_road in zip(self.barriers, stands.tolist(), strict=True):
            word = node.tags["barrier"][:40]
            kind = gate_kind(node.tags)
            if not on_road:
                self.intake.skip("gate", "on no road")
            elif kind is None:
                free = word in load_gate_kinds().passed_by_all
                self.intake.skip(
                    "gate", "keeps nobody from passing" if free else f"barrier={word} is not known"
                )
            else:
                row, hours = osm_gate_row(f"node/{node.id}", Point(node.lon, node.lat), node.tags, kind)
                self.intake.take("gate", row)
                unread += hours.unread
        if unread:
            self.intake.summary.warnings.append(
                f"{unread} gates have opening hours that are not the same every day; they are kept in their "
                "tags, and their keys alone say who passes"
            )

    def _judge_parts(self) -> None:
        parts = [row for row in self.buildings if row.values["body"] == "part"]
        wholes = [row for row in self.buildings if row.values["body"] == "whole"]
        if not parts or not wholes:
            return
        tree = shapely.STRtree([row.geom for row in parts])
        for whole in wholes:
            near = [parts[i].geom for i in tree.query(whole.geom, predicate="intersects")]
            if not near:
                continue
            covered = shapely.intersection(shapely.union_all(near), whole.geom).area
            if covered >= PARTS_COVER_SHARE * whole.geom.area:
                whole.values["body"] = "outline"


def _longest_run(finite: NDArray[np.bool_]) -> slice:
    """Return the longest run of nodes that are in the file; the rest lies beyond the extract's edge."""
    edges = np.flatnonzero(np.diff(np.concatenate(([0], finite.astype(np.int8), [0]))))
    starts, ends = edges[::2], edges[1::2]
    if not len(starts):
        return slice(0, 0)
    longest = int(np.argmax(ends - starts))
    return slice(int(starts[longest]), int(ends[longest]))


def _cut_words(finite: NDArray[np.bool_], otherwise: str) -> str:
    missing = int((~finite).sum())
    return f"{missing} of its {len(finite)} nodes are not in the file" if missing else otherwise
