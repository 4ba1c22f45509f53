from __future__ import annotations

import json

import psycopg
import pytest
from typer.testing import CliRunner

from api.cli.__main__ import make_app
from twin.errors import ConflictError, InvalidError, NotFoundError

pytestmark = pytest.mark.postgis
STREET = "510105001000000"


@pytest.fixture
def fresh(database, install_devices):
    made = database.fresh()
    install_devices(made, {"level-1": "water_level"})
    with psycopg.connect(made.url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(
            "INSERT INTO area (dataset_id, source_ref, content_hash, code, level, name, geom, label_point, "
            f"  made_by, area_m2, code_source) SELECT 1, 's', '\\x00', '{STREET}', 'street', '西御河街道', "
            "  ST_Multi(g), ST_Centroid(g), 'imported', 1, 'provisional' "
            "  FROM ST_MakeEnvelope(104, 30, 104.1, 30.1, 4326) AS g"
        )
    return made


@pytest.fixture
def cli(fresh, tmp_path):
    """Run a command on the database; give what it answers, raise what it raises."""

    def run(*arguments: str):
        where = ["--database-url", fresh.url, "--data-dir", str(tmp_path), "--json"]
        done = CliRunner().invoke(make_app(), [*arguments, *where])
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout.splitlines()[0])

    return run


def test_accounts_are_made_replaced_and_closed_on_the_record(cli, fresh) -> None:
    first, second = cli("device", "token", "level-1"), cli("device", "token", "level-1")
    assert (first["user_name"], second["user_name"]) == ("level-1", "level-1.2")
    gateway = cli("gateway", "add", "street-gw", "--area", STREET)
    cli("gateway", "token", "street-gw")
    cli("gateway", "disable", "street-gw")
    with psycopg.connect(fresh.url.replace("+psycopg", "")) as connection:
        low_high = connection.execute("SELECT low, high FROM publisher WHERE name = 'street-gw'").fetchone()
        acts = connection.execute("SELECT action, object, detail::text FROM audit ORDER BY seq").fetchall()
    assert low_high == (510105001000000, 510105001999999)
    assert [(action, what) for action, what, _ in acts] == [
        ("publisher.created", "publisher/level-1"),
        ("publisher.secret_made", "publisher/level-1"),
        ("publisher.created", "publisher/street-gw"),
        ("publisher.secret_made", "publisher/street-gw"),
        ("publisher.disabled", "publisher/street-gw"),
    ]
    assert not any(token["password"] in str(acts) for token in (first, second, gateway))


def test_device_is_closed_listed_and_opened_again_with_the_secret_it_had(cli, fresh) -> None:
    cli("device", "token", "level-1")
    cli("gateway", "add", "street-gw", "--area", STREET)
    with pytest.raises(NotFoundError, match="no closed account"):
        cli("device", "enable", "level-1")
    with pytest.raises(NotFoundError, match="no open account of a device"):
        cli("device", "disable", "street-gw")
    cli("device", "disable", "level-1")
    with pytest.raises(NotFoundError):
        cli("device", "disable", "level-1")
    [closed] = cli("device", "list")["publishers"]
    assert (closed["name"], closed["secrets"], closed["disabled_at"] is None) == ("level-1", 1, False)
    cli("device", "enable", "level-1")
    [opened] = cli("device", "list")["publishers"]
    assert (opened["secrets"], opened["disabled_at"]) == (1, None)
    [gateway] = cli("gateway", "list")["publishers"]
    assert (gateway["name"], gateway["low"], gateway["high"]) == (
        "street-gw",
        510105001000000,
        510105001999999,
    )
    with psycopg.connect(fresh.url.replace("+psycopg", "")) as connection:
        acts = connection.execute("SELECT action FROM audit WHERE object = 'publisher/level-1' ORDER BY seq")
        assert [action for (action,) in acts] == [
            "publisher.created",
            "publisher.disabled",
            "publisher.enabled",
        ]


def test_what_cannot_be_is_said_and_leaves_nothing(cli, fresh) -> None:
    with pytest.raises(NotFoundError, match="no device"):
        cli("device", "token", "nobody-1")
    with pytest.raises(InvalidError, match="no present area"):
        cli("gateway", "add", "street-gw", "--area", "999999999999999")
    with pytest.raises(NotFoundError):
        cli("gateway", "disable", "street-gw")
    cli("gateway", "add", "street-gw")
    with pytest.raises(ConflictError):
        cli("gateway", "add", "street-gw")
    with psycopg.connect(fresh.url.replace("+psycopg", "")) as connection:
        assert connection.execute("SELECT count(*) FROM publisher").fetchone() == (1,)
        assert connection.execute("SELECT count(*) FROM audit").fetchone() == (1,)
