"""Keep who somebody is: seal it where it is written, open it on the record, erase it in time.

Rows of ``person`` hold what is sealed beside its masked forms. The role that answers requests reads the
masked forms only; what is sealed it gets from functions of the database, which ask where the caller may
reveal persons and put the act on the record in the same transaction. The key is here and never there.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import RowMapping, TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from twin.access.masking import mask_address, mask_email, mask_identity_number, mask_name, mask_phone
from twin.access.record import SERVER, Actor, Entry, of_actor, write
from twin.access.sealing import Sealer
from twin.errors import InvalidError, NotFoundError, TooManyError

REVEALS_PER_HOUR: Final = 30
"""Of one account. Who calls people back needs a few; more is a dump."""

SEARCHES_PER_HOUR: Final = 60
"""By a whole phone number: four hidden digits are not tried out in a day, nor unnoticed."""

_LEAST_DIGITS, _MOST_DIGITS = 7, 15
_LONGEST: Final = 500
_WRITTEN: Final = re.compile(r"[0-9\s()+./-]*")
_EXTENSION: Final = re.compile(r"转|分机|ext|#", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Person:
    """Who somebody is, as it was told; None where it was not."""

    name: str | None = None
    phone: str | None = None
    identity_number: str | None = None
    address: str | None = None
    email: str | None = None


ITEMS: Final = tuple(field.name for field in fields(Person))

_MASKS: Final = {
    "name": mask_name,
    "phone": mask_phone,
    "identity_number": mask_identity_number,
    "address": mask_address,
    "email": mask_email,
}
COLUMNS: Final = (
    "id",
    "simulated",
    "phone_index",
    *(f"{item}_{form}" for item in ITEMS for form in ("masked", "sealed")),
)

STORE: Final[TextClause] = text(
    f"INSERT INTO person ({', '.join(COLUMNS)}) VALUES ({', '.join(f':{column}' for column in COLUMNS)})"
)
"""Store the values of `sealed_row`; whatever the person belongs to names the row in the same transaction."""

_REVEAL: Final = text(
    "SELECT * FROM reveal_person(:person, :most, :actor, :account_id, :roles, :address, :object, :reason, "
    "CAST(:detail AS jsonb))"
)
_RECORD: Final = text(
    "SELECT record_within(:most, :actor, :account_id, :roles, :address, 'person.revealed', :object, :reason, "
    "CAST(:detail AS jsonb))"
)
_FIND: Final = text(
    "SELECT * FROM find_reported(:phone, :most, :actor, :account_id, :roles, :address, "
    "CAST(:detail AS jsonb))"
)
# A worker's phone goes with the worker.
_ERASE: Final = text(
    "DELETE FROM person AS p WHERE (phone_index = CAST(:phone AS bytea) "
    "OR id IN (SELECT reporter_id FROM case_file WHERE number = CAST(:number AS text))) "
    "AND NOT EXISTS (SELECT FROM worker AS w WHERE w.person_id = p.id)"
)
_EXPIRE: Final = text("SELECT expire_persons(:before)")


def normal_phone(phone: str) -> str:
    """Return the digits that equal numbers share: +86 138-1234-1234 and 13812341234 are the same.

    Raises
    ------
    InvalidError
        It is no whole number: fewer than 7 or more than 15 digits, or other signs among them.
    """
    main = _EXTENSION.split(unicodedata.normalize("NFKC", phone), maxsplit=1)[0]
    digits = re.sub(r"[^0-9]", "", main)
    digits = re.sub(r"^(?:00)?86(?=1[3-9][0-9]{9}$|0[0-9]{9,11}$)", "", digits)
    if not (_WRITTEN.fullmatch(main) and _LEAST_DIGITS <= len(digits) <= _MOST_DIGITS):
        raise InvalidError(
            "this is no whole phone number", where="phone", hint="write all of its digits, area code included"
        )
    return digits


def sealed_row(sealer: Sealer, person_id: UUID, person: Person, *, simulated: bool = False) -> dict[str, Any]:
    """Return the values of `STORE`: each item sealed for this row and masked; blank items are left out.

    Raises
    ------
    InvalidError
        Nothing is told of the person, an item is too long, or the phone is no whole number.
    """
    row: dict[str, Any] = {"id": person_id, "simulated": simulated, "phone_index": None}
    told = 0
    for item in ITEMS:
        value = (getattr(person, item) or "").strip()
        if len(value) > _LONGEST or "\x00" in value:
            raise InvalidError(
                f"this cannot be kept of a person ({len(value)} letters)",
                where=item,
                hint=f"write at most {_LONGEST} letters",
            )
        row[f"{item}_masked"] = row[f"{item}_sealed"] = None
        if value:
            told += 1
            shown = normal_phone(value) if item == "phone" else value
            row[f"{item}_masked"] = _MASKS[item](shown)
            row[f"{item}_sealed"] = sealer.seal(value, _place(item, person_id))
            if item == "phone":
                row["phone_index"] = sealer.index(shown)
    if not told:
        raise InvalidError("nothing is told of this person", where="person", hint="give a name or a phone")
    return row


@dataclass(frozen=True, slots=True)
class Revealed:
    """What became of a reveal or a search. Ask `told` after the transaction is committed.

    A refusal is on the record too, and an error inside the transaction would take it back.
    """

    wait_s: int
    value: Any

    def told(self) -> Any:
        """Return what was found.

        Raises
        ------
        TooManyError
            The account did it too often in the last hour.
        """
        if self.wait_s:
            raise TooManyError(
                "this account has looked at as many persons as it may in an hour",
                wait_s=self.wait_s,
                hint=f"wait {self.wait_s} s; whoever needs more asks the administrator of the area",
            )
        return self.value


async def reveal(
    connection: AsyncConnection,
    sealer: Sealer,
    actor: Actor,
    person_id: UUID | None,
    *,
    about: str,
    items: Sequence[str],
    reason: str,
) -> Revealed:
    """Open what is known of a person, and put that on the record in the same transaction.

    Parameters
    ----------
    connection
        Of the caller (`twin.store.scoped`): the database reveals only where the caller may.
    person_id
        None where nothing is sealed of somebody whose name is revealed: then only the record is written.
    about
        What the record calls it: ``case/12``, ``worker/3``.
    items
        Names of what is revealed, for the record.
    reason
        Why; on the record.

    Returns
    -------
    Revealed
        Of a `Person`.

    Raises
    ------
    InvalidError
        There is no reason.
    NotFoundError
        There is nobody of this number whom the caller may reveal.
    SetupError
        It was sealed with another key, or in another row.
    """
    why = reason.strip()
    if not why:
        raise InvalidError("a person is revealed for a reason", where="reason", hint="say what it is for")
    values = {
        "most": REVEALS_PER_HOUR,
        **of_actor(actor),
        "object": about,
        "reason": why,
        "detail": json.dumps({"fields": list(items)}),
    }
    if person_id is None:
        return Revealed(int((await connection.execute(_RECORD, values)).scalar_one()), Person())
    row = (await connection.execute(_REVEAL, {**values, "person": person_id})).mappings().first()
    if row is None:
        raise NotFoundError("there is nobody here whom you may reveal", where=about)
    return Revealed(row["wait_s"], _opened(sealer, person_id, row))


async def find_cases(connection: AsyncConnection, sealer: Sealer, actor: Actor, phone: str) -> Revealed:
    """Return the numbers (``id``) of the cases that a phone reported, the newest first, on the record.

    Only the whole number finds them, and only where the caller may reveal persons.

    Raises
    ------
    InvalidError
        It is no whole phone number.
    """
    digits = normal_phone(phone)
    values = {
        "most": SEARCHES_PER_HOUR,
        **of_actor(actor),
        "phone": sealer.index(digits),
        "detail": json.dumps({"phone": mask_phone(digits)}),
    }
    row = (await connection.execute(_FIND, values)).one()
    return Revealed(row.wait_s, list(row.cases))


async def erase(
    connection: AsyncConnection,
    sealer: Sealer,
    actor: Actor,
    *,
    reason: str,
    number: str | None = None,
    phone: str | None = None,
) -> int:
    """Delete who reported the case of a number, or everybody who reported by a phone; the cases stay.

    Parameters
    ----------
    connection
        Of the owner of the database.
    number, phone
        One of the two.
    reason
        Who asked for it; on the record.

    Returns
    -------
    int
        How many persons were deleted, at least one.

    Raises
    ------
    NotFoundError
        Nobody is known of this case or phone.
    InvalidError
        It is no whole phone number, or not one of the two is given.
    """
    if (number is None) == (phone is None):
        raise InvalidError("say whom to erase", where="person", hint="by the number of a case or by a phone")
    digits = None if phone is None else normal_phone(phone)
    index = None if digits is None else sealer.index(digits)
    deleted = (await connection.execute(_ERASE, {"number": number, "phone": index})).rowcount
    about = "phone" if number is None else f"case {number}"
    if not deleted:
        raise NotFoundError("nobody is kept who reported this", where=about)
    told = {} if digits is None else {"phone": mask_phone(digits)}
    entry = Entry("person.erased", about, reason=reason, detail={"persons": deleted, **told})
    await write(connection, actor, entry)
    return deleted


async def expire(engine: AsyncEngine, days: float) -> int:
    """Delete persons whose last case was closed longer ago than this, on the record; return how many.

    Parameters
    ----------
    engine
        Signed in as the server's own hand.
    days
        Days after the last case was closed. Nobody with an open case is deleted, and no worker.
    """
    async with engine.begin() as connection:
        before = datetime.now(UTC) - timedelta(days=days)
        deleted = int((await connection.execute(_EXPIRE, {"before": before})).scalar_one())
        if deleted:
            entry = Entry("person.expired", "persons", detail={"persons": deleted, "days": days})
            await write(connection, SERVER, entry)
    return deleted


def _opened(sealer: Sealer, person_id: UUID, row: RowMapping) -> Person:
    sealed = {item: row[f"{item}_sealed"] for item in ITEMS}
    return Person(
        **{
            item: None if value is None else sealer.open(value, _place(item, person_id))
            for item, value in sealed.items()
        }
    )


def _place(item: str, person_id: UUID) -> str:
    return f"person.{item}/{person_id}"
