"""Make areas from administrative boundaries, also where the extract's edge cuts them.

All boundary ways of all levels and the edge of the extract are laid over each other and cut into faces. An
area is a union of faces, so areas of one level never overlap and those of the next level nest exactly.

A boundary separates inside from outside: walking from face to face, membership in a relation changes where
one of its ways is crossed and nowhere else. That leaves two possible answers for every relation, a set of
faces and its complement. Answers in which two relations of a level overlap are impossible; so are answers
without the relation's own label or centre node, or without its subareas that are already known. A relation
for which exactly one answer is left gets it; one that stays open is left out and counted as such. A complete
relation is its own polygon and needs no such reasoning.
"""

from __future__ import annotations

from collections import defaultdict, deque
from dataclasses import dataclass, field

import numpy as np
import shapely
from shapely.geometry import MultiPolygon, Point

from ingest.vector.faces import Faces, arrange, multi, union
from ingest.vector.geometry import polygons_only
from ingest.vector.osm_reader import OsmExtract, Relation
from ingest.vector.tag_values import Tags, english_name_of, name_of
from twin.distance import square_metres

LEVELS = ("city", "district", "street", "community")
ADMIN_LEVELS: dict[str, dict[str, str]] = {
    "CN": {"5": "city", "6": "district", "8": "street", "10": "community"},
    "FI": {"8": "city", "9": "district", "10": "community"},
    "": {"8": "city", "9": "district", "10": "community"},
}
"""What the value of ``admin_level`` means, by country (ISO 3166-1); "" where the country is not listed."""

CHINESE_MUNICIPALITIES = frozenset({"北京市", "上海市", "天津市", "重庆市"})
"""Cities of admin_level 4."""

UNASSIGNED = ("未划定社区", "Unassigned")
SLIVER_M2 = 500.0
"""A face without a community below this size is a mapping slip and joins the community beside it."""

_SEARCH_STEPS_MAX = 200_000


@dataclass(slots=True)
class AreaDraft:
    """An area before it has a code. ``ref`` names its source, ``official`` is a tagged code of any length."""

    ref: str
    level: str
    name: str
    name_en: str | None
    geom: MultiPolygon
    made_by: str
    official: str | None = None
    tags: Tags | None = None


@dataclass(slots=True)
class Borders:
    """What the boundaries of an extract gave; ``left_out`` is (level, ref, name, reason, detail)."""

    drafts: list[AreaDraft] = field(default_factory=list)
    left_out: list[tuple[str, str, str, str, str]] = field(default_factory=list)


@dataclass(slots=True)
class _Region:
    """A boundary relation while its faces are being found."""

    relation: Relation
    level: str
    label: str
    ways: set[int]
    hints: set[int] = field(default_factory=set)
    choices: list[frozenset[int]] = field(default_factory=list)
    complete: bool = False
    faces: frozenset[int] | None = None

    @property
    def ref(self) -> str:
        return f"relation/{self.relation.id}"


def country_of(boundaries: list[Relation]) -> str:
    """Return the ISO 3166-1 code of the country whose admin levels apply, "" where nothing tells it."""
    for relation in boundaries:
        tags = relation.tags
        if tags.get("admin_level") == "2":
            code = (
                tags.get("ISO3166-1")
                or tags.get("ISO3166-1:alpha2")
                or tags.get("country_code_iso3166_1_alpha_2")
            )
            if code:
                return code.upper()
    for relation in boundaries:
        if code := relation.tags.get("is_in:country_code"):
            return code.upper()
        if "ref:admin:CN" in relation.tags or "division_code" in relation.tags:
            return "CN"
        if relation.tags.get("name", "").endswith(("社区", "街道")):
            return "CN"
    return ""


def level_of(tags: Tags, country: str) -> str | None:
    """Return the level a boundary has here, None for one that divides nothing here (a province, a region)."""
    admin_level = tags.get("admin_level", "").strip()
    if country == "CN" and admin_level == "4" and tags.get("name") in CHINESE_MUNICIPALITIES:
        return "city"
    return ADMIN_LEVELS.get(country, ADMIN_LEVELS[""]).get(admin_level)


