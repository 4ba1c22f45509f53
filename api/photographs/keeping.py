"""Keep photographs in the database and find them there, as far as the caller may."""

from __future__ import annotations

import functools
import hashlib
import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from api.photographs.claims import Claim, Verdict
from api.photographs.darkroom import Print
from api.photographs.terms import MOST_PER_CASE, Kind
from api.rows import Row
from twin.access.credentials import Identity
from twin.errors import ConflictError, ForbiddenError, NotFoundError, TooLargeError
from twin.model.photograph import Moment

FACTS: Final = """
    p.id, p.case_id, p.moment, p.added_at, coalesce(p.file_at, p.sender_at) AS taken_at, p.distance_m,
    p.flags, p.width_px, p.height_px, octet_length(p.picture) AS bytes, p.simulated,
    p.released_at"""
"""Columns of a photograph without its pictures; their length is read without them."""

_CASE: Final = text(
    """
    SELECT id, ST_X(geom) AS lon, ST_Y(geom) AS lat, opened_at, closed_at,
           (SELECT max(at) FROM journal WHERE subject = 'case/' || case_file.id
                AND kind IN ('case.dispatched', 'case.transferred')) AS dispatched_at,
           scope_code <@ (SELECT gt_scope('may_case_note'))
               OR coalesce(worker_id = (SELECT gt_self_worker()), false)
                   OR coalesce(organisation_id = (SELECT gt_self_organisation()), false) AS may_add,
           (SELECT count(*) FROM photograph WHERE case_id = case_file.id) AS photographs
    FROM case_file WHERE id = :id
    """
)
_SENT: Final = text(
    f"SELECT {FACTS}, p.sent_sha256 FROM photograph AS p "
    "WHERE p.case_id = :case_id AND p.client_id = :client_id"
)
_POINT: Final = "ST_SetSRID(ST_MakePoint(CAST(:{0}_lon AS float8), CAST(:{0}_lat AS float8)), 4326)"
# A null coordinate makes a null point.
_ADD: Final = text(
    f"""
    INSERT INTO photograph AS p (case_id, client_id, moment, account_id, worker_id, sent_type, sent_sha256,
        picture, thumbnail, width_px, height_px, file_at, file_point, sender_at, sender_point, distance_m,
        flags)
    VALUES (:case_id, :client_id, :moment, :account_id, :worker_id, :sent_type, :sent_sha256,
        :picture, :thumbnail, :width_px, :height_px, :file_at, {_POINT.format("file")}, :sender_at,
        {_POINT.format("sender")}, :distance_m, CAST(:flags AS jsonb))
    ON CONFLICT (case_id, client_id) DO NOTHING
    RETURNING {FACTS}
    """
)


@dataclass(frozen=True)
class Sent:
    """A photograph as it came: to which case, under which number of its sender's, of which moment."""

    case_id: int
    client_id: UUID
    moment: Moment
    kind: Kind
    body: bytes

    @functools.cached_property
    def sha256(self) -> bytes:
        """Digest of the body."""
        return hashlib.sha256(self.body).digest()


async def get_case(connection: AsyncConnection, case_id: int) -> Row:
    """Return place and opening of a case, how many photographs it has and whether the caller may add one.

    Raises
    ------
    NotFoundError
        The caller sees no such case.
    """
    case = (await connection.execute(_CASE, {"id": case_id})).mappings().first()
    if case is None:
        raise NotFoundError(f"there is no case {case_id}", where="id", hint="list them at /api/cases")
    return dict(case)


def require_may_add(case: Row) -> None:
    """Check that the caller may add photographs to a case that they see.

    Raises
    ------
    ForbiddenError
        They may not.
    """
    if not case["may_add"]:
        raise ForbiddenError("this account may not add photographs to this case", where=f"case {case['id']}")


async def find_sent(connection: AsyncConnection, sent: Sent) -> Row | None:
    """Return what was kept when the same photograph came before.

    Raises
    ------
    ConflictError
        Another photograph came under this number, or the same one of another moment.
    """
    found = (
        (await connection.execute(_SENT, {"case_id": sent.case_id, "client_id": sent.client_id}))
        .mappings()
        .first()
    )
    if found is None:
        return None
    if found["sent_sha256"] != sent.sha256 or found["moment"] != sent.moment:
        raise ConflictError(
            "another photograph was sent under this client_id",
            where="client_id",
            hint="choose a new one for each photograph",
        )
    return {name: value for name, value in found.items() if name != "sent_sha256"}


def require_room(case: Row) -> None:
    """Check that a case has room for another photograph.

    Raises
    ------
    TooLargeError
        It has `MOST_PER_CASE` already.
    """
    if case["photographs"] >= MOST_PER_CASE:
        raise TooLargeError(
            f"a case holds {MOST_PER_CASE} photographs at most · 每个案件最多 {MOST_PER_CASE} 张照片",
            where=f"case {case['id']}",
        )


async def add(
    connection: AsyncConnection,
    sent: Sent,
    developed: Print,
    of_file: Claim,
    of_sender: Claim,
    verdict: Verdict,
    *,
    by: Identity,
) -> Row | None:
    """Keep a photograph; None when the same number came meanwhile. The journal is told by the database."""
    values: dict[str, Any] = {
        "case_id": sent.case_id,
        "client_id": sent.client_id,
        "moment": sent.moment,
        "account_id": by.account_id,
        "worker_id": by.grants.worker_id,
        "sent_type": sent.kind.media_type,
        "sent_sha256": sent.sha256,
        "picture": developed.picture,
        "thumbnail": developed.thumbnail,
        "width_px": int(developed.facts["width"]),
        "height_px": int(developed.facts["height"]),
        "distance_m": verdict.distance_m,
        "flags": json.dumps(verdict.flags),
        **_columns("file", of_file),
        **_columns("sender", of_sender),
    }
    row = (await connection.execute(_ADD, values)).mappings().first()
    return None if row is None else dict(row)


def _columns(whose: str, claim: Claim) -> dict[str, datetime | float | None]:
    lon, lat = claim.place or (None, None)
    return {f"{whose}_at": claim.at, f"{whose}_lon": lon, f"{whose}_lat": lat}
