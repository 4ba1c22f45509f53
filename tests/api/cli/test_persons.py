"""Somebody who reported asks to be forgotten: the command line erases them, on the record."""

from __future__ import annotations

import json
from uuid import uuid4

import psycopg
import pytest
from typer.testing import CliRunner

from api.cli.__main__ import make_app
from twin.access.persons import COLUMNS, Person, sealed_row
from twin.access.sealing import open_sealer
from twin.errors import InvalidError, NotFoundError

pytestmark = pytest.mark.postgis

PHONE = "15400001234"


@pytest.fixture
def reported(database, tmp_path):
    """A database in which three cases were reported, two of them by the same phone; and its command."""
    fresh = database.fresh()
    (tmp_path / "secrets").mkdir(mode=0o700)
    sealer = open_sealer(tmp_path / "secrets")
    with psycopg.connect(fresh.url.replace("+psycopg", ""), autocommit=True) as connection:
        for number, phone in (("A-1", PHONE), ("A-2", "+86 154 0000 1234"), ("A-3", "15400005678")):
            row = sealed_row(sealer, uuid4(), Person("张三丰", phone))
            values = ", ".join(f"%({column})s" for column in COLUMNS)
            connection.execute(f"INSERT INTO person ({', '.join(COLUMNS)}) VALUES ({values})", row)
            connection.execute(
                "INSERT INTO case_file (number, title, category_code, source, geom, reporter_id) "
                "VALUES (%s, '漏水', '01101', 'hotline', 'SRID=4326;POINT(104 30)', %s)",
                [number, row["id"]],
            )

    def erase(*arguments: str, given: str = "") -> int:
        where = ["--database-url", fresh.url, "--data-dir", str(tmp_path), "--json"]
        command = ["person", "erase", *arguments, "--reason", "本人电话申请", *where]
        done = CliRunner().invoke(make_app(), command, input=given)
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        assert done.exit_code == 0, done.output
        assert PHONE not in done.output
        return int(json.loads(done.stdout.splitlines()[-1])["erased"])

    def left() -> list[str]:
        with psycopg.connect(fresh.url.replace("+psycopg", "")) as connection:
            rows = connection.execute(
                "SELECT number FROM case_file JOIN person ON person.id = reporter_id ORDER BY number"
            ).fetchall()
            assert connection.execute("SELECT count(*) FROM case_file").fetchone() == (3,)
        return [row[0] for row in rows]

    return erase, left


def test_the_reporter_of_one_case_is_erased(reported) -> None:
    erase, left = reported
    assert erase("--case", "A-3") == 1
    assert left() == ["A-1", "A-2"]
    with pytest.raises(NotFoundError):
        erase("--case", "A-3")


def test_everybody_of_a_phone_is_erased_and_the_phone_is_no_argument(reported) -> None:
    erase, left = reported
    assert erase("--phone", given=f"{PHONE}\n") == 2
    assert left() == ["A-3"]


def test_neither_nothing_nor_a_part_of_a_phone_erases_anybody(reported) -> None:
    erase, left = reported
    for arguments, given in (((), ""), (("--case", "A-1", "--phone"), PHONE), (("--phone",), "1234")):
        with pytest.raises(InvalidError):
            erase(*arguments, given=f"{given}\n")
    assert left() == ["A-1", "A-2", "A-3"]
