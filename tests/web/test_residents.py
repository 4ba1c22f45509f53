"""The page of a resident on a small phone: no fault by WCAG 2.2 AA, nothing too small for a thumb."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from looks import Looks
from playwright.sync_api import Browser

from api.residents.page import write_page
from api.residents.standing import Standing
from api.residents.words import CHOOSE
from twin.calendar import Limit, Unit
from twin.cases.states import Outcome, Stage

pytestmark = [pytest.mark.browser, pytest.mark.alone]

AT = datetime(2026, 3, 2, 9, 12, tzinfo=ZoneInfo("Asia/Shanghai"))
HOUR = timedelta(hours=1)
PATH = {Stage.COLLECTED: AT, Stage.FILED: AT + HOUR, Stage.HANDLING: AT + 2 * HOUR}


def standing(**changes: object) -> Standing:
    facts = {
        "case_id": 1, "version": 3, "number": "20260302-00017", "category_code": "06010", "outcome": None,
        "stage": Stage.HANDLING, "opened_at": AT, "closed_at": None, "stage_due_at": AT + 5 * HOUR,
        "due_at": AT + 30 * HOUR, "parked": False, "rating": None, "simulated": True, "is_repeat": True,
        "entered": PATH, "limit": Limit(4, Unit.WORKING_HOURS), "zone": "Asia/Shanghai",
    }  # fmt: skip
    return Standing(**facts | changes)


def test_the_page_of_a_resident_has_no_fault(browser: Browser) -> None:
    looks, now = Looks(), AT + 6 * HOUR
    closed = {"stage": Stage.RATED, "outcome": Outcome.CLOSED, "closed_at": now, "limit": None}
    pages = {
        "in work and late": write_page(standing(), now=now),
        "to be rated": write_page(standing(**closed), now=now, message=CHOOSE, said="x"),
        "rated": write_page(standing(**closed, rating=2), now=now),
        "with photographs": write_page(standing(), now=now, photographs=[("before", "/b"), ("after", "/a")]),
        "refused": write_page(standing(outcome=Outcome.REJECTED, closed_at=now), now=now),
        "unknown": write_page(None, now=now),
    }
    page = browser.new_page(viewport={"width": 320, "height": 640})
    for where, content in pages.items():
        page.set_content(content)
        looks.at(page, where)
        heights = page.evaluate(
            "[...document.querySelectorAll('label.rating, button, textarea')]"
            ".map((one) => one.getBoundingClientRect().height)"
        )
        assert len(heights) == (7 if where == "to be rated" else 0)
        assert all(height >= 44 for height in heights)
    page.close()
    assert looks.faults == []
