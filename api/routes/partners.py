"""Let system administrators say who is told of cases, and see how telling goes; secrets are shown once."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal, Self
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field, model_validator
from sqlalchemy.ext.asyncio import AsyncConnection

from api.access.caller import Caller
from api.access.permissions import PartnerId, does, needs, reads
from api.errors import CONFLICT, NOT_FOUND
from api.exchange.posting import read_address
from api.routes.answers import Names
from twin.access.record import Entry, write
from twin.access.roles import Act, DataClass
from twin.errors import InvalidError, NotFoundError
from twin.exchange import owing, partners, signing
from twin.exchange.partners import Partner, Wanted
from twin.exchange.retrying import FAILURE_WORDS, Failure
from twin.exchange.telling import EVENTS
from twin.store import journal

router = APIRouter(tags=["operation"])

Reader = Annotated[Caller, needs(reads(DataClass.SYSTEM))]
Manager = Annotated[Caller, needs(does(Act.MANAGE_SYSTEM))]
Kind = Literal["webhook", "open311"]
State = Literal["off", "paused", "failing", "behind", "current"]

_TEXT: Final = "^[^\\x00-\\x1f]*$"
_CODE: Final = "^[0-9]{2,5}$"
Code = Annotated[str, Field(pattern=_CODE)]
Version = Annotated[int, Field(ge=1, le=2**31 - 1, strict=True)]


class _Settings(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1, max_length=80, pattern=_TEXT)
    address: str = Field(max_length=500, description="https://; of open311 that before /requests.json")
    area_code: str = Field("0" * 15, pattern="^[0-9]{15}$", description="15 zeros: the whole installation")
    categories: list[Code] | None = Field(
        None, min_length=1, max_length=300, description="codes or their beginnings; null: all"
    )
    events: list[str] | None = Field(None, min_length=1, max_length=100, description="null: all")
    organisation_id: int | None = Field(
        None, ge=1, le=2**63 - 1, description="only cases that are given to it; it may act on these"
    )
    service_codes: dict[Code, Annotated[str, Field(min_length=1, max_length=100, pattern=_TEXT)]] | None = (
        Field(None, max_length=300, description="of open311: its services by our codes or their beginnings")
    )
    jurisdiction: str | None = Field(None, max_length=100, pattern=_TEXT)
    active: bool = True

    @model_validator(mode="after")
    def _are_known(self) -> Self:
        for event in self.events or ():
            if event not in EVENTS:
                raise ValueError(f"there is no event {event[:60]!r}")
        return self


class NewPartnerRequest(_Settings):
    """A new partner; ``key`` is what one that speaks Open311 gave us, others get a secret from us."""

    kind: Kind
    key: str | None = Field(None, min_length=1, max_length=500, pattern="^[!-~]+$")


class PartnerRequest(_Settings):
    """A partner as it shall be; ``version`` is the one that was changed."""

    version: Version


class PauseRequest(BaseModel):
    """Why nothing shall be told; it is shown and goes on the record."""

    model_config = ConfigDict(extra="forbid")

    reason: str = Field(min_length=1, max_length=500, pattern="^[^\\x00]*$")


class AgainRequest(BaseModel):
    """From which number of the journal on everything shall be told again."""

    model_config = ConfigDict(extra="forbid")

    from_sequence: int = Field(ge=1, le=2**63 - 1)


class KeyRequest(BaseModel):
    """The new key of a partner that speaks Open311; others get a new secret from us."""

    model_config = ConfigDict(extra="forbid")

    key: str | None = Field(None, min_length=1, max_length=500, pattern="^[!-~]+$")


class FailureAnswer(BaseModel):
    """Why a message did not arrive; ``status`` is what it was answered with, where it was."""

    failure: str
    zh: str
    en: str
    status: int | None
    at: datetime


class PartnerAnswer(BaseModel):
    """A partner, and how telling it goes.

    ``sent_to`` is the number of the journal up to which everything is done with, ``waiting`` how many events
    after it are for this partner, ``parked`` of how many it was not told for good.
    """

    id: UUID
    kind: Kind
    name: str
    address: str
    area_code: str
    categories: list[str] | None
    events: list[str] | None
    organisation_id: int | None
    service_codes: dict[str, str] | None
    jurisdiction: str | None
    active: bool
    version: int
    changed_by: str
    changed_at: datetime
    paused_at: datetime | None
    paused_by: str | None
    pause_reason: str | None
    state: State
    state_name: Names
    sent_to: int
    newest: int
    waiting: int
    parked: int
    tries: int
    failing_since: datetime | None
    next_try_at: datetime | None
    last_failure: FailureAnswer | None
    last_success_at: datetime | None


class SecretsAnswer(PartnerAnswer):
    """A partner with its secrets, which are shown this once.

    ``secret`` signs messages to it, ``receiving_secret`` those from it; null where there are none.
    """

    secret: str | None
    receiving_secret: str | None


class TriedAnswer(BaseModel):
    """What came of a test message."""

    arrived: bool
    took_ms: float
    failure: FailureAnswer | None


STATES: Final[dict[State, tuple[str, str]]] = {
    "off": ("已停用", "Switched off"),
    "paused": ("已暂停", "Paused"),
    "failing": ("推送失败，等待重试", "Failing, will be tried again"),
    "behind": ("推送中", "Catching up"),
    "current": ("已同步", "Up to date"),
}
"""In Chinese and English."""


@router.get("/api/partners")
async def list_partners(caller: Reader) -> list[PartnerAnswer]:
    """Return all partners by name, and how telling them goes."""
    async with caller.transaction() as connection:
        listed = await partners.list_partners(connection)
    async with caller.running.own.connect() as connection:
        return [PartnerAnswer(**await _told(connection, partner)) for partner in listed]


@router.post("/api/partners", status_code=201, responses=CONFLICT)
async def create_partner(caller: Manager, asked: NewPartnerRequest) -> SecretsAnswer:
    """Add a partner, which is told of what happens from now on; its secrets are shown this once."""
    wanted = await _wanted(caller, asked, asked.kind)
    secret, receiving = _secrets(asked.kind, asked.key, asked.organisation_id)
    async with caller.transaction() as connection:
        partner_id = await partners.add_partner(
            connection,
            caller.running.sealer,
            wanted,
            kind=asked.kind,
            secret=secret,
            receiving=receiving,
            by=caller.identity.name,
        )
        await _record(connection, caller, "created", partner_id, wanted)
    return await _with_secrets(caller, partner_id, None if asked.key else secret, receiving)


@router.put("/api/partners/{id}", responses=NOT_FOUND | CONFLICT)
async def change_partner(caller: Manager, partner_id: PartnerId, asked: PartnerRequest) -> PartnerAnswer:
    """Change a partner, where nobody else has meanwhile. One that is switched on begins with what is new."""
    async with caller.transaction() as connection:
        kind = (await partners.get_partner(connection, partner_id)).kind
    wanted = await _wanted(caller, asked, kind)
    async with caller.transaction() as connection:
        await partners.change_partner(
            connection, partner_id, wanted, version=asked.version, by=caller.identity.name
        )
        await _record(connection, caller, "changed", partner_id, wanted)
    return await _answer(caller, partner_id)


@router.post("/api/partners/{id}/secrets", responses=NOT_FOUND)
async def renew_secrets(caller: Manager, partner_id: PartnerId, asked: KeyRequest) -> SecretsAnswer:
    """Give a partner new secrets; the old ones hold no more. Pause it first, so that none is refused."""
    async with caller.transaction() as connection:
        partner = await partners.get_partner(connection, partner_id)
        secret, receiving = _secrets(partner.kind, asked.key, partner.organisation_id)
        await partners.set_secrets(
            connection,
            caller.running.sealer,
            partner_id,
            secret=secret,
            receiving=receiving,
            by=caller.identity.name,
        )
        await write(connection, caller.actor, Entry("partner.secrets_renewed", f"partner/{partner_id}"))
    return await _with_secrets(caller, partner_id, None if asked.key else secret, receiving)


@router.post("/api/partners/{id}/pause", responses=NOT_FOUND | CONFLICT)
async def pause_partner(caller: Manager, partner_id: PartnerId, asked: PauseRequest) -> PartnerAnswer:
    """Tell a partner nothing until it is resumed; what happens meanwhile waits for it."""
    async with caller.transaction() as connection:
        await partners.pause(connection, partner_id, by=caller.identity.name, reason=asked.reason)
        entry = Entry("partner.paused", f"partner/{partner_id}", reason=asked.reason)
        await write(connection, caller.actor, entry)
    return await _answer(caller, partner_id)


@router.post("/api/partners/{id}/resume", responses=NOT_FOUND | CONFLICT)
async def resume_partner(caller: Manager, partner_id: PartnerId) -> PartnerAnswer:
    """Tell a partner again, beginning with what waited."""
    async with caller.transaction() as connection:
        await partners.resume(connection, partner_id)
        await write(connection, caller.actor, Entry("partner.resumed", f"partner/{partner_id}"))
    return await _answer(caller, partner_id)


@router.post("/api/partners/{id}/again", responses=NOT_FOUND)
async def send_again(caller: Manager, partner_id: PartnerId, asked: AgainRequest) -> PartnerAnswer:
    """Tell a partner again of everything from a number of the journal on, by the same ids."""
    async with caller.transaction() as connection:
        await partners.send_again(connection, partner_id, asked.from_sequence)
        entry = Entry("partner.sent_again", f"partner/{partner_id}", detail=asked.model_dump())
        await write(connection, caller.actor, entry)
    return await _answer(caller, partner_id)


@router.post("/api/partners/{id}/test", responses=NOT_FOUND)
async def try_partner(caller: Manager, partner_id: PartnerId) -> TriedAnswer:
    """Send a message that is about no case, and say what came of it; whoever asks waits for the partner."""
    async with caller.transaction() as connection:
        await partners.get_partner(connection, partner_id)
        await write(connection, caller.actor, Entry("partner.tried", f"partner/{partner_id}"))
    async with caller.running.own.connect() as connection:
        partner = await partners.find_with_secrets(connection, partner_id)
    if partner is None:
        raise NotFoundError("there is no such partner", where="id")
    begun = datetime.now(UTC)
    async with caller.running.exchange.way_to(partner) as way:
        failed = await way.try_out()
    now = datetime.now(UTC)
    return TriedAnswer(
        arrived=failed is None,
        took_ms=round((now - begun).total_seconds() * 1e3, 1),
        failure=None if failed is None else _failure(failed.failure, failed.status, now),
    )


async def _wanted(caller: Caller, asked: _Settings, kind: str) -> Wanted:
    if kind == "open311" and not asked.service_codes:
        raise InvalidError("a partner that speaks Open311 has services", where="service_codes")
    if kind == "open311" and "?" in asked.address:
        raise InvalidError("the address of an interface has no ?", where="address")
    if kind != "open311" and (asked.service_codes is not None or asked.jurisdiction is not None):
        raise InvalidError("only a partner that speaks Open311 has this", where="service_codes, jurisdiction")
    # Who manages the system sees no areas: the server's own hand looks.
    async with caller.running.own.connect() as connection:
        scope = await partners.scope_of(connection, asked.area_code)
    fields = asked.model_dump(exclude={"kind", "key", "version"}) | {"address": read_address(asked.address)}
    return Wanted(**fields, scope=scope)


def _secrets(kind: str, key: str | None, organisation_id: int | None) -> tuple[str, str | None]:
    """Return what we sign with, or are known by; and what a partner with an organisation signs with."""
    if kind == "open311":
        if key is None:
            raise InvalidError("a partner that speaks Open311 gives a key", where="key")
        return key, None
    if key is not None:
        raise InvalidError("this partner gets its secret from us", where="key", hint="leave it out")
    return signing.new_secret(), None if organisation_id is None else signing.new_secret()


async def _record(
    connection: AsyncConnection, caller: Caller, what: str, partner_id: UUID, wanted: Wanted
) -> None:
    detail = {
        name: getattr(wanted, name)
        for name in ("name", "address", "area_code", "categories", "events", "organisation_id", "active")
    }
    await write(connection, caller.actor, Entry(f"partner.{what}", f"partner/{partner_id}", detail=detail))


async def _answer(caller: Caller, partner_id: UUID) -> PartnerAnswer:
    return PartnerAnswer(**await _shown(caller, partner_id))


async def _with_secrets(
    caller: Caller, partner_id: UUID, secret: str | None, receiving: str | None
) -> SecretsAnswer:
    return SecretsAnswer(**await _shown(caller, partner_id), secret=secret, receiving_secret=receiving)


async def _shown(caller: Caller, partner_id: UUID) -> dict[str, Any]:
    async with caller.transaction() as connection:
        partner = await partners.get_partner(connection, partner_id)
    async with caller.running.own.connect() as connection:
        return await _told(connection, partner)


async def _told(connection: AsyncConnection, partner: Partner) -> dict[str, Any]:
    """Return a partner as it is shown, asked as the server's own hand: it counts events of cases."""
    newest = await journal.newest(connection)
    waiting = await owing.count_waiting(connection, partner, newest) if partner.active else 0
    state = _state(partner, waiting)
    zh, en = STATES[state]
    failure = None
    if partner.last_error is not None and partner.last_error_at is not None:
        failure = _failure(Failure(partner.last_error), partner.last_status, partner.last_error_at)
    shown = {name: getattr(partner, name) for name in PartnerAnswer.model_fields if hasattr(partner, name)}
    return shown | {
        "state": state,
        "state_name": Names(zh=zh, en=en),
        "sent_to": newest if partner.active and not waiting else partner.sent_seq,
        "newest": newest,
        "waiting": waiting,
        "parked": await owing.count_parked(connection, partner),
        "last_failure": failure,
    }


def _state(partner: Partner, waiting: int) -> State:
    if not partner.active:
        return "off"
    if partner.paused_at is not None:
        return "paused"
    if partner.failing_since is not None:
        return "failing"
    return "behind" if waiting else "current"


def _failure(failure: Failure, status: int | None, at: datetime) -> FailureAnswer:
    zh, en = FAILURE_WORDS[failure]
    more = "" if status is None else f" ({status})"
    return FailureAnswer(failure=failure.value, zh=zh + more, en=en + more, status=status, at=at)