def draw_areas(extract: OsmExtract, *, country: str | None = None) -> Borders:
    """Return the areas of an extract; its communities cover the whole extent without overlap.

    Parameters
    ----------
    extract
        What was read; its ``extent`` must be set, otherwise only complete relations become areas.
    country
        ISO 3166-1 code whose admin levels apply; found from the boundaries when omitted.
    """
    boundaries = [
        r
        for r in extract.relations
        if r.tags.get("boundary") == "administrative"
        and r.tags.get("type", "boundary") in {"boundary", "multipolygon"}
    ]
    nation = country_of(boundaries) if country is None else country.upper()
    borders = Borders()
    regions = _regions(boundaries, nation, borders)
    if extract.extent is None:
        for region in regions:
            if region.relation.area is not None:
                _add(borders, region, multi(region.relation.area), "imported")
            else:
                _leave(borders, region, "boundary_incomplete", "the file does not tell its window")
        return borders
    faces = arrange(extract, (way for region in regions for way in region.ways), extract.extent)
    by_level: dict[str, list[_Region]] = {level: [r for r in regions if r.level == level] for level in LEVELS}
    known: dict[int, frozenset[int]] = {}
    for level in reversed(LEVELS):
        _prepare(by_level[level], faces, extract, known)
        _resolve(by_level[level], faces)
        known |= {r.relation.id: r.faces for r in by_level[level] if r.faces}
    for level in LEVELS:
        for region in by_level[level]:
            if region.faces:
                whole = region.faces >= {i for i, yes in enumerate(faces.inside) if yes}
                made_by = "imported" if region.complete else "extent" if whole else "borders"
                _add(borders, region, union(faces, region.faces), made_by)
            elif not any(ref == region.ref for _, ref, *_ in borders.left_out):
                _leave(
                    borders,
                    region,
                    "boundary_not_in_extent" if region.faces is not None else "boundary_ambiguous",
                    "none of it lies inside the extract"
                    if region.faces is not None
                    else "the file holds too little of it to tell which side is inside",
                )
    _fill(borders, by_level, faces)
    return borders


def _regions(boundaries: list[Relation], country: str, borders: Borders) -> list[_Region]:
    regions = []
    for relation in boundaries:
        label = name_of(relation.tags) or f"relation {relation.id}"
        level = level_of(relation.tags, country)
        if level is None:
            borders.left_out.append(
                (
                    "",
                    f"relation/{relation.id}",
                    label,
                    f"admin_level_{relation.tags.get('admin_level', 'missing')}",
                    f"no level of the area tree in {country or 'this country'}",
                )
            )
            continue
        ways = {ref for kind, ref, role in relation.members if kind == "w" and role in {"", "outer", "inner"}}
        regions.append(_Region(relation, level, label, ways))
    return regions


def _add(borders: Borders, region: _Region, geom: MultiPolygon, made_by: str) -> None:
    tags = region.relation.tags
    official = next(
        (
            tags[key]
            for key in ("division_code", "ref:admin:CN", "ref:GB2260", "ref:CN")
            if tags.get(key, "").isdigit() and len(tags[key]) in {6, 9, 12, 15}
        ),
        None,
    )
    borders.drafts.append(
        AreaDraft(
            region.ref, region.level, region.label, english_name_of(tags), geom, made_by, official, tags
        )
    )


def _leave(borders: Borders, region: _Region, reason: str, detail: str) -> None:
    borders.left_out.append((region.level, region.ref, region.label, reason, detail))


def _prepare(
    regions: list[_Region], faces: Faces, extract: OsmExtract, known: dict[int, frozenset[int]]
) -> None:
    """Give each region its possible answers and what is already known to be inside."""
    points = (
        shapely.point_on_surface(np.array(faces.polygons, dtype=object))
        if faces.polygons
        else np.empty(0, object)
    )
    inside = frozenset(i for i, yes in enumerate(faces.inside) if yes)
    for region in regions:
        if region.relation.area is not None:
            shapely.prepare(region.relation.area)
            held = shapely.contains(region.relation.area, points)
            region.choices = [frozenset(int(i) for i in np.flatnonzero(held))]
            region.complete = True
            continue
        for kind, ref, role in region.relation.members:
            if kind == "r" and ref in known:
                region.hints |= known[ref] & inside
            elif kind == "n" and role in {"label", "admin_centre"} and ref in extract.locations:
                label = Point(extract.locations[ref])
                region.hints |= {i for i in inside if faces.polygons[i].contains(label)}
        side = _sides(region, faces, inside)
        if side is None:
            region.choices = []
        else:
            region.choices = [c for c in (side, inside - side) if region.hints <= c]


def _sides(region: _Region, faces: Faces, inside: frozenset[int]) -> frozenset[int] | None:
    """Return the faces on one side of a region's boundary, None where it does not separate cleanly."""
    graph: dict[int, list[tuple[int, bool]]] = defaultdict(list)
    for a, b, ways in faces.neighbours:
        if a in inside and b in inside:
            crosses = bool(ways & region.ways)
            graph[a].append((b, crosses))
            graph[b].append((a, crosses))
    colour: dict[int, bool] = {}
    for seed in sorted(inside):
        if seed in colour:
            continue
        colour[seed] = False
        queue = deque([seed])
        while queue:
            here = queue.popleft()
            for there, crosses in graph[here]:
                expected = colour[here] ^ crosses
                if there not in colour:
                    colour[there] = expected
                    queue.append(there)
                elif colour[there] != expected:
                    return None
    return frozenset(f for f, c in colour.items() if c)


