"""Hold who somebody is: sealed, with the masked forms beside it that lists may show."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import CheckConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from twin.model.base import Base, Now

_ITEMS = ("name", "phone", "identity_number", "address", "email")


class Person(Base):
    """Who reported cases, or the phone of a worker; one row for each time somebody said who they are.

    Rows of the same phone are not joined: a family shares one. Whoever files a case decides whether it is
    the same person (`Case.reporter_id`). The number is made by the writer, because what is sealed is bound
    to it. ``phone_index`` is what equal phones share; without the key nobody can turn it back. ``address``
    is where the person is to be found, room included.
    """

    __tablename__ = "person"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    name_masked: Mapped[str | None]
    phone_masked: Mapped[str | None]
    identity_number_masked: Mapped[str | None]
    address_masked: Mapped[str | None]
    email_masked: Mapped[str | None]
    name_sealed: Mapped[bytes | None]
    phone_sealed: Mapped[bytes | None]
    identity_number_sealed: Mapped[bytes | None]
    address_sealed: Mapped[bytes | None]
    email_sealed: Mapped[bytes | None]
    phone_index: Mapped[bytes | None] = mapped_column(index=True)
    created_at: Mapped[Now]
    simulated: Mapped[bool] = mapped_column(server_default=text("false"))

    __table_args__ = (
        *(
            CheckConstraint(f"({item}_masked IS NULL) = ({item}_sealed IS NULL)", name=f"{item}_both")
            for item in _ITEMS
        ),
        # Whatever a writer forgets: a whole number is no masked form.
        CheckConstraint(
            "concat_ws(' ', name_masked, phone_masked, identity_number_masked) !~ '[0-9]{8}'",
            name="masked",
        ),
        CheckConstraint(
            "(phone_index IS NULL) = (phone_sealed IS NULL) AND octet_length(phone_index) = 32",
            name="phone_index",
        ),
    )
