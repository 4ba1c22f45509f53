"""Say how a vector file or table is imported, whatever it holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ingest.vector import source_file
from ingest.vector.record import Rules


@dataclass(frozen=True, slots=True, kw_only=True)
class FileOptions:
    """How a file is imported.

    Parameters
    ----------
    dataset
        Name its things are kept under; the same name again updates them. After the file when None.
    fields
        Our field -> the file's column, where the names do not tell.
    crs
        Frame of the coordinates; overrules what the file says. ``GCJ-02`` and ``BD-09`` included.
    encoding
        Of its text, for example ``gbk``; the file's own word or UTF-8 when None.
    simulated
        Everything in it is made up.
    max_size_bytes
        Larger files are refused before they are read.
    rules
        What the import may do beyond the ordinary.
    """

    dataset: str | None = None
    fields: Mapping[str, str] = field(default_factory=dict)
    crs: str | None = None
    encoding: str | None = None
    simulated: bool = False
    max_size_bytes: int = source_file.MAX_SIZE_BYTES
    rules: Rules = Rules()  # noqa: RUF009  (frozen)
