"""Import a catalogue of cameras (GB/T 28181) as devices."""

from __future__ import annotations

import time
from pathlib import Path

import shapely
from shapely.geometry import Point
from sqlalchemy import Engine, text

from ingest.vector import camera_catalogue, source_file
from ingest.vector.camera_catalogue import COLUMNS, Item, NoCamera, read_documents, read_item
from ingest.vector.csv_table import Line, place_of, read_rows
from ingest.vector.device_list import DeviceOptions, write_lines
from ingest.vector.fields import FieldError
from ingest.vector.intake import Intake
from ingest.vector.placing import DEFAULT_FRAME
from ingest.vector.source_file import SourceFile, file_errors
from ingest.vector.summary import ImportSummary, Progress, Silent
from twin.catalog import Catalog, load_catalog
from twin.codes import PROVISIONAL_PROVINCE
from twin.errors import FileFormatError

_DISTRICT_DIGITS = 6


def import_cameras(
    engine: Engine,
    path: Path,
    *,
    options: DeviceOptions | None = None,
    progress: Progress | None = None,
    catalog: Catalog | None = None,
) -> ImportSummary:
    """Import cameras in one transaction; an entry that is wrong is refused with its place and reason.

    Entries that are folders, platforms or other devices are left out and counted. A camera whose civil code
    is of another district than the one it lies in is refused, where the district is known.

    Raises
    ------
    FileFormatError
        No catalogue, a part of one, or not one camera of it can be taken.
    CoordinateError
        Most cameras lie where they cannot: the frame is wrong.
    """
    options = options or DeviceOptions()
    progress = progress or Silent()
    catalog = catalog or load_catalog()
    started = time.perf_counter()
    most = min(options.max_size_bytes, camera_catalogue.MAX_SIZE_BYTES)
    source = source_file.look_at(path, max_size_bytes=most, progress=progress)
    source_file.require(source, ("xml", "csv"), "a catalogue of cameras in XML or CSV")
    intake = Intake(ImportSummary(options.dataset or path.stem, source.name))
    lines, civil_codes = [], {}
    for entry in _entries(source, options, intake):
        if isinstance(entry, NoCamera):
            intake.skip("device", "not_a_camera")
        elif isinstance(entry, Line):
            lines.append(entry)
        else:
            civil_codes[entry.where] = entry.civil_code
            lines.append(place_of(entry.where, entry.fields, COLUMNS))
    districts = _Districts(engine)
    intake.summary.elapsed_s = time.perf_counter() - started
    return write_lines(
        engine,
        source,
        lines,
        COLUMNS,
        options.crs or DEFAULT_FRAME,
        options,
        intake,
        progress,
        catalog,
        check=lambda line, place: districts.check(civil_codes[line.where], place),
        needed="DeviceID, Longitude and Latitude of a camera",
    )


def _entries(source: SourceFile, options: DeviceOptions, intake: Intake) -> list[Item | NoCamera | Line]:
    """Return cameras, what is none, and rows of a table that cannot be read."""
    if source.format == "xml":
        with file_errors(source.path):
            content = source.path.read_bytes()
        answer = read_documents(content, options.encoding, source.name)
        if answer.missing and not options.rules.allow_shrink:
            raise FileFormatError(
                f"{source.name} is a part of an answer: it lacks {answer.missing:,} of the "
                f"{answer.announced:,} entries that its platform announces (SumNum)",
                where=str(source.path),
                hint="save all messages of the answer, one after the other, or say --allow-shrink to take "
                "what is there; cameras of the dataset that it lacks are closed",
            )
        return [read_item(f"item {number}", entry) for number, entry in enumerate(answer.entries, 1)]
    header, rows = read_rows(source, options.encoding, intake.summary)
    if "deviceid" not in {name.lower() for name in header}:
        raise FileFormatError(
            f"{source.name} has no column DeviceID",
            where=str(source.path),
            hint=f"a catalogue has the columns {', '.join(camera_catalogue.FIELDS)}",
        )
    return [row if row.problem else read_item(row.where, row.fields) for row in rows]


class _Districts:
    """Cities and districts with official codes, to compare civil codes with."""

    def __init__(self, engine: Engine) -> None:
        with engine.connect() as connection:
            rows = connection.execute(
                text(
                    "SELECT left(code, 6) AS code, ST_AsBinary(geom) AS geom FROM area "
                    "WHERE level IN ('city', 'district') AND valid_to IS NULL AND code NOT LIKE :provisional"
                ),
                {"provisional": f"{PROVISIONAL_PROVINCE}%"},
            ).all()
        self._codes = [str(row.code) for row in rows]
        self._shapes = shapely.STRtree([shapely.from_wkb(bytes(row.geom)) for row in rows])

    def check(self, civil_code: str, place: Point) -> None:
        """Compare the civil code of a camera with the district it lies in.

        Raises
        ------
        FieldError
            It is no code, or of another district.
        """
        if not civil_code:
            return
        if not (civil_code.isascii() and civil_code.isdigit() and 2 <= len(civil_code) <= 8):
            raise FieldError("bad_civil_code", f"“CivilCode” is “{civil_code[:20]}”, not 2 to 8 digits")
        said = _significant(civil_code[:_DISTRICT_DIGITS])
        for found in self._shapes.query(place, predicate="intersects"):
            there = _significant(self._codes[found])
            if not (said.startswith(there) or there.startswith(said)):
                raise FieldError(
                    "civil_code_elsewhere",
                    f"its civil code is {civil_code}, and it lies in {self._codes[found]}",
                )


def _significant(code: str) -> str:
    """Return a district's code without the pairs of zeros that stand for all of a city or province."""
    while len(code) > 2 and code.endswith("00"):
        code = code[:-2]
    return code
