"""Invent who reports and whom one can call: numbers that nobody has, marked as simulated."""

from __future__ import annotations

from typing import Final
from uuid import UUID, uuid5

from sqlalchemy import Connection, text

from twin.access.masking import check_sign
from twin.access.persons import COLUMNS, STORE, Person, sealed_row
from twin.access.sealing import Sealer

_NAMESPACE: Final = UUID("6f1d6b0e-5d0c-4c1e-9a59-3b0a4a2d7c11")
_PHONES: Final = 10_000

# Sealed anew each time, so that a city of an old key is of the new one after a start.
_STORE_AGAIN: Final = text(
    f"{STORE.text} ON CONFLICT (id) DO UPDATE SET "
    + ", ".join(f"{column} = excluded.{column}" for column in COLUMNS if column != "id")
)


def phone_of(number: int) -> str:
    """Return a mobile number of 154-0000-xxxx: no operator was ever given 154."""
    return f"1540000{number % _PHONES:04d}"


def identity_number_of(number: int) -> str:
    """Return an identity number of 990000, which is no district, with the right check sign."""
    digits = f"990000{1950 + number % 50}{1 + number % 12:02d}{1 + number % 28:02d}{number % 1000:03d}"
    return digits + check_sign(digits)


def store_person(connection: Connection, sealer: Sealer, ref: str, person: Person) -> UUID:
    """Store the simulated person of ``worker/SIM-W-001``; return their number, which is always the same."""
    made = uuid5(_NAMESPACE, ref)
    connection.execute(_STORE_AGAIN, sealed_row(sealer, made, person, simulated=True))
    return made
