"""Look at a file before anything reads it: is it there, how large, what is it really, has it changed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ingest.vector.summary import Progress
from twin.errors import FileFormatError, TooLargeError, UnavailableError

MAX_SIZE_BYTES = 2 * 1024**3
"""Files above 2 GiB are refused unasked: reading one takes several times its size in memory."""

_SIGNS: tuple[tuple[bytes, int, str, str], ...] = (
    (b"SQLite format 3\x00", 0, "sqlite", "an SQLite database"),
    (b"\x00\x00\x27\x0a", 0, "shapefile", "a Shapefile"),
    (b"PK\x03\x04", 0, "zip", "a zip archive"),
    (b"PK\x05\x06", 0, "zip", "an empty zip archive"),
    (b"\x1f\x8b", 0, "gzip", "a gzip archive"),
    (b"BZh", 0, "bzip2", "a bzip2 archive"),
    (b"\xfd7zXZ\x00", 0, "xz", "an xz archive"),
    (b"7z\xbc\xaf\x27\x1c", 0, "7z", "a 7-Zip archive"),
    (b"Rar!", 0, "rar", "a RAR archive"),
    (b"%PDF", 0, "pdf", "a PDF document"),
    (b"\x89PNG", 0, "png", "a PNG picture"),
    (b"\xff\xd8\xff", 0, "jpeg", "a JPEG picture"),
    (b"II*\x00", 0, "tiff", "a TIFF picture"),
    (b"MM\x00*", 0, "tiff", "a TIFF picture"),
    (b"\xd0\xcf\x11\xe0", 0, "office", "an old Office document"),
    (b"\x7fELF", 0, "elf", "a program"),
    (b"fgb", 0, "flatgeobuf", "a FlatGeobuf file"),
)


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file that was looked at: its path, what its bytes say it is, its size and its fingerprint."""

    path: Path
    format: str
    """``osm_pbf``, ``osm_xml``, ``gpkg``, ``shapefile``, ``zip``, ``geojson``, ``csv`` or ``text``."""
    size_bytes: int
    modified_ns: int
    sha256: str

    @property
    def name(self) -> str:
        """File name without folder, as it is recorded."""
        return self.path.name

    def check_unchanged(self) -> None:
        """Refuse a file that was written to while it was read.

        Raises
        ------
        UnavailableError
            It is gone, or its size or time changed.
        """
        with file_errors(self.path):
            stat = self.path.stat()
        if (stat.st_size, stat.st_mtime_ns) != (self.size_bytes, self.modified_ns):
            raise UnavailableError(
                f"{self.name} was written to while it was read",
                where=str(self.path),
                hint="wait until its copy is complete and import it again",
            )


@contextmanager
def file_errors(path: Path) -> Iterator[None]:
    """Turn what the operating system says of a file into errors for a person."""
    try:
        yield
    except FileNotFoundError as error:
        raise UnavailableError(
            f"{path.name} is not there", where=str(path), hint="check the path; it may have been moved"
        ) from error
    except PermissionError as error:
        raise UnavailableError(
            f"{path.name} may not be read", where=str(path), hint="give this account the right to read it"
        ) from error
    except IsADirectoryError as error:
        raise FileFormatError(f"{path.name} is a folder", where=str(path), hint="name a file") from error
    except OSError as error:
        raise UnavailableError(
            f"{path.name} cannot be read: {error.strerror or error}",
            where=str(path),
            hint="check the disk or the network share it is on",
        ) from error


