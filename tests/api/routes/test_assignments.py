"""Who could go to a case, and what they and their operators do about it, over HTTP."""

from __future__ import annotations

import pytest

from tests.api.routes.conftest import BESIDE, HERE, observe

pytestmark = [pytest.mark.postgis, pytest.mark.usefixtures("two_grids")]

RANKING = "/api/cases/1/ranking"


async def test_the_ranking_says_of_everybody_why(served, signed_in) -> None:
    served.sql("UPDATE case_file SET responsibility_grid_id = 4 WHERE id = 1")
    await observe(served, "worker-0001", [1.0], track=True)
    told = (await (await signed_in("operator", HERE)).get(RANKING)).json()
    assert told["policy"] == "ranked"
    first, other = told["workers"]
    assert (first["name"]["zh"], first["rank"], first["eligible"], first["own_grid"]) == (
        "周*",
        1,
        "yes",
        True,
    )
    assert first["way_s"] < 120
    assert first["why"]["zh"].startswith("步行 1 分")
    assert "owns the grid" in first["why"]["en"]
    assert (other["rank"], other["eligible"], other["way_s"]) == (None, "no", None)
    assert [reason["code"] for reason in other["reasons"]] == [
        "own_grid",
        "open_tasks",
        "off_duty",
        "position_unknown",
    ]
    assert (await (await signed_in("operator", BESIDE)).get(RANKING)).status_code == 404
    assert (await (await signed_in("planner", HERE)).get(RANKING)).status_code == 403


async def test_a_break_and_a_certificate_decide(served, signed_in) -> None:
    served.sql("UPDATE case_file SET responsibility_grid_id = 4 WHERE id = 1")
    served.sql("UPDATE worker SET skills = '[\"firefighting\"]' WHERE id = 1")
    await observe(served, "worker-0001", [1.0], track=True)
    operator = await signed_in("operator", HERE)
    gas = {"version": 1, "move": "correct", "category_code": "54003"}
    assert (await operator.post("/api/cases/1/acts", json=gas)).status_code == 200

    async def against() -> list[str]:
        (one,) = [w for w in (await operator.get(RANKING)).json()["workers"] if w["worker_id"] == 1]
        codes = [reason["code"] for reason in one["reasons"]]
        assert (one["rank"] is None) == (one["eligible"] == "no")
        return [code for code in codes if code in ("certificate", "break", "skill")]

    assert await against() == ["certificate"]
    await served.run_sql(
        "INSERT INTO certificate (worker_id, skill, valid_from, valid_to) "
        "VALUES (1, 'firefighting', current_date - 9, current_date - 1)"
    )
    assert await against() == ["certificate"]
    await served.run_sql("UPDATE certificate SET valid_to = current_date")
    assert await against() == []
    await served.run_sql(
        "INSERT INTO shift (worker_id, starts_at, ends_at, breaks) VALUES (1, now() - interval '1 hour', "
        "now() + interval '1 hour', "
        "tstzmultirange(tstzrange(now() - interval '1 min', now() + interval '1 min')))"
    )
    assert await against() == ["break"]
