"""Take reports of residents' apps and hotlines, and tell them of these: Open311 GeoReport v2."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Header, Path, Query, Request
from starlette.responses import Response

from api.access.caller import Caller
from api.access.permissions import PUBLIC, content_type_of, does, needs, needs_key
from api.exports.words import Language
from api.open311 import answers, reports, terms
from api.open311.form import Form as ReportForm
from api.open311.formats import written
from api.open311.terms import BASE, FORM_TYPE, LONGEST_KEY, MOST_LISTED, SPAN, Form
from api.residents.link import link_of
from api.routes.answers import GivenMoment, shown_address
from api.rows import Row
from api.runtime import Running
from twin.access.roles import Act
from twin.cases.categories import load_categories
from twin.errors import InvalidError, NotFoundError

router = APIRouter(tags=["open311"])

Asker = Annotated[Caller, needs(does(Act.REPORT_CASE))]
Reporter = Annotated[Caller, needs_key(does(Act.REPORT_CASE))]
Lang = Annotated[Language, Query(description="of names")]
Jurisdiction = Annotated[
    str | None, Query(max_length=100, description="where the installation has one: that one")
]

_MOST_CODES: Final = 200
_ASCII: Final = "^[ -~]*$"
"""Of what numbers and codes are made: with any letters, what is still allowed would not fit in an address."""
_NOTICE: Final = {
    "zh": "已受理，请用返回的编号或查询码查看办理进度",
    "en": "Taken in; ask by its number or its token how it is doing",
}


def _told(model: Any, description: str) -> dict[int | str, dict[str, Any]]:
    """Describe an answer that comes as JSON or as XML with the same content."""
    return {200: {"model": model, "description": description, "content": {"text/xml": {"schema": _TEXT}}}}


_TEXT: Final = {"type": "string"}
_FIELDS: Final = {
    "api_key": 200,
    "jurisdiction_id": 100,
    "service_code": 20,
    "lat": 40,
    "long": 40,
    "address_string": terms.LONGEST_ADDRESS,
    "email": terms.LONGEST_MAIL,
    "first_name": terms.LONGEST_NAME,
    "last_name": terms.LONGEST_NAME,
    "phone": 60,
    "description": terms.LONGEST_DESCRIPTION,
    "media_url": terms.LONGEST_MEDIA_URL,
}
"""What a form may have, and how many letters of each."""
_FORM: Final = {
    "requestBody": {
        "required": True,
        "content": {
            FORM_TYPE: {
                "schema": {
                    "type": "object",
                    "required": ["service_code"],
                    "properties": {
                        name: {"type": "string", "maxLength": longest} for name, longest in _FIELDS.items()
                    },
                    "description": "answers to the questions of a service: attribute[CODE]",
                }
            }
        },
    }
}


async def _jurisdiction(running: Running, jurisdiction_id: Jurisdiction = None) -> None:
    _require_jurisdiction(running, jurisdiction_id)


def _require_jurisdiction(running: Running, given: str | None) -> None:
    own = running.settings.open311_jurisdiction
    if given and own and given != own:
        raise NotFoundError("jurisdiction_id was not found", where="jurisdiction_id", hint=f"it is {own}")


HERE: Final = [Depends(_jurisdiction)]


@router.get(
    f"{BASE}/discovery.{{form}}",
    dependencies=[needs(PUBLIC)],
    response_class=Response,
    responses=_told(answers.DiscoveryAnswer, "The interfaces."),
)
async def discover(request: Request, running: Running, form: Form) -> Response:
    """Return where the interface lies and whom to ask for a key."""
    categories = load_categories()
    changeset = f"{categories.valid_from.isoformat()}T00:00:00Z"
    told = {
        "changeset": changeset,
        "contact": running.settings.open311_contact,
        "key_service": "gridtwin user add NAME --kind program --role resident_channel --area CODE",
        "endpoints": [
            {
                "specification": "http://wiki.open311.org/GeoReport_v2",
                "url": f"{request.url.scheme}://{request.url.netloc}{BASE}",
                "changeset": changeset,
                "type": "production",
                "formats": ["application/json", "text/xml"],
            }
        ],
    }
    return written(form, "discovery", told)


@router.get(
    f"{BASE}/services.{{form}}",
    dependencies=[needs(PUBLIC), *HERE],
    response_class=Response,
    responses=_told(list[answers.ServiceAnswer], "The services."),
)
async def list_services(form: Form, lang: Lang = "zh") -> Response:
    """Return what can be reported."""
    listed = load_categories().open_at(datetime.now(UTC).date())
    return written(form, "services", [answers.service(row, lang) for row in listed])


@router.get(
    f"{BASE}/services/{{code}}.{{form}}",
    dependencies=[needs(PUBLIC), *HERE],
    response_class=Response,
    responses=_told(answers.DefinitionAnswer, "The questions; none where it asks none."),
)
async def get_service(form: Form, code: Annotated[str, Path(max_length=20)], lang: Lang = "zh") -> Response:
    """Return the questions that a service asks beside place and words."""
    category = reports.find_category(load_categories(), code, day=datetime.now(UTC))
    return written(form, "service_definition", answers.definition(category, lang))


@router.post(
    f"{BASE}/requests.{{form}}",
    response_class=Response,
    openapi_extra=_FORM,
    responses={
        **_told(list[answers.FiledAnswer], "The same report had come before."),
        201: {
            "model": list[answers.FiledAnswer],
            "description": "It was filed.",
            "content": {"text/xml": {"schema": _TEXT}},
        },
    },
)
async def file_report(
    request: Request,
    running: Running,
    caller: Reporter,
    form: Form,
    idempotency_key: Annotated[
        str | None,
        Header(min_length=1, max_length=LONGEST_KEY, description="what the sender calls this report"),
    ] = None,
    lang: Lang = "zh",
) -> Response:
    """File a report as a case; sending it again under the same key files nothing."""
    given = ReportForm(await request.body(), content_type_of(request))
    _require_jurisdiction(running, given.text("jurisdiction_id", 100))
    category = reports.find_category(load_categories(), given.text("service_code", 20), day=datetime.now(UTC))
    filed = await reports.file(caller, given, category, idempotency_key)
    told = {
        "service_request_id": filed.number,
        "service_notice": _NOTICE[lang],
        "account_id": None,
        "token": filed.token,
        "link": link_of(request, filed.token),
    }
    return written(form, "service_requests", [told], 200 if filed.again else 201)


@router.get(
    f"{BASE}/requests.{{form}}",
    dependencies=HERE,
    response_class=Response,
    responses=_told(list[answers.ReportAnswer], "Reports, the newest first."),
)
async def list_requests(
    caller: Asker,
    form: Form,
    service_request_id: Annotated[str | None, Query(max_length=10_000, pattern=_ASCII)] = None,
    service_code: Annotated[str | None, Query(max_length=2_000, pattern=_ASCII)] = None,
    start_date: GivenMoment | None = None,
    end_date: GivenMoment | None = None,
    status: Annotated[str | None, Query(max_length=40)] = None,
    page: Annotated[int, Query(ge=1, le=100_000)] = 1,
    page_size: Annotated[int, Query(ge=1, le=MOST_LISTED)] = MOST_LISTED,
    lang: Lang = "zh",
) -> Response:
    """Return reports of the caller's area of at most 90 days; numbers override every other filter."""
    if service_request_id is not None:
        rows = await reports.list_reports(caller, numbers=_listed("service_request_id", service_request_id))
        return written(form, "service_requests", _reports(rows, lang))
    since, until = _span(start_date, end_date)
    rows = await reports.list_reports(
        caller,
        categories=None if service_code is None else _listed("service_code", service_code),
        since=since,
        until=until,
        is_open=_is_open(status),
        most=page_size,
        left_out=(page - 1) * page_size,
    )
    return written(form, "service_requests", _reports(rows, lang))