def look_at(
    path: Path, *, max_size_bytes: int = MAX_SIZE_BYTES, progress: Progress | None = None
) -> SourceFile:
    """Look at a file and return what it is, by its bytes and not by its name.

    Raises
    ------
    UnavailableError
        It is not there or may not be read.
    FileFormatError
        It is a folder, empty, or something no importer reads.
    TooLargeError
        Larger than ``max_size_bytes``; found before a byte is read.
    """
    with file_errors(path):
        stat = path.stat()
        if path.is_dir():
            raise IsADirectoryError
    if not path.is_file():
        raise FileFormatError(f"{path.name} is not an ordinary file", where=str(path), hint="name a file")
    if stat.st_size == 0:
        raise FileFormatError(f"{path.name} is empty (0 bytes)", where=str(path), hint="fetch it again")
    if stat.st_size > max_size_bytes:
        raise TooLargeError(
            f"{path.name} has {stat.st_size / 1e9:.1f} GB, the limit is {max_size_bytes / 1e9:.1f} GB",
            where=str(path),
            hint="cut the part you need out of it (osmium extract, ogr2ogr -clipsrc), or raise --max-size",
        )
    digest = hashlib.sha256()
    if progress:
        progress.begin(f"reading {path.name}", stat.st_size)
    with file_errors(path), path.open("rb") as stream:
        head = stream.read(8192)
        stream.seek(0)
        while block := stream.read(1 << 20):
            digest.update(block)
            if progress:
                progress.advance(len(block))
    return SourceFile(path, sniff(head), stat.st_size, stat.st_mtime_ns, digest.hexdigest())


def sniff(head: bytes) -> str:
    """Return the format that the first bytes of a file show; ``unknown`` for bytes that are no text."""
    # A PBF begins with the length of its first header (4 bytes), which holds the word OSMHeader.
    if len(head) > 20 and int.from_bytes(head[:4], "big") < 65536 and b"OSMHeader" in head[:64]:
        return "osm_pbf"
    if head.startswith(b"SQLite format 3\x00"):
        return "gpkg" if head[68:72] in {b"GPKG", b"GP10", b"GP11"} else "sqlite"
    for sign, at, name, _ in _SIGNS:
        if head[at : at + len(sign)] == sign:
            return name
    return _sniff_text(head)


def _sniff_text(head: bytes) -> str:
    if b"\x00" in head[:4096] and not head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "unknown"
    lead = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if lead.startswith(b"<"):
        lowered = lead[:4096].lower()
        if b"<osmchange" in lowered:
            return "osm_change"
        if b"<osm" in lowered:
            return "osm_xml"
        if b"<html" in lowered or b"<!doctype html" in lowered:
            return "html"
        return "xml"
    if lead.startswith((b"{", b"[")):
        return "geojson" if b'"type"' in lead or b'"features"' in lead else "json"
    first = lead.split(b"\n", 1)[0]
    if any(separator in first for separator in (b",", b";", b"\t")):
        return "csv"
    return "text"


def describe(format_name: str) -> str:
    """Return what a format is in words, for messages."""
    words = {name: what for _, _, name, what in _SIGNS}
    words |= {
        "osm_pbf": "an OpenStreetMap PBF file",
        "osm_xml": "an OpenStreetMap XML file",
        "osm_change": "an OpenStreetMap change file",
        "gpkg": "a GeoPackage",
        "geojson": "a GeoJSON file",
        "json": "a JSON file",
        "csv": "a table in text form (CSV)",
        "html": "a web page",
        "xml": "an XML file",
        "text": "a text file",
        "unknown": "of no known format",
    }
    return words.get(format_name, format_name)


def require(source: SourceFile, formats: tuple[str, ...], wanted: str) -> None:
    """Refuse a file whose bytes are not one of the formats.

    Raises
    ------
    FileFormatError
        Says what it is and what was wanted.
    """
    if source.format in formats:
        return
    if source.format in {"gzip", "bzip2", "xz", "7z", "rar"} or (
        source.format == "zip" and "zip" not in formats
    ):
        hint = "unpack it first and import the file inside"
    elif source.format == "html":
        hint = "the download gave an error page instead of the file; fetch it again"
    elif source.format in {"osm_pbf", "osm_xml"}:
        hint = "import it with: gridtwin import osm"
    elif source.format in {"gpkg", "geojson", "shapefile"}:
        hint = "import it with: gridtwin import vector"
    else:
        hint = f"name {wanted}"
    raise FileFormatError(
        f"{source.name} is {describe(source.format)}, not {wanted}", where=str(source.path), hint=hint
    )
