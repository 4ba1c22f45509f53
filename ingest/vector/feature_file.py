"""Read features of a vector file through a limited process; unpack zipped Shapefiles with care."""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import shapely
from shapely.geometry.base import BaseGeometry

from ingest.vector.source_file import SourceFile, file_errors
from twin.errors import FileFormatError, TooLargeError, UnavailableError

FORMATS = ("gpkg", "geojson", "shapefile", "zip", "flatgeobuf")
MEMORY_BYTES = 4 * 1024**3
CPU_S = 600
ZIP_ENTRIES_MAX = 1000
ZIP_RATIO_MAX = 200
"""A zip whose content is larger than its packed size by more than this is taken for a bomb."""

_SHAPEFILE_PARTS = frozenset({".shp", ".shx", ".dbf", ".prj", ".cpg"})


@dataclass(frozen=True, slots=True)
class Feature:
    """A feature in the file's own frame; ``fid`` is its number there, ``geometry`` None where missing."""

    fid: int
    geometry: BaseGeometry | None
    fields: dict[str, Any]


@dataclass(frozen=True, slots=True)
class FeatureFile:
    """All features of one layer, with the frame the file says of itself (None where it says none)."""

    layer: str
    crs: str | None
    fields: tuple[str, ...]
    features: tuple[Feature, ...]
    broken: tuple[int, ...]
    """Numbers of features whose geometry could not be decoded."""


def read_features(
    source: SourceFile, *, layer: str | None = None, encoding: str | None = None, max_size_bytes: int
) -> FeatureFile:
    """Read every feature of one layer.

    Raises
    ------
    FileFormatError
        GDAL cannot read it, it has no features, several layers and none named, or parts are missing.
    TooLargeError
        It needs more memory, time or room than allowed, or it is a zip bomb.
    """
    with tempfile.TemporaryDirectory(prefix="gridtwin-import-") as folder, file_errors(source.path):
        path = source.path
        if source.format == "zip":
            path = _unpack_shapefile(source, Path(folder), max_size_bytes)
        if path.suffix.lower() == ".shp" or source.format == "shapefile":
            _check_parts(path)
        out = Path(folder) / "features.jsonl"
        _run(source, path, out, layer, encoding, max_size_bytes)
        read = _collect(out)
    if not read.features:
        raise FileFormatError(
            f"{source.name} has no features in layer “{read.layer}”",
            where=str(source.path),
            hint="name another layer with --layer, or check the export",
        )
    return read


def _run(
    source: SourceFile, path: Path, out: Path, layer: str | None, encoding: str | None, max_size_bytes: int
) -> None:
    job = {
        "path": _vsi(path, source.format),
        "out": str(out),
        "layer": layer,
        "encoding": encoding,
        "memory_bytes": MEMORY_BYTES,
        "cpu_s": CPU_S,
        "file_bytes": max_size_bytes * 8,
    }
    keep = {k: v for k, v in os.environ.items() if k in {"PATH", "LANG", "LC_ALL", "HOME", "PYTHONPATH"}}
    environment = keep | {
        "OPENBLAS_NUM_THREADS": "1",
        # No feature of a hostile file may make GDAL open anything else.
        "GDAL_DISABLE_READDIR_ON_OPEN": "FALSE",
        "CPL_VSIL_CURL_ALLOWED_EXTENSIONS": "none",
        "GDAL_HTTP_TIMEOUT": "1",
        "OGR_GEOJSON_MAX_OBJ_SIZE": "200",
        "SHAPE_RESTORE_SHX": "YES",
    }
    try:
        done = subprocess.run(
            [sys.executable, "-m", "ingest.vector.reading_process"],
            input=json.dumps(job),
            capture_output=True,
            text=True,
            check=False,
            timeout=CPU_S * 2,
            cwd=Path(__file__).resolve().parents[2],
            env=environment,
        )
    except subprocess.TimeoutExpired as error:
        raise TooLargeError(
            f"{source.name} took longer than {CPU_S * 2} s to read",
            where=str(source.path),
            hint="cut the part you need out of it (ogr2ogr -clipsrc)",
        ) from error
    if done.returncode == 0:
        return
    said = done.stderr.strip().splitlines()[-1] if done.stderr.strip() else ""
    if not source.path.exists():
        raise FileNotFoundError(str(source.path))
    if (
        done.returncode == 3
        or "bad_alloc" in said
        or "Cannot allocate" in said
        or "out of memory" in said.lower()
    ):
        raise TooLargeError(
            f"{source.name} needs more than {MEMORY_BYTES / 1e9:.0f} GB of memory to read",
            where=str(source.path),
            hint="cut the part you need out of it (ogr2ogr -clipsrc)",
        )
    if done.returncode in {-signal.SIGXCPU, -signal.SIGKILL}:
        raise TooLargeError(
            f"{source.name} used up the {CPU_S} s of computing time allowed for reading",
            where=str(source.path),
            hint="cut the part you need out of it (ogr2ogr -clipsrc)",
        )
    if "No space left" in said or done.returncode == -signal.SIGXFSZ:
        raise UnavailableError(
            f"there is no room for the temporary copy of {source.name}",
            where=tempfile.gettempdir(),
            hint="free space there, or set TMPDIR to a larger disk",
        )
    if done.returncode < 0:
        said = f"the reader crashed on it (signal {-done.returncode})"
    raise FileFormatError(
        f"{source.name} cannot be read: {said}",
        where=str(source.path),
        hint="open it in QGIS, mend it and save it as GeoPackage",
    )


