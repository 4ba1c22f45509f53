"""Make cases of reports, and tell channels of theirs and, roughly, of others in their area."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from api.access.caller import Caller
from api.open311 import terms
from api.open311.form import Form
from api.rows import Row
from twin.access.grants import NO_GRANTS
from twin.access.masking import mask_address
from twin.access.roles import HOTLINE_CHANNEL
from twin.cases.categories import Categories, Category
from twin.cases.reporting import Report, Reported, report_case, title_of, token_digest
from twin.errors import InvalidError, NotFoundError
from twin.store.scoped import scoped

_SAME_PLACE_M: Final = 100.0
"""Several addresses of the same words that lie closer than this are one place."""

_ADDRESS: Final = text("SELECT found, lon, lat, spread_m FROM find_address_to_report(:words)")
_LIST: Final = text(
    "SELECT * FROM list_reports(CAST(:account_id AS uuid), CAST(:numbers AS text[]), "
    "CAST(:categories AS text[]), CAST(:since AS timestamptz), CAST(:until AS timestamptz), "
    "CAST(:is_open AS boolean), :most, :left_out)"
)
_OF_TOKEN: Final = text("SELECT * FROM report_of_token(CAST(:digest AS bytea))")


def find_category(categories: Categories, code: str | None, *, day: datetime) -> Category:
    """Return the category of a code that can be reported now.

    Raises
    ------
    InvalidError
        There is no code.
    NotFoundError
        There is no such service.
    """
    if code is None:
        raise InvalidError("service_code was not provided", where="service_code", hint="see services.json")
    found = categories.by_code.get(code)
    if found is None or (found.valid_to is not None and day.date() >= found.valid_to):
        raise NotFoundError(
            f"there is no service {code[:20]!r}", where="service_code", hint="see services.json"
        )
    return found


async def file(caller: Caller, form: Form, category: Category, client_key: str | None) -> Reported:
    """Take what a form says as a case, in one transaction.

    Raises
    ------
    InvalidError
        A field is wrong, or there is no place.
    TwinError
        What `twin.cases.reporting.report_case` refuses.
    """
    words = form.text("description", terms.LONGEST_DESCRIPTION)
    address = form.text("address_string", terms.LONGEST_ADDRESS)
    place, reporter, answers = form.place(), form.reporter(), form.answers(category)
    media_url = form.media_url()
    async with caller.transaction() as connection:
        lon, lat = place if place is not None else await _place_of(connection, address)
        report = Report(
            title=title_of(category.zh, words),
            title_en=category.en,
            category_code=category.code,
            source="hotline" if HOTLINE_CHANNEL in caller.grants.roles else "resident",
            lon=lon,
            lat=lat,
            address=address,
            description=words,
            media_url=media_url,
            attributes=answers,
            reporter=reporter,
        )
        return await report_case(
            connection,
            caller.running.sealer,
            report,
            account_id=caller.identity.account_id,
            client_key=client_key,
            now=datetime.now(UTC),
        )


async def _place_of(connection: AsyncConnection, address: str | None) -> tuple[float, float]:
    if address is None:
        raise InvalidError(
            "a report needs a place", where="lat, long", hint="send lat and long, or address_string"
        )
    found = (await connection.execute(_ADDRESS, {"words": mask_address(address)})).first()
    if found is None:
        raise InvalidError(
            "this address is not known here", where="address_string", hint="send lat and long beside it"
        )
    if found.spread_m > _SAME_PLACE_M:
        raise InvalidError(
            f"there are several addresses {found.found!r}",
            where="address_string",
            hint="send lat and long beside it",
        )
    return found.lon, found.lat


async def list_reports(
    caller: Caller,
    *,
    numbers: Sequence[str] | None = None,
    categories: Sequence[str] | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    is_open: bool | None = None,
    most: int = terms.MOST_LISTED,
    left_out: int = 0,
) -> list[Row]:
    """Return reports of the caller's area, the newest first; None leaves a filter out."""
    values: Mapping[str, Any] = {
        "account_id": caller.identity.account_id,
        "numbers": None if numbers is None else list(numbers),
        "categories": None if categories is None else list(categories),
        "since": since,
        "until": until,
        "is_open": is_open,
        "most": most,
        "left_out": left_out,
    }
    async with caller.transaction() as connection:
        return [dict(row) for row in (await connection.execute(_LIST, values)).mappings()]


async def get_of_token(engine: AsyncEngine, token: str) -> Row:
    """Return the report of a token.

    Raises
    ------
    NotFoundError
        It is of none.
    """
    async with scoped(engine, NO_GRANTS) as connection:
        row = (await connection.execute(_OF_TOKEN, {"digest": token_digest(token)})).mappings().first()
    if row is None:
        raise NotFoundError("there is no report of this token", where="token")
    return dict(row)
