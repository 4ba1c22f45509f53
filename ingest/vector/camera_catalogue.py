"""Read a catalogue of cameras (GB/T 28181, answer to a Catalog query) from XML or CSV.

A platform answers with many messages, each a document of its own with a few entries: a file may hold them one
after the other. Each is parsed without anything that a document can bring of its own: a DOCTYPE refuses it,
so that there are no entities; depth, number and length of things are bounded.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from xml.parsers import expat

from twin.codes import parse_gb28181_id
from twin.errors import FileFormatError, InvalidError

MOST_ITEMS: Final = 200_000
MAX_SIZE_BYTES: Final = 256 << 20
_MOST_TEXT: Final = 10_000
_MOST_DEPTH: Final = 12
_DECLARATION: Final = re.compile(r"^[\ufeff\s]*<\?xml([^>]{0,200})\?>")
_END: Final = re.compile(r"(?<=</Response>)")
_NUMBER: Final = re.compile(r"[0-9]{1,7}", re.ASCII)
_SAID: Final = re.compile(r"""encoding\s*=\s*["']([A-Za-z0-9._-]{1,40})["']""")

BEARINGS: Final = {"1": 90, "2": 270, "3": 180, "4": 0, "5": 135, "6": 45, "7": 225, "8": 315}
"""DirectionType (东 西 南 北 东南 东北 西南 西北) as degrees from north."""

ALL_ROUND: Final = {"1", "4"}
"""PTZType of cameras that turn: 球机, 遥控枪机."""

FIELDS: Final = (
    *("DeviceID", "Name", "Manufacturer", "Model", "CivilCode", "Address", "ParentID", "Longitude"),
    *("Latitude", "Status", "PTZType", "DirectionType"),
)
"""Columns of the table form; case does not matter."""

_MADE: Final = ("uid", "kind", "name", "lon", "lat", "bearing", "field_of_view", "address", "gb28181_id")
COLUMNS: Final = {name: name for name in _MADE}
"""Which column of an `Item` holds which field of a device."""


@dataclass(frozen=True, slots=True)
class Item:
    """One camera under the names of device lists, where it stood, and its civil code (empty: unsaid)."""

    where: str
    fields: dict[str, str]
    civil_code: str


@dataclass(frozen=True, slots=True)
class NoCamera:
    """An entry that is a folder, a platform or another device: left out on purpose."""

    where: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What a platform answered: the entries, and how many it said there are (None: it did not say)."""

    entries: list[dict[str, str]]
    announced: int | None

    @property
    def missing(self) -> int:
        """How many announced entries are not there."""
        return max(0, (self.announced or 0) - len(self.entries))


def read_documents(content: bytes, encoding: str | None, where: str) -> Answer:
    """Return the entries of a catalogue in XML, as the texts of their elements.

    Parameters
    ----------
    content
        One document or several; GB 18030 (and so GB 2312) or UTF-8, as the first says of itself.
    encoding
        Overrules what it says.
    where
        Name of the file, for errors.

    Raises
    ------
    FileFormatError
        It is no sound XML, brings a DOCTYPE, is no answer to a Catalog query, or is made to be too large.
    """
    entries: list[dict[str, str]] = []
    announced: int | None = None
    line = 1
    for document in _documents(_decoded(content, encoding, where)):
        reader = _read(document, where, line, entries)
        _require_answer(reader, where, line)
        if _NUMBER.fullmatch(reader.announced):
            announced = max(announced or 0, int(reader.announced))
        line += document.count("\n")
    return Answer(entries, announced)


def _documents(text: str) -> list[str]:
    """Return each document of a text with what stands before it."""
    parts = [part for part in _END.split(text) if part.strip("\ufeff \t\r\n")]
    return parts or [text]


def _require_answer(reader: _Reader, where: str, line: int) -> None:
    if reader.root == "Notify":
        raise FileFormatError(
            f"{where} tells what changed in a catalogue (Notify), not all of it",
            where=f"line {line}",
            hint="save the answer of the platform to a Catalog query (GB/T 28181)",
        )
    if reader.root != "Response" or reader.command != "Catalog":
        raise FileFormatError(
            f"{where} is no catalogue of cameras ({reader.root[:40]} with the CmdType "
            f"“{reader.command[:40]}”, not a Response with Catalog)",
            where=f"line {line}",
            hint="save the answer of the platform to a Catalog query (GB/T 28181)",
        )


def _read(document: str, where: str, line: int, entries: list[dict[str, str]]) -> _Reader:
    """Parse one document, which begins at a line of the file; its entries are added to the others."""
    reader = _Reader(where, entries)
    parser = expat.ParserCreate("utf-8")
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = reader.refuse_doctype
    parser.StartElementHandler = reader.begin
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.text
    try:
        parser.Parse(_DECLARATION.sub(_blank, document, count=1).encode(), True)
    except expat.ExpatError as error:
        raise FileFormatError(
            f"{where} is no sound XML: {expat.ErrorString(error.code)}",
            where=f"line {line + error.lineno - 1}",
        ) from error
    return reader


def _blank(declaration: re.Match[str]) -> str:
    """Return the lines of a declaration, which speaks of an encoding the text no longer has."""
    return "\n" * declaration[0].count("\n")


def _decoded(content: bytes, encoding: str | None, where: str) -> str:
    head = content[:300].decode("latin-1").removeprefix("\xef\xbb\xbf")
    declared = _DECLARATION.match(head)
    said = _SAID.search(declared[1]) if declared else None
    name = encoding or (said[1] if said else "utf-8")
    if name.lower().replace("-", "") in {"gb2312", "gbk", "gb18030"}:
        name = "gb18030"
    try:
        return content.decode("utf-8-sig" if name.lower() == "utf-8" else name)
    except LookupError as error:
        raise FileFormatError(
            f"{where} is in an encoding nobody knows (“{name[:40]}”)", where=where, hint="say --encoding"
        ) from error
    except UnicodeDecodeError as error:
        raise FileFormatError(
            f"{where} is not text in {name}",
            where=f"byte {error.start}",
            hint="say its encoding with --encoding",
        ) from error


class _Reader:
    """Collects the entries while the parser goes through the document."""

    def __init__(self, where: str, entries: list[dict[str, str]]) -> None:
        self.root = self.command = self.announced = ""
        self._entries = entries
        self._where = where
        self._path: list[str] = []
        self._item: dict[str, str] | None = None
        self._text: list[str] = []
        self._length = 0

    def refuse_doctype(self, *_: object) -> None:
        raise FileFormatError(
            f"{self._where} brings a DOCTYPE, which no catalogue needs", where=self._where, hint="remove it"
        )

    def begin(self, name: str, _attributes: Mapping[str, str]) -> None:
        self.root = self.root or name
        self._path.append(name)
        self._text, self._length = [], 0
        if len(self._path) > _MOST_DEPTH:
            raise self._too_much("its elements lie too deep in one another")
        if name == "Item" and self._item is None:
            self._item = {}
            if len(self._entries) >= MOST_ITEMS:
                raise self._too_much(f"it has more than {MOST_ITEMS:,} entries")

    def text(self, text: str) -> None:
        self._length += len(text)
        if self._length > _MOST_TEXT:
            raise self._too_much(f"a text in it has more than {_MOST_TEXT:,} letters")
        self._text.append(text)

    def end(self, name: str) -> None:
        said = "".join(self._text).strip()
        self._path.pop()
        self._text, self._length = [], 0
        if name == "Item" and self._path[-1:] == ["DeviceList"] and self._item is not None:
            self._entries.append(self._item)
            self._item = None
        elif self._item is not None:
            if said and len(self._item) < 100:
                self._item.setdefault(name[:100], said)
        elif name == "CmdType":
            self.command = said
        elif name == "SumNum":
            self.announced = said

    def _too_much(self, why: str) -> FileFormatError:
        return FileFormatError(f"{self._where} cannot be a catalogue: {why}", where=self._where)


def read_item(where: str, entry: Mapping[str, Any]) -> Item | NoCamera:
    """Return a camera of an entry; what is wrong in its fields is found when it is taken."""
    known = {name.lower(): name for name in FIELDS}
    said = {
        known.get(str(name).strip().lower(), str(name)): str(value).strip() for name, value in entry.items()
    }
    number = said.get("DeviceID", "")
    if not _may_be_camera(number):
        return NoCamera(where)
    fields = {
        "uid": number,
        "kind": "camera",
        "name": said.pop("Name", ""),
        "lon": _place(said.pop("Longitude", "")),
        "lat": _place(said.pop("Latitude", "")),
        "bearing": str(BEARINGS.get(said.get("DirectionType", ""), "")),
        "field_of_view": "360" if said.get("PTZType") in ALL_ROUND else "",
        "address": said.pop("Address", ""),
        "gb28181_id": number,
    }
    said.pop("DeviceID", None)
    return Item(where, {**said, **fields}, said.get("CivilCode", ""))


def _may_be_camera(number: str) -> bool:
    """Say whether a number is one of a camera, or none at all, which is then refused with its reason."""
    try:
        return parse_gb28181_id(number).is_camera
    except InvalidError:
        return not (number.isascii() and number.isdigit() and 2 <= len(number) <= 8)  # a district is a folder


def _place(said: str) -> str:
    """Return a coordinate; 0 is what platforms write where nobody told them."""
    try:
        return "" if float(said) == 0.0 else said
    except ValueError:
        return said