def _vsi(path: Path, format_name: str) -> str:
    # The driver is chosen by what the bytes are: a GeoJSON named .txt is still one.
    return f"GeoJSON:{path}" if format_name == "geojson" else str(path)


def _collect(out: Path) -> FeatureFile:
    features: list[Feature] = []
    broken: list[int] = []
    with out.open(encoding="utf-8") as stream:
        head = json.loads(stream.readline())
        for line in stream:
            record = json.loads(line)
            geometry = None
            if record["wkb"] is not None:
                try:
                    geometry = shapely.from_wkb(base64.b64decode(record["wkb"]))
                except shapely.GEOSException:
                    broken.append(record["fid"])
            features.append(Feature(record["fid"], geometry, record["fields"]))
    return FeatureFile(head["layer"], head["crs"], tuple(head["fields"]), tuple(features), tuple(broken))


def _check_parts(path: Path) -> None:
    """Refuse a Shapefile without its table: names and kinds are in there."""
    siblings = {p.suffix.lower() for p in path.parent.glob(f"{path.stem}.*")}
    if ".dbf" not in siblings:
        raise FileFormatError(
            f"{path.name} is only the geometry of a Shapefile; {path.stem}.dbf is missing",
            where=str(path),
            hint="put .shp, .shx, .dbf and .prj into one folder, or zip them together",
        )


def _unpack_shapefile(source: SourceFile, folder: Path, max_size_bytes: int) -> Path:
    """Unpack the parts of the one Shapefile in a zip, counting every byte.

    Raises
    ------
    FileFormatError
        Not a zip, encrypted, no Shapefile in it, or several.
    TooLargeError
        It is larger unpacked than allowed, or grows suspiciously.
    """
    with _zip_errors(source), zipfile.ZipFile(source.path) as archive:
        entries = archive.infolist()
        if len(entries) > ZIP_ENTRIES_MAX:
            raise TooLargeError(
                f"{source.name} holds {len(entries)} files, the limit is {ZIP_ENTRIES_MAX}", where=source.name
            )
        shapes = [e for e in entries if e.filename.lower().endswith(".shp") and not _hidden(e.filename)]
        if len(shapes) != 1:
            names = ", ".join(sorted(e.filename for e in shapes)[:5])
            raise FileFormatError(
                f"{source.name} holds {len(shapes)} Shapefiles, one is needed{': ' + names if names else ''}",
                where=source.name,
                hint="zip .shp, .shx, .dbf, .prj of one Shapefile",
            )
        stem = Path(shapes[0].filename).with_suffix("").as_posix()
        left = min(max_size_bytes, max(source.size_bytes * ZIP_RATIO_MAX, 1 << 20))
        target = folder / "layer.shp"
        for entry in entries:
            name = Path(entry.filename)
            suffix = name.suffix.lower()
            if name.with_suffix("").as_posix() != stem or suffix not in _SHAPEFILE_PARTS:
                continue
            if entry.flag_bits & 0x1:
                raise FileFormatError(
                    f"{source.name} is encrypted", where=entry.filename, hint="unpack it with its password"
                )
            # The sizes in the directory may lie: what comes out is counted.
            with archive.open(entry) as packed, target.with_suffix(suffix).open("wb") as unpacked:
                while block := packed.read(1 << 20):
                    left -= len(block)
                    if left < 0:
                        raise TooLargeError(
                            f"{source.name} unpacks to far more than its {source.size_bytes} bytes; it looks "
                            "like a zip bomb",
                            where=entry.filename,
                            hint="unpack it yourself and import the .shp, if you trust it",
                        )
                    unpacked.write(block)
    return target


def _hidden(name: str) -> bool:
    return name.startswith("__MACOSX/") or Path(name).name.startswith(".")


@contextmanager
def _zip_errors(source: SourceFile) -> Iterator[None]:
    try:
        yield
    except (zipfile.BadZipFile, NotImplementedError, EOFError, RuntimeError) as error:
        raise FileFormatError(
            f"{source.name} is a damaged or unusual zip archive: {error}",
            where=str(source.path),
            hint="fetch it again, or pack it anew",
        ) from error
