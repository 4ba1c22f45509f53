"""Read the streams of cameras in a list of devices, and keep their addresses sealed and nowhere in clear."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, text

from ingest.cameras.address import CameraAddress, read_address
from ingest.vector.fields import FieldError, FieldReader
from twin.access.sealing import Sealer
from twin.cameras import Source, store_sources
from twin.errors import InvalidError

_SECRETS: Final = ("stream", "stream_user", "stream_password")
_SECRET: Final = re.compile(r"\brtsps?://|://[^/\s]*@|[?&](?:pass|pwd|password|token)=", re.IGNORECASE)
_REMOVED: Final = "(an address that may hold a password was not kept)"


@dataclass(frozen=True, slots=True, repr=False)
class Stream:
    """Where a camera is asked for pictures, and what its register says of it."""

    address: CameraAddress
    sign_posted: bool | None
    retention_days: int | None


def read_stream(fields: FieldReader, kind: str, sealer: Sealer | None) -> Stream | None:
    """Return the stream of a row, None where it has none.

    Raises
    ------
    FieldError
        It is of no camera or of a private place, its address is none, or there is no sealer.
    """
    if fields.flag("private_area", default=False):
        raise FieldError("private_area", "a camera that films a private place is not registered")
    written = fields.raw("stream")
    if written is None:
        return None
    if kind != "camera":
        raise FieldError("stream_of_no_camera", "only a camera has a stream")
    if sealer is None:
        raise FieldError("stream_without_key", "there is no key to seal the address of its stream with")
    try:
        address = read_address(
            str(written), str(fields.raw("stream_user") or ""), str(fields.raw("stream_password") or "")
        )
    except InvalidError as error:
        raise FieldError("bad_stream", error.what) from error
    posted = fields.flag("sign_posted", default=False) if fields.raw("sign_posted") is not None else None
    return Stream(address, posted, fields.integer("retention_days", 30, 3650))


def harmless(fields: Mapping[str, Any], columns: Mapping[str, str]) -> dict[str, Any]:
    """Return a row as it may be kept in clear: without addresses of streams, in whatever column they are."""
    secret = {columns[name] for name in _SECRETS if name in columns}
    return {name: _REMOVED if _is_secret(name in secret, value) else value for name, value in fields.items()}


def _is_secret(column: bool, value: Any) -> bool:
    return bool(value) and (column or (isinstance(value, str) and _SECRET.search(value) is not None))


def keep_streams(
    connection: Connection, dataset_id: int, sealer: Sealer | None, streams: Mapping[str, Stream]
) -> None:
    """Keep streams by the uids of their cameras; of cameras that are not of this dataset none is kept."""
    if sealer is None or not streams:
        return
    rows = connection.execute(
        text(
            "SELECT id, uid FROM device WHERE dataset_id = :dataset AND valid_to IS NULL AND uid = ANY(:uids)"
        ),
        {"dataset": dataset_id, "uids": list(streams)},
    ).all()
    found = [(number, streams[uid]) for number, uid in rows]
    store_sources(
        connection,
        sealer,
        [
            Source(number, one.address.scheme, one.address.secret, one.sign_posted, one.retention_days)
            for number, one in found
        ],
    )
