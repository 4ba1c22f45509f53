"""Hold who may publish at the broker."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, SmallInteger
from sqlalchemy.orm import Mapped, mapped_column

from twin.model.base import Base, Now


class Publisher(Base):
    """A device (by its uid) or a gateway (by its name) that signs in to the broker.

    A gateway reports for devices whose ``scope_code`` lies from ``low`` to ``high``.
    """

    __tablename__ = "publisher"

    name: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str]
    low: Mapped[int] = mapped_column(BigInteger)
    high: Mapped[int] = mapped_column(BigInteger)
    created_at: Mapped[Now]
    disabled_at: Mapped[datetime | None]

    __table_args__ = (
        CheckConstraint("name ~ '^[0-9A-Za-z_-]{4,64}$'", name="name"),
        CheckConstraint("kind IN ('device', 'gateway')", name="kind"),
        CheckConstraint("0 <= low AND low <= high AND high <= 999999999999999", name="codes"),
    )


class PublisherSecret(Base):
    """One of the two secrets a publisher may have at once, so that one can be replaced without a gap.

    ``secret_hash`` is the SHA-256 of the token, ``mqtt_hash`` what mosquitto's password file wants.
    """

    __tablename__ = "publisher_secret"

    publisher: Mapped[str] = mapped_column(ForeignKey("publisher.name", ondelete="CASCADE"), primary_key=True)
    slot: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    secret_hash: Mapped[bytes] = mapped_column(unique=True)
    mqtt_hash: Mapped[str]
    made_at: Mapped[Now]
    valid_to: Mapped[datetime | None]

    __table_args__ = (
        CheckConstraint("slot IN (1, 2)", name="slot"),
        CheckConstraint("octet_length(secret_hash) = 32", name="secret_hash"),
        CheckConstraint("mqtt_hash ~ '^[$]7[$][0-9A-Za-z+/=$]+$'", name="mqtt_hash"),
    )
