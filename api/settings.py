"""Read the settings: command line first, then the environment (``GRIDTWIN_...``), then the defaults."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path
from typing import Any

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from ingest.cameras.address import DEFAULT_RANGES
from ingest.flood import PUBLISHER_RATE
from ingest.transports.broker import BrokerAddress, read_address
from twin.address_ranges import PUBLIC
from twin.errors import InvalidError
from twin.store.cluster import PrivateCluster

PREFIX = "GRIDTWIN_"
LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
"""What this machine calls itself."""


def default_data_dir() -> Path:
    """Give the folder for data: ``/var/lib/gridtwin`` for root, else the user's own data folder."""
    if os.geteuid() == 0:
        # Not below /root: the account PostgreSQL runs under could not enter.
        return Path("/var/lib/gridtwin")
    base = os.environ.get("XDG_DATA_HOME", "")
    return (Path(base) if base.startswith("/") else Path.home() / ".local" / "share") / "gridtwin"


class Settings(BaseSettings):
    """All settings of a running GridTwin; made once, inside the command line or ``create_app``'s caller."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="ignore", validate_default=True)

    data_dir: Path = Field(default_factory=default_data_dir)
    """Folder of the database, the broker, logs and fetched files."""
    database_url: SecretStr | None = None
    """A PostGIS that somebody else runs; None runs a private one in ``data_dir``."""
    host: str = Field(default="127.0.0.1", min_length=1)
    """Address the web server listens on."""
    port: int = Field(default=8000, ge=1, le=65535)
    """Port of the web server."""
    mqtt_port: int | None = Field(default=None, ge=1, le=65535)
    """Port of the private broker; None takes the last one used, the usual one, or a free one."""
    devices: int | None = Field(default=None, ge=0, le=200_000)
    """Number of simulated devices; None lets the city decide."""
    simulator: bool = False
    """Whether a simulator is expected to run; only for the health report."""
    tracks_days: float | None = Field(default=None, gt=0, le=3650, allow_inf_nan=False)
    """Days after which what trackers of workers observed is deleted; None: as data/retention.toml says."""
    duty_hours: float = Field(default=12.0, gt=0, le=24, allow_inf_nan=False)
    """Hours after which a worker's duty ends by itself, if not sooner."""
    persons_days: float = Field(default=180.0, gt=0, le=3650, allow_inf_nan=False)
    """Days after the last case of a person was closed, after which who they are is erased.

    The handling of a case may go to court for six months (行政诉讼法 46)."""
    resident_link_days: float = Field(default=90.0, gt=0, le=3650, allow_inf_nan=False)
    """Days after the end of a case for which the link of whoever reported it still shows it."""
    export_rows: int = Field(default=50_000, ge=1, le=1_000_000)
    """Most rows of one export; a larger one is refused, never cut."""
    session_idle_min: float = Field(default=30.0, gt=0, le=720, allow_inf_nan=False)
    """Minutes in which no person does anything after which a session is over."""
    publisher_rate: float = Field(default=PUBLISHER_RATE, ge=1, le=1e9, allow_inf_nan=False)
    """Readings a second that one gateway may send for long; what is beyond is refused."""
    camera_ranges: str = DEFAULT_RANGES
    """Ranges of addresses, parted by commas, in which cameras are asked for pictures; no others ever are."""
    partner_ranges: str = PUBLIC
    """Ranges of addresses, parted by commas, at which partners are told of cases; ``public`` is the internet.

    Plain http is spoken only to ranges that are written down."""
    camera_probe_s: float = Field(default=60.0, ge=0, le=86_400, allow_inf_nan=False)
    """Seconds in which each camera is asked once whether it has a picture; 0: only those that are watched."""
    allowed_hosts: str = ""
    """Further names, parted by commas, a server that listens on this machine only may be called by."""
    oidc_issuer: str = ""
    """Identity provider of the staff (OpenID Connect); empty where people sign in with passwords only."""
    oidc_client_id: str = ""
    """What the identity provider knows this installation by."""
    oidc_client_secret: SecretStr = SecretStr("")
    """The secret that goes with it."""
    open311_jurisdiction: str = Field(default="", max_length=100)
    """What apps of residents call this place (``jurisdiction_id``); empty takes whatever they call it."""
    open311_contact: str = Field(default="", max_length=500)
    """Whom the makers of such apps ask for a key; told in the discovery document."""
    trusted_proxies: str = ""
    """Addresses, parted by commas, of proxies that are believed who asks and whether by https."""
    web_dir: Path = Path(__file__).resolve().parents[1] / "web" / "dist"
    """Folder of the built web pages."""
    log_level: str = "warning"
    """Level of the server's log."""

    @property
    def longest_duty(self) -> timedelta:
        """Time after which a worker's duty ends by itself."""
        return timedelta(hours=self.duty_hours)

    @property
    def host_names(self) -> frozenset[str]:
        """Names that requests may call the server by; empty where it listens to other machines too."""
        if self.host not in LOOPBACK_NAMES:
            return frozenset()
        further = {name.strip().lower() for name in self.allowed_hosts.split(",")} - {""}
        return LOOPBACK_NAMES | further

    @property
    def database_url_text(self) -> str:
        """The database's URL as plain text.

        A private cluster must be running already (``up`` or ``serve`` started it).

        Raises
        ------
        UnavailableError
            There is no URL, and no private database runs in ``data_dir``.
        """
        if self.database_url is not None:
            return self.database_url.get_secret_value()
        return PrivateCluster.running_url(self.data_dir)

    @property
    def secrets_dir(self) -> Path:
        """Folder of the keys and passwords of this installation, made when it is asked for."""
        folder = self.data_dir.expanduser().absolute() / "secrets"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return folder

    @property
    def broker(self) -> BrokerAddress:
        """Where the broker is and how to sign in.

        Raises
        ------
        UnavailableError
            No broker was ever started for ``data_dir``.
        """
        return read_address(self.data_dir)


def read_settings(**given: Any) -> Settings:
    """Make the settings; what is None is taken from the environment or the default.

    Raises
    ------
    InvalidError
        A value is out of range; names the setting and its variable.
    """
    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        name = str(first["loc"][0]) if first["loc"] else "settings"
        option = "--" + name.replace("_", "-")
        raise InvalidError(
            f"{option}: {first['msg'][:1].lower()}{first['msg'][1:]}",
            where=option if name in given and given[name] is not None else PREFIX + name.upper(),
        ) from error