def _resolve(regions: list[_Region], faces: Faces) -> None:
    """Choose for every region of a level the answer that is left when overlaps are ruled out."""
    inside = frozenset(i for i, yes in enumerate(faces.inside) if yes)
    crossing = [r for r in regions if r.complete or any(c and c != inside for c in r.choices)]
    around = [r for r in regions if r not in crossing]
    solutions: list[dict[int, int]] = []
    steps = 0

    def search(at: int, taken: frozenset[int], picked: dict[int, int]) -> None:
        nonlocal steps
        steps += 1
        if steps > _SEARCH_STEPS_MAX:
            return
        if at == len(crossing):
            solutions.append(dict(picked))
            return
        for n, choice in enumerate(crossing[at].choices):
            # Faces outside the extent belong to complete regions only and cannot be in dispute.
            if not (choice & taken):
                search(at + 1, taken | choice, picked | {at: n})

    crossing = _nearest_first(crossing)
    search(0, frozenset(), {})
    if steps > _SEARCH_STEPS_MAX:
        solutions.clear()
    for at, region in enumerate(crossing):
        answers = {solution[at] for solution in solutions}
        if len(answers) == 1:
            region.faces = region.choices[answers.pop()]
    if not solutions:
        # Somewhere two boundaries contradict each other. What is told of a region by itself still holds,
        # unless another such region says the same of a face.
        certain = [r for r in crossing if len(r.choices) == 1]
        for region in certain:
            if not any(region.choices[0] & other.choices[0] for other in certain if other is not region):
                region.faces = region.choices[0]
    if any(r.faces for r in crossing):
        for region in around:
            region.faces = frozenset() if region.choices and not region.hints else None
    elif len(around) == 1 and around[0].choices:
        # Its boundary does not come near: the whole extent lies in the one relation there is.
        around[0].faces = inside
    else:
        for region in around:
            if region.hints and inside in region.choices:
                region.faces = inside


def _nearest_first(regions: list[_Region]) -> list[_Region]:
    """Order regions so that each shares a boundary with one before it, so that the search fails early."""
    left = sorted(regions, key=lambda r: (len(r.choices), -len(r.ways), r.relation.id))
    ordered: list[_Region] = []
    ways: set[int] = set()
    while left:
        best = next((r for r in left if len(r.choices) == 1 or r.ways & ways), left[0])
        left.remove(best)
        ordered.append(best)
        ways |= best.ways
    return ordered


def _fill(borders: Borders, by_level: dict[str, list[_Region]], faces: Faces) -> None:
    """Cover what no community covers: slivers join a neighbour, the rest becomes unassigned communities."""
    inside = {i for i, yes in enumerate(faces.inside) if yes}
    owner: dict[int, _Region] = {}
    for region in by_level["community"]:
        for face in region.faces or ():
            owner[face] = region
    parents: dict[int, _Region | None] = {}
    for face in inside - owner.keys():
        parents[face] = next(
            (
                r
                for level in ("street", "district", "city")
                for r in by_level[level]
                if face in (r.faces or ())
            ),
            None,
        )
    grown: dict[str, set[int]] = defaultdict(set)
    for face in sorted(parents):
        if square_metres(faces.polygons[face].area, faces.polygons[face].centroid.y) >= SLIVER_M2:
            continue
        beside: dict[str, float] = defaultdict(float)
        for a, b, _ in faces.neighbours:
            other = b if a == face else a if b == face else None
            if other in owner:
                shared = faces.polygons[face].boundary.intersection(faces.polygons[other].boundary).length
                beside[owner[other].ref] += shared
        if beside:
            grown[max(beside, key=lambda ref: beside[ref])].add(face)
    if grown:
        for n, draft in enumerate(borders.drafts):
            if draft.level == "community" and draft.ref in grown:
                region = next(r for r in by_level["community"] if r.ref == draft.ref)
                whole = frozenset(region.faces or ()) | frozenset(grown[draft.ref])
                borders.drafts[n].geom = union(faces, whole)
    rest = set(parents) - {f for group in grown.values() for f in group}
    groups: dict[str, set[int]] = defaultdict(set)
    for face in rest:
        parent = parents[face]
        groups[parent.ref if parent else "extent"].add(face)
    for parent_ref in sorted(groups):
        pieces = polygons_only(shapely.unary_union([faces.polygons[i] for i in sorted(groups[parent_ref])]))
        pieces.sort(key=lambda p: (p.bounds[0], -p.bounds[3]))
        for n, piece in enumerate(pieces, 1):
            borders.drafts.append(
                AreaDraft(
                    f"unassigned/{parent_ref}/{n}",
                    "community",
                    UNASSIGNED[0],
                    UNASSIGNED[1],
                    shapely.normalize(MultiPolygon([piece])),
                    "extent",
                )
            )