@router.get(
    f"{BASE}/requests/{{number}}.{{form}}",
    dependencies=HERE,
    response_class=Response,
    responses=_told(list[answers.ReportAnswer], "The report, in a list."),
)
async def get_request(
    caller: Asker, form: Form, number: Annotated[str, Path(max_length=40)], lang: Lang = "zh"
) -> Response:
    """Return one report of the caller's area."""
    rows = await reports.list_reports(caller, numbers=[number.replace("\x00", "")])
    if not rows:
        raise NotFoundError("there is no such report", where="service_request_id")
    return written(form, "service_requests", _reports(rows, lang))


@router.get(
    f"{BASE}/tokens/{{token}}.{{form}}",
    dependencies=[needs(PUBLIC), *HERE],
    response_class=Response,
    responses=_told(list[answers.TokenAnswer], "The report of the token, in a list."),
)
async def get_token(
    request: Request,
    running: Running,
    form: Form,
    token: Annotated[str, Path(max_length=100)],
    lang: Lang = "zh",
) -> Response:
    """Return how the report of a token is doing; whoever has the token may know it."""
    row = await reports.get_of_token(running.engine, token)
    told = {
        "service_request_id": row["number"],
        "token": token,
        "link": link_of(request, token),
        **answers.state_of(row, lang),
        "service_name": answers.service_name(load_categories(), row["category_code"], lang),
        "service_code": row["category_code"],
        "requested_datetime": row["opened_at"],
    }
    return written(form, "service_requests", [told])


def _reports(rows: list[Row], lang: Language) -> list[dict[str, Any]]:
    categories = load_categories()
    return [answers.report(row, categories, lang, shown_address(row["address"])) for row in rows]


def _listed(name: str, given: str) -> list[str]:
    found = [part.strip() for part in given.split(",") if part.strip()]
    if not 1 <= len(found) <= _MOST_CODES:
        raise InvalidError(f"send 1 to {_MOST_CODES}, parted by commas", where=name)
    return found


def _is_open(status: str | None) -> bool | None:
    wanted = {part.strip().lower() for part in (status or "").split(",")} - {""}
    if not wanted <= {"open", "closed"}:
        raise InvalidError("a status is open or closed", where="status")
    return None if len(wanted) != 1 else wanted == {"open"}


def _span(start: datetime | None, end: datetime | None) -> tuple[datetime, datetime]:
    """Return the moments between which reports are listed: the last 90 days, or 90 from or to the one given.

    Raises
    ------
    InvalidError
        They are the wrong way round or more than 90 days apart.
    """
    try:
        if start is None:
            end = end or datetime.now(UTC)
            return end - SPAN, end
        end = end or start + SPAN
    except OverflowError as error:
        raise InvalidError("this moment is out of range", where="start_date, end_date") from error
    if start > end:
        raise InvalidError("the start lies after the end", where="start_date, end_date")
    if end - start > SPAN:
        raise InvalidError(f"ask for at most {SPAN.days} days", where="start_date, end_date")
    return start, end
