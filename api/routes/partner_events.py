"""Take what systems of partners say of the cases that were given to their organisation."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from api.access.permissions import SignedMessage, needs_signature
from api.errors import CONFLICT, NOT_FOUND
from api.runtime import Running
from twin.exchange import receiving
from twin.exchange.receiving import Said

router = APIRouter(tags=["cases"])

Signed = Annotated[SignedMessage, needs_signature()]

_WORDS: Final = "^[^\\x00]*$"
_HEADERS: Final[dict[str, Any]] = {
    "parameters": [
        {"name": name, "in": "header", "required": True, "schema": {"type": "string"}, "description": what}
        for name, what in (
            ("webhook-id", "the same for the same message, however often it is sent"),
            ("webhook-timestamp", "Unix time of sending, s"),
        )
    ]
}


class SaidOfCase(BaseModel):
    """Of which case, as it was at which version; ``reason`` and ``note`` as the act asks for them."""

    model_config = ConfigDict(extra="forbid")

    number: str = Field(min_length=1, max_length=40, pattern="^[!-~]+$")
    version: int = Field(ge=1, le=2**31 - 1, strict=True)
    reason: str | None = Field(None, max_length=2_000, pattern=_WORDS)
    note: str | None = Field(None, max_length=2_000, pattern=_WORDS)


class PartnerEvent(BaseModel):
    """What a partner did; ``timestamp`` is when, by its clock."""

    model_config = ConfigDict(extra="forbid")

    type: Literal["case.take", "case.report_done", "case.return", "case.note"]
    timestamp: AwareDatetime
    data: SaidOfCase


class TakenAnswer(BaseModel):
    """Where the case stands after that."""

    number: str
    version: int
    stage: str


@router.post("/api/partners/{id}/events", responses={**NOT_FOUND, **CONFLICT}, openapi_extra=_HEADERS)
async def take_partner_event(message: Signed, running: Running, event: PartnerEvent) -> TakenAnswer:
    """Act on a case as the organisation of a partner; the same message again does nothing more."""
    told = event.data
    said = Said(told.number, told.version, event.type.removeprefix("case."), told.reason, told.note)
    async with running.own.begin() as connection:
        answer = await receiving.take(
            connection,
            message.partner,
            message.message_id,
            message.body,
            said,
            address=message.address,
            now=datetime.now(UTC),
        )
    return TakenAnswer(**answer)
