"""Turn features of a register of pipes or cables into lines and nodes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

import shapely
from shapely.geometry import LineString, MultiPoint, Point
from shapely.geometry.base import BaseGeometry

from ingest.vector.fields import FieldError, FieldReader
from ingest.vector.geometry import GeometryRefusedError, clean_line
from ingest.vector.intake import Intake, Row
from twin.model.network import CLOSABLE, NODE_KINDS

ALIASES: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "ref": ("id", "fid", "objectid", "uid", "gid", "编号", "管线编号", "管点编号"),
        "name": ("名称", "mc"),
        "name_en": ("name:en",),
        "kind": ("type", "类型", "节点类型", "附属物"),
        "passes": ("state", "normal_state", "开闭状态", "状态"),
        "grade": ("pressure", "voltage", "压力等级", "压力", "电压等级", "电压"),
        "diameter": ("dn", "diameter_mm", "管径", "直径"),
        "material": ("材质", "管材"),
        "owner": ("owner_name", "权属单位", "权属单位名称"),
        "year": ("laid_year", "敷设年代", "建设年代", "埋设年代"),
        "device": ("device_uid", "设备编号"),
        "serves": ("服务建筑", "服务楼栋"),
    }
)
"""Fields of lines and nodes and the other names their columns usually have; case does not matter."""

_KINDS_ZH: Final = {
    "水源": "source", "水厂": "source", "气源": "source", "门站": "source", "变电站": "source",
    "阀门": "valve", "阀": "valve", "开关": "switch", "变压器": "transformer", "箱变": "transformer",
    "调压站": "regulator", "调压箱": "regulator", "水表": "meter", "气表": "meter", "电表": "meter",
    "表": "meter", "消火栓": "hydrant", "消防栓": "hydrant", "三通": "joint", "四通": "joint",
    "弯头": "joint", "节点": "joint", "接头": "joint",
}  # fmt: skip
# An open valve lets through, an open switch does not.
_PASSES: Final = {
    "valve": {"open": True, "开": True, "开启": True, "closed": False, "关": False, "关闭": False},
    "switch": {"closed": True, "合": True, "闭合": True, "open": False, "分": False, "断开": False},
}
_NUMBER: Final = re.compile(r"(?:DN|D|Φ|φ|de)?\s*([0-9]+(?:\.[0-9]+)?)\s*(?:mm)?", re.IGNORECASE)


class NetworkRowMaker:
    """Turn features of one utility into rows of ``network_node`` and ``network_line``."""

    def __init__(self, utility: str, intake: Intake) -> None:
        self.utility = utility
        self.intake = intake

    def feature(
        self,
        fid: int,
        place: BaseGeometry | GeometryRefusedError,
        fields: FieldReader,
        *,
        prefix: str = "",
        broken: bool = False,
    ) -> None:
        """Take a line or point, or refuse it with its reason; ``prefix`` tells layers apart."""
        ref = prefix + (fields.text("ref") or f"feature/{fid}")
        table = "network_line" if "Line" in getattr(place, "geom_type", "") else "network_node"
        try:
            if broken:
                raise GeometryRefusedError("unreadable_geometry", "its geometry cannot be decoded")
            if isinstance(place, GeometryRefusedError):
                raise place
            if table == "network_line":
                line, dropped = clean_line(shapely.get_coordinates(_single_line(place)))
                self.intake.take(
                    table, Row(table, ref, line, self._line(fields), fields.rest()), repaired=dropped
                )
            else:
                self.intake.take(
                    table, Row(table, ref, _single_point(place), self._node(fields), fields.rest())
                )
        except (GeometryRefusedError, FieldError) as error:
            raw = {str(key): value for key, value in fields.values.items()}
            self.intake.refuse(table, table, ref, error.reason, f"feature {fid}: {error.what}", raw)

    def _both(self, fields: FieldReader) -> dict[str, Any]:
        return {
            "utility": self.utility,
            "name": fields.text("name"),
            "name_en": fields.text("name_en"),
            "owner_name": fields.text("owner"),
            "laid_year": _year(fields),
        }

    def _line(self, fields: FieldReader) -> dict[str, Any]:
        return {
            **self._both(fields),
            "grade": fields.text("grade"),
            "diameter_mm": _diameter(fields),
            "material": fields.text("material"),
        }

    def _node(self, fields: FieldReader) -> dict[str, Any]:
        said = fields.required("kind")
        kind = _KINDS_ZH.get(said, said.lower())
        if kind not in NODE_KINDS:
            raise FieldError(
                "bad_kind", f"“{said[:40]}” is none of {', '.join(NODE_KINDS)} or {', '.join(_KINDS_ZH)}"
            )
        serves = [part.strip() for part in re.split("[;；]", fields.text("serves") or "") if part.strip()]
        return {
            **self._both(fields),
            "kind": kind,
            "passes": _passes(fields, kind),
            "device_uid": fields.text("device"),
            "serves": serves or None,
        }


def _passes(fields: FieldReader, kind: str) -> bool:
    said = fields.text("passes")
    if said is None or kind not in CLOSABLE:
        return True
    words = _PASSES[kind]
    if said.lower() not in words:
        raise FieldError("bad_passes", f"“{said[:40]}” is none of {', '.join(words)}")
    return words[said.lower()]


def _diameter(fields: FieldReader) -> float | None:
    """Read millimetres from 200, DN200 or Φ219; widths of ducts (300x500) are kept as tags by no mapping."""
    said = fields.text("diameter")
    if said is None:
        return None
    found = _NUMBER.fullmatch(said)
    if found is None or not 0.0 < float(found[1]) <= 5000.0:
        raise FieldError("bad_diameter", f"“{said[:40]}” is no diameter in mm up to 5000, as 200 or DN200")
    return float(found[1])


def _year(fields: FieldReader) -> int | None:
    """Read a year from 1998 or the beginning of a date."""
    said = fields.text("year")
    if said is None:
        return None
    if not re.fullmatch(r"[0-9]{4}(年|-.*|[0-9]{4})?", said) or not 1850 <= int(said[:4]) <= 2100:
        raise FieldError("bad_year", f"“{said[:40]}” is no year from 1850 to 2100")
    return int(said[:4])


def _single_line(place: BaseGeometry) -> LineString:
    if place.geom_type == "MultiLineString":
        place = shapely.line_merge(place)
    if not isinstance(place, LineString):
        raise GeometryRefusedError(
            "not_a_line", f"it is drawn as {place.geom_type} that makes no single line; explode it first"
        )
    return place


def _single_point(place: BaseGeometry) -> Point:
    if isinstance(place, MultiPoint) and len(place.geoms) == 1:
        place = place.geoms[0]
    if not isinstance(place, Point):
        raise GeometryRefusedError("not_a_point", f"a node is a point, this is a {place.geom_type}")
    return place
