"""Turn features of vector files into rows of one kind of thing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from types import MappingProxyType
from typing import Any

import shapely
from shapely.geometry import LineString, MultiPoint, Point
from shapely.geometry.base import BaseGeometry
from sqlalchemy import Connection

from ingest.vector import component_rows, compound_rows, gate_rows
from ingest.vector.address_tags import address_of
from ingest.vector.area_codes import area_row, give_codes, known_areas
from ingest.vector.borders import LEVELS, AreaDraft
from ingest.vector.building_tags import judge_height
from ingest.vector.feature_file import Feature
from ingest.vector.fields import FieldError, FieldReader
from ingest.vector.geometry import GeometryRefusedError, clean_line, clean_polygon, inner_point
from ingest.vector.intake import Intake, Row
from ingest.vector.road_tags import judge_access, layer_of, max_speed_kmh, road_class, width_m
from twin.codes import check_area_code
from twin.distance import square_metres
from twin.errors import InvalidError

AREA_LEVELS = (*LEVELS, "responsibility_grid", "unit_grid")

_REF = ("id", "fid", "objectid", "osm_id", "uid", "gid", "编号")
_NAME = ("名称", "mc", "glbjmc")
ALIASES: Mapping[str, Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "building": {
            "ref": _REF,
            "name": (*_NAME, "楼名"),
            "name_en": ("name:en", "english_name"),
            "kind": ("building", "type", "用途", "类型"),
            "height": ("height_m", "高度", "楼高"),
            "min_height": ("min_height_m",),
            "levels": ("building:levels", "floors", "floor", "storeys", "层数", "楼层"),
            "address": ("地址",),
        },
        "area": {
            "ref": _REF,
            "name": _NAME,
            "name_en": ("name:en",),
            "code": ("代码", "区划代码", "网格编码", "szdywgbsm"),
            "level": ("级别",),
            "households": ("户数",),
        },
        "road": {
            "ref": _REF,
            "name": _NAME,
            "name_en": ("name:en",),
            "road_class": ("highway", "fclass", "class", "道路等级"),
            "oneway": ("单行",),
            "access": (),
            "foot": (),
            "bicycle": (),
            "motor_vehicle": (),
            "width": ("width_m", "宽度"),
            "lanes": ("车道数",),
            "max_speed": ("maxspeed", "max_speed_kmh"),
            "layer": (),
            "bridge": (),
            "tunnel": (),
        },
        "ground": {"ref": _REF, "name": _NAME, "name_en": ("name:en",), "cover": ("type", "类型")},
        "service_point": {
            "ref": _REF,
            "name": _NAME,
            "name_en": ("name:en",),
            "category": ("type", "amenity", "shop", "类别", "类型"),
            "opening_hours": ("营业时间", "开放时间"),
            "phone": ("电话",),
            "address": ("地址",),
        },
        "component": {"ref": _REF, "name": _NAME, **component_rows.ALIASES},
        "compound": {"ref": _REF, **compound_rows.ALIASES},
        "gate": {"ref": _REF, **gate_rows.ALIASES},
        "address": {
            "ref": _REF,
            "text": ("address", "地址", "addr:full"),
            "street": ("addr:street", "街道", "路名"),
            "house_number": ("addr:housenumber", "housenumber", "门牌号"),
            "unit": ("addr:unit", "单元"),
            "floor": ("楼层",),
            "entrance": ("入口",),
        },
    }
)
"""Fields of each kind and the other names their columns usually have; case does not matter."""

COVERS = ("water", "green", "plaza", "block")


def table_of(kind: str) -> str:
    """Return the table that things of a kind are kept in."""
    return "ground_cover" if kind == "ground" else kind


class RowMaker:
    """Turn features into rows of one kind."""

    def __init__(self, kind: str, level: str | None, intake: Intake, columns: dict[str, str]) -> None:
        self.kind = kind
        self.level = level
        self.intake = intake
        self.columns = columns
        self.drafts: list[AreaDraft] = []
        self.area_values: dict[str, dict[str, Any]] = {}
        self.repaired: set[str] = set()
        self.table = table_of(kind)
        self._make: dict[str, Callable[[str, BaseGeometry, FieldReader], None]] = {
            "building": self._building,
            "area": self._area,
            "road": self._road,
            "ground": self._ground,
            "service_point": self._service_point,
            "component": self._component,
            "compound": self._compound,
            "gate": self._gate,
            "address": self._address,
        }

    def feature(self, feature: Feature, place: BaseGeometry | GeometryRefusedError, *, broken: bool) -> None:
        """Take or refuse one feature."""
        fields = FieldReader(feature.fields, self.columns)
        # A register without numbers of its own names its things by their codes.
        ref = fields.text("ref") or fields.text("code") or f"feature/{feature.fid}"
        try:
            if broken:
                raise GeometryRefusedError("unreadable_geometry", "its geometry cannot be decoded")
            if isinstance(place, GeometryRefusedError):
                raise place
            self._make[self.kind](ref, place, fields)
        except (GeometryRefusedError, FieldError) as error:
            raw = {str(k): v for k, v in feature.fields.items()}
            what = f"feature {feature.fid}: {error.what}"
            self.intake.refuse(self.table, self._label(fields), ref, error.reason, what, raw)

    def _label(self, fields: FieldReader) -> str:
        if self.kind != "area":
            return self.table
        level = fields.text("level") or self.level
        return f"area_{level if level in AREA_LEVELS else 'other'}"

    def _take(
        self,
        ref: str,
        geom: BaseGeometry,
        values: dict[str, Any],
        fields: FieldReader,
        *,
        repaired: bool = False,
    ) -> None:
        label = "entrance" if values.get("entrance") else self.table
        self.intake.take(self.table, Row(label, ref, geom, values, fields.rest()), repaired=repaired)

    def _building(self, ref: str, place: BaseGeometry, fields: FieldReader) -> None:
        geom, repaired = clean_polygon(place)
        kind = (fields.text("kind") or "yes").lower()[:40]
        tags: dict[str, str] = {}
        for field_name, tag, high in (
            ("height", "height", 999.0),
            ("min_height", "min_height", 998.0),
            ("levels", "building:levels", 249.0),
        ):
            number = fields.number(field_name, 0.0, high)
            # Zero is how many tables say that it is not known.
            if number:
                tags[tag] = f"{number:.3f}"
        height = judge_height(tags, kind, square_metres(geom.area, geom.centroid.y))
        self._take(
            ref,
            geom,
            {
                "name": fields.text("name"),
                "name_en": fields.text("name_en"),
                "kind": kind,
                "body": "whole",
                "height_m": height.height_m,
                "min_height_m": height.min_height_m,
                "levels": height.levels,
                "height_source": height.source,
                "address": fields.text("address"),
            },
            fields,
            repaired=repaired,
        )

    def _area(self, ref: str, place: BaseGeometry, fields: FieldReader) -> None:
        geom, repaired = clean_polygon(place)
        level = fields.one_of("level", AREA_LEVELS, self.level)
        name = fields.required("name")
        code = fields.text("code")
        if code is not None:
            try:
                code = check_area_code(code)
            except InvalidError as error:
                raise FieldError("bad_code", f"{error.what}; {error.hint}") from error
        elif level not in LEVELS:
            raise FieldError("missing_code", f"a {level} needs its 15-digit code (--map code=column)")
        households = fields.integer("households", 0, 1_000_000)
        if ref in self.area_values:
            raise FieldError("duplicate_id", "the same id comes twice in the file; the first one was taken")
        self.area_values[ref] = {
            "households": households,
            "households_source": None if households is None else "counted",
        }
        if repaired:
            self.repaired.add(ref)
        self.drafts.append(
            AreaDraft(ref, level, name, fields.text("name_en"), geom, "imported", code, fields.rest())
        )

    def add_areas(self, connection: Connection, dataset_id: int) -> None:
        """Give areas their codes and hand them to the intake (called inside the transaction)."""
        administrative = [d for d in self.drafts if d.level in LEVELS]
        codes = give_codes(administrative, known_areas(connection, dataset_id))
        for draft in self.drafts:
            code, code_source = codes.get(draft.ref, (draft.official, "official"))
            row = area_row(draft, code, code_source, draft.tags, **self.area_values[draft.ref])
            self.intake.take("area", row, repaired=draft.ref in self.repaired)

    def _road(self, ref: str, place: BaseGeometry, fields: FieldReader) -> None:
        if place.geom_type == "MultiLineString":
            place = shapely.line_merge(place)
        if not isinstance(place, LineString):
            raise GeometryRefusedError(
                "not_a_line", f"it is drawn as {place.geom_type} that makes no single line; explode it first"
            )
        line, dropped = clean_line(shapely.get_coordinates(place))
        tags = {"highway": fields.required("road_class")}
        for name, tag in (
            ("oneway", "oneway"),
            ("access", "access"),
            ("foot", "foot"),
            ("bicycle", "bicycle"),
            ("motor_vehicle", "motor_vehicle"),
            ("bridge", "bridge"),
            ("tunnel", "tunnel"),
        ):
            if (value := fields.text(name)) is not None:
                tags[tag] = value
        for name, tag, high in (
            ("width", "width", 100.0),
            ("lanes", "lanes", 16.0),
            ("max_speed", "maxspeed", 200.0),
        ):
            if number := fields.number(name, 0.0, high):
                tags[tag] = f"{number:.10g}"
        if (layer := fields.integer("layer", -5, 5)) is not None:
            tags["layer"] = str(layer)
        cls = road_class(tags)
        if cls is None:
            raise FieldError("bad_road_class", f"“{tags['highway'][:40]}” is no road class")
        self._take(
            ref,
            line,
            {
                "road_class": cls,
                "name": fields.text("name"),
                "name_en": fields.text("name_en"),
                **asdict(judge_access(tags)),
                "width_m": width_m(tags),
                "layer": layer_of(tags),
                "bridge": fields.flag("bridge", default=False),
                "tunnel": fields.flag("tunnel", default=False),
                "stairs": cls == "steps",
                "max_speed_kmh": max_speed_kmh(tags),
            },
            fields,
            repaired=dropped,
        )

    def _ground(self, ref: str, place: BaseGeometry, fields: FieldReader) -> None:
        geom, repaired = clean_polygon(place)
        values = {
            "cover": fields.one_of("cover", COVERS),
            "name": fields.text("name"),
            "name_en": fields.text("name_en"),
        }
        self._take(ref, geom, values, fields, repaired=repaired)

    def _service_point(self, ref: str, place: BaseGeometry, fields: FieldReader) -> None:
        values = {
            "category": fields.required("category")[:60],
            "name": fields.text("name"),
            "name_en": fields.text("name_en"),
            "opening_hours": fields.text("opening_hours"),
            "phone": fields.text("phone"),
            "address": fields.text("address"),
            "matters": None,
        }
        self._take(ref, _point(place), values, fields)

    def _component(self, ref: str, place: BaseGeometry, fields: FieldReader) -> None:
        self._take(ref, _point(place), component_rows.component_values(fields), fields)

    def _compound(self, ref: str, place: BaseGeometry, fields: FieldReader) -> None:
        geom, repaired = clean_polygon(place)
        self._take(ref, geom, compound_rows.compound_values(fields), fields, repaired=repaired)

    def _gate(self, ref: str, place: BaseGeometry, fields: FieldReader) -> None:
        self._take(ref, _point(place), gate_rows.gate_values(fields), fields)

    def _address(self, ref: str, place: BaseGeometry, fields: FieldReader) -> None:
        street, number = fields.text("street"), fields.text("house_number")
        text = fields.text("text")
        if text is None:
            made = address_of({"addr:street": street or "", "addr:housenumber": number or ""})
            if made is None:
                raise FieldError("missing_text", "it has neither an address text nor a house number")
            text = made.text
        values = {
            "street": street,
            "house_number": number,
            "unit": fields.text("unit"),
            "floor": fields.text("floor"),
            "text": text,
            "entrance": fields.flag("entrance", default=False),
        }
        self._take(ref, _point(place), values, fields)


def _point(place: BaseGeometry) -> BaseGeometry:
    if isinstance(place, MultiPoint) and len(place.geoms) == 1:
        return Point(place.geoms[0])
    if place.geom_type in {"Polygon", "MultiPolygon"}:
        geom, _ = clean_polygon(place)
        return inner_point(geom)
    return inner_point(place)
