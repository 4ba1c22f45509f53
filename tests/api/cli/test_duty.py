from __future__ import annotations

import json

import psycopg
import pytest
from typer.testing import CliRunner

from api.cli.__main__ import make_app
from twin.errors import ConflictError, InvalidError, NotFoundError

pytestmark = pytest.mark.postgis


@pytest.fixture
def fresh(database):
    made = database.fresh()
    with psycopg.connect(made.url.replace("+psycopg", "")) as connection:
        connection.execute("INSERT INTO worker (code, name) VALUES ('WG-0001', '周小明')")
    return made


@pytest.fixture
def cli(fresh, tmp_path):
    """Run a command on the database; give what it answers, raise what it raises."""

    def run(*arguments: str, as_json: bool = True):
        where = ["--database-url", fresh.url, "--data-dir", str(tmp_path), *(["--json"] if as_json else [])]
        done = CliRunner().invoke(make_app(), [*arguments, *where])
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout.splitlines()[0]) if as_json else done.stdout

    return run


def test_duty_of_a_worker_is_begun_listed_and_ended_on_the_record(cli, fresh) -> None:
    with pytest.raises(InvalidError, match="consent"):
        cli("duty", "begin", "WG-0001")
    with pytest.raises(NotFoundError, match="no worker"):
        cli("duty", "begin", "WG-9999", "--consent")
    begun = cli("duty", "begin", "WG-0001", "--consent", "--hours", "8")
    with pytest.raises(ConflictError, match="another duty"):
        cli("duty", "begin", "WG-0001", "--consent")
    assert cli("duty", "list", "WG-0001")["duties"] == [begun]
    ended = cli("duty", "end", "WG-0001", "--reason", "交接")
    assert (ended["ended_by"], ended["end_reason"]) == ("command line", "交接")
    with pytest.raises(NotFoundError, match="not on duty"):
        cli("duty", "end", "WG-0001")
    assert "ended by command line: 交接" in cli("duty", "list", "WG-0001", as_json=False)
    with psycopg.connect(fresh.url.replace("+psycopg", "")) as connection:
        acts = connection.execute("SELECT action, actor, reason FROM audit ORDER BY seq").fetchall()
        on_duty = connection.execute("SELECT on_duty FROM worker").fetchone()
    assert acts == [("duty.begun", "command line", ""), ("duty.ended", "command line", "交接")]
    assert on_duty == (False,)


def test_account_of_a_worker_is_made_by_the_code_of_the_worker(cli, fresh) -> None:
    with pytest.raises(NotFoundError, match="no worker"):
        cli("user", "add", "zhou", "--worker", "WG-9999")
    cli("user", "add", "zhou", "--worker", "WG-0001")
    with psycopg.connect(fresh.url.replace("+psycopg", "")) as connection:
        found = connection.execute("SELECT code FROM worker JOIN account ON worker_id = worker.id").fetchall()
    assert found == [("WG-0001",)]
