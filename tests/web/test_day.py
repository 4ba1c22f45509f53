"""Play one day on Chengdu in a real browser: a leak raises forty alarms, one case, and it ends rated.

What is said of each stage is kept as pictures of the desk and as the case's journal when the manual is drawn
(``GRIDTWIN_SCREENSHOTS``).
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Page
from running import PATIENCE_MS, SHOWN, RunningCity, in_city

from api.access.door import COOKIE

pytestmark = [*in_city("chengdu"), pytest.mark.slow]

SENSORS = 40
PLACE = (104.06562, 30.65738)
"""The middle of the square, where the simulated city has no sensor of its own."""
STEP_DEG = 0.00007
"""About seven metres."""
DETECTORS = 28
"""Of the forty, detectors of water; the others are gauges of its level."""


def _install(city: RunningCity, folder: Path) -> tuple[str, str]:
    """Put the sensors of a made-up underpass into the register, and give the account of their gateway."""
    rows = ["uid,kind,lon,lat,name,address"]
    for n in range(SENSORS):
        kind = "flood" if n < DETECTORS else "water_level"
        lon, lat = PLACE[0] + (n % 8) * STEP_DEG, PLACE[1] + (n // 8) * STEP_DEG
        rows.append(f"DAY-{n:04d},{kind},{lon:.6f},{lat:.6f},地下通道 {n + 1} 号,天府广场地下通道")
    csv = folder / "day.csv"
    csv.write_text("\n".join(rows) + "\n", encoding="utf-8")
    city.command("import", "devices", str(csv), "--simulated")
    made = json.loads(city.command("gateway", "add", "day-gateway", "--json"))
    return made["user_name"], made["password"]


def _leak(city: RunningCity, account: tuple[str, str], *, wet: bool) -> None:
    """Let all sensors report at once that there is water, or that it is gone."""
    now_ms = int(time.time() * 1000)
    readings = [
        {"d": f"DAY-{n:04d}", "t": now_ms, "p": "wet", "v": int(wet)}
        if n < DETECTORS
        else {"d": f"DAY-{n:04d}", "t": now_ms, "p": "level", "v": 22.0 + n % 5 if wet else 1.0}
        for n in range(SENSORS)
    ]
    url = f"{city.url}/ingest/v1/gateways/{account[0]}/observations"
    answer = httpx.post(url, json=readings, auth=account, timeout=30)
    assert answer.status_code == 200, answer.text
    assert answer.json()["stored"] == SENSORS, answer.text


def _cases(city: RunningCity) -> list[dict[str, Any]]:
    found = city.get("/api/cases", source="sensor", limit="1000")["cases"]
    near = [case for case in found if abs(case["lon"] - PLACE[0]) + abs(case["lat"] - PLACE[1]) < 0.002]
    return [case for case in near if case["alarms"] >= SENSORS // 2]


class Desk:
    """Somebody at a desk, who only types."""

    def __init__(self, city: RunningCity, browser: Browser, role: str, size: tuple[int, int]) -> None:
        self.page: Page = city.open_page(browser, *size, role=role)
        self.page.goto(f"{city.url}/desk")
        self.page.wait_for_function(SHOWN, timeout=PATIENCE_MS)

    def open(self, queue: str, case: dict[str, Any]) -> None:
        """Choose a queue by its key, walk down to the case, open it."""
        self.page.keyboard.press("Escape")
        self.page.keyboard.press(queue)
        row = self.page.locator(f'[data-row="{case["id"]}"]')
        row.wait_for(timeout=PATIENCE_MS)
        for _ in range(60):
            if row.evaluate("(element) => element.classList.contains('cur')"):
                break
            self.page.keyboard.press("j")
            self.page.wait_for_timeout(30)
        self.page.keyboard.press("Enter")
        self.page.locator('[data-testid="case-head"]', has_text=case["number"]).wait_for()

    def act(self, key: str, then: str, *typed: str) -> None:
        """Begin an act by its key, type what it asks for, confirm; wait for the stage it leads to."""
        self.page.keyboard.press(key)
        form = self.page.get_by_test_id("move-form")
        form.wait_for()
        for text in typed:
            self.page.keyboard.type(text)
        self.page.keyboard.press("Enter")
        form.wait_for(state="detached")
        self.page.locator('[data-testid="stages"] [aria-current="step"]', has_text=then).wait_for()


def test_a_leak_becomes_one_case_that_is_filed_dispatched_repaired_checked_closed_and_rated(
    city: RunningCity, browser: Browser, tmp_path: Path, screenshots: Path
) -> None:
    account = _install(city, tmp_path)
    operator = Desk(city, browser, "operator", (1920, 1080))
    dispatcher = Desk(city, browser, "dispatcher", (1280, 800))

    def picture(stage: str) -> None:
        operator.page.wait_for_timeout(1_500)  # the map settles
        operator.page.screenshot(path=screenshots / f"day-{stage}.png")

    _leak(city, account, wet=True)
    deadline = time.monotonic() + 60
    while not (found := _cases(city)) and time.monotonic() < deadline:
        time.sleep(0.2)
    time.sleep(2)
    found = _cases(city)
    assert len(found) == 1, [case["number"] for case in found]
    case = found[0]
    assert case["alarms"] == SENSORS
    assert case["simulated"]

    operator.open("1", case)
    picture("1-collected")
    operator.act("a", "案卷建立")
    picture("2-filed")

    dispatcher.open("2", case)
    dispatcher.act("d", "任务派遣")
    picture("3-dispatched")

    stand = city.get(f"/api/cases/{case['id']}")
    organisation_id = stand["handler"]["organisation_id"]
    assert organisation_id is not None, "who answers for water is recommended first"
    with _staff(city, organisation_id) as department:
        stand = _act(department, stand, "take")
        picture("4-handling")
        _leak(city, account, wet=False)
        stand = _act(department, stand, "report_done", note="抽水泵 2 台，积水已排净")
    picture("5-feedback")

    operator.open("4", case)
    operator.act("a", "核查结案")
    picture("6-checking")
    operator.act("a", "综合评价")
    operator.act("a", "综合评价", "5")
    picture("7-rated")

    stand = city.get(f"/api/cases/{case['id']}")
    assert (stand["stage"], stand["outcome"], stand["rating"]) == ("rated", "closed", 5)
    events = [event["event"] for event in reversed(stand["events"])]
    wanted = "reported filed dispatched taken reported_done sent_to_check closed rated"
    # Sensors that are stored after the case was reported may make it more urgent.
    told = [event.removeprefix("case.") for event in events if event != "case.corrected"]
    assert told == wanted.split()
    assert operator.page.said == dispatcher.page.said == []
    (screenshots / "day.txt").write_text(_journal(stand), encoding="utf-8")
    operator.page.context.close()
    dispatcher.page.context.close()


def _staff(city: RunningCity, organisation_id: int) -> httpx.Client:
    """Give a client signed in as somebody of a department."""
    secret = city.session(city.make_person("department", organisation_id=organisation_id))
    return httpx.Client(base_url=city.url, cookies={COOKIE: secret}, timeout=30)


def _act(client: httpx.Client, stand: dict[str, Any], move: str, **told: Any) -> dict[str, Any]:
    body = {"version": stand["version"], "move": move, **told}
    answer = client.post(f"/api/cases/{stand['id']}/acts", json=body)
    assert answer.status_code == 200, answer.text
    done: dict[str, Any] = answer.json()
    return done


def _journal(stand: dict[str, Any]) -> str:
    """Return the journal of a case as people read it, the oldest first."""
    handler = stand["handler"]["organisation"]["zh"]
    lines = [f"{stand['number']} {stand['title']['zh']}"]
    for event in reversed(stand["events"]):
        told = "，".join(
            handler if key == "organisation_id" else str(value) for key, value in event["told"].items()
        )
        who = {"system": "系统", "": "系统"}.get(event["actor"], event["actor"])
        line = f"{event['at'][11:19]} UTC  v{event['version']}  {event['zh']}  {who}  {told}"
        lines.append(line.rstrip())
    return "\n".join(lines) + "\n"
