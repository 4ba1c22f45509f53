"""The database takes reports from who may, where they may, and for nobody else."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from uuid import uuid4

import psycopg
import pytest

from tests.access.world import KEY, LAT, LON, STEP, grids
from twin.access.grants import grants_of
from twin.access.scope import Scope
from twin.access.sealing import Sealer
from twin.cases.reporting import Report, report_case, title_of
from twin.errors import ForbiddenError
from twin.store.roles import APP, role_url
from twin.store.scoped import scoped

pytestmark = pytest.mark.postgis

STREET = grids()[0][0][:9] + "000000"
REPORT = Report("积水", "Flooding", "06012", "patrol", LON + STEP / 2, LAT + STEP / 2)
ELSEWHERE = {"lon": LON + 80.5 * STEP}


async def report(engine, role: str, **changes: object) -> str:
    grants = grants_of([(role, Scope.of_area(STREET, "street"))])
    async with scoped(engine, grants) as connection:
        report = dataclasses.replace(REPORT, **changes)
        reported = await report_case(
            connection, Sealer(KEY), report, account_id=uuid4(), client_key=None, now=datetime.now(UTC)
        )
    return reported.number


@pytest.mark.parametrize(
    ("role", "source", "allowed"),
    [
        ("dispatcher", "patrol", True),
        ("dispatcher", "hotline", True),
        ("hotline_channel", "hotline", True),
        ("resident_channel", "resident", True),
        ("resident_channel", "patrol", False),
        ("operator", "patrol", True),
        ("worker", "patrol", True),
        ("worker", "hotline", False),
        ("planner", "resident", False),
    ],
)
async def test_who_files_what(engine, role, source, allowed):
    if allowed:
        assert await report(engine, role, source=source)
    else:
        with pytest.raises(ForbiddenError, match="outside the area"):
            await report(engine, role, source=source)
    with pytest.raises(ForbiddenError, match="outside the area"):
        await report(engine, role, source=source, **ELSEWHERE)


FORBIDDEN = {
    "reporting past the command": "INSERT INTO case_file (number, title, category_code, source, geom) "
    "VALUES ('x', 'x', '06010', 'resident', 'SRID=4326;POINT(104.0005 30.0005)')",
    "telling the journal": "INSERT INTO journal (seq, kind, subject, area_code, actor, data) "
    "SELECT journal_newest() + 1, 'case.filed', 'case/1', '510101001001001', 'me', '{}'",
    "reading who asks after it": "SELECT token_sha256 FROM case_report",
    "reading by which account it came": "SELECT account_id FROM case_report",
    "numbering": "UPDATE case_series SET last = 0",
    "changing what was said": "UPDATE case_report SET description = ''",
    "reporting elsewhere by the function": "SELECT "
    "report_case(current_date, 't', 't', '06010', 'resident', 3, "
    "104.0805, 30.0005, NULL, NULL, false, gen_random_uuid(), NULL, sha256('a'), gen_random_uuid(), "
    "sha256('b'), NULL, NULL, '{}', now(), now(), now())",
    "reporting as another by the function": "SELECT "
    "report_case(current_date, 't', 't', '06010', 'superior', 3, "
    "104.0005, 30.0005, NULL, NULL, false, gen_random_uuid(), NULL, sha256('a'), gen_random_uuid(), "
    "sha256('b'), NULL, NULL, '{}', now(), now(), now())",
}


@pytest.mark.parametrize("what", FORBIDDEN)
def test_a_channel_has_no_way_past_the_command(world_database, what):
    url = role_url(world_database.url, APP).replace("postgresql+psycopg://", "postgresql://")
    settings = grants_of([("resident_channel", Scope.of_area(STREET, "street"))]).settings()
    with psycopg.connect(url) as connection:
        for name, value in settings.items():
            connection.execute("SELECT set_config(%s, %s, true)", [f"gridtwin.{name}", value])
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(FORBIDDEN[what])


def test_a_title_is_masked_before_it_is_cut():
    words = "甲" * 33 + "13812341234 找我"
    assert "1381234" not in title_of("积水", words)
    assert title_of("积水", None) == "积水"
    assert title_of("积水", "  a\n b ") == "积水：a b"
