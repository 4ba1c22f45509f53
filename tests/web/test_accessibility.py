"""Ask axe about every page and dialog, in both languages and themes: no fault by WCAG 2.2 A and AA.

It sees no canvas: the contrast of what is drawn on the map is reckoned in web/tests/look.
"""

from __future__ import annotations

import pyotp
import pytest
from looks import Looks
from playwright.sync_api import Browser, Page
from running import SHOWN, RunningCity, in_city

pytestmark = in_city("helsinki")

DESK, PHONE = (1440, 900), (390, 844)
STILL = {"reduced_motion": "reduce"}  # half way from one colour to another it is none of ours
ON_PHONE = {"has_touch": True, "is_mobile": True}
PASSWORD = "Regen-Schirm-27"


@pytest.mark.parametrize(("size", "lang"), [(DESK, "zh"), (PHONE, "en")], ids=["desk-zh", "phone-en"])
def test_the_pages_before_the_door(
    city: RunningCity, browser: Browser, size: tuple[int, int], lang: str
) -> None:
    looks = Looks()
    name = city.make_person("dispatcher", PASSWORD, must_change=True)
    page = city.open_page(browser, *size, role=None, **STILL, **(ON_PHONE if size is PHONE else {}))
    page.goto(f"{city.url}/kiosk?lang={lang}")
    looks.in_both_themes(page, "kiosk")
    page.goto(f"{city.url}/sign-in?lang={lang}")
    page.wait_for_selector("form[aria-busy=false]")
    looks.in_both_themes(page, "sign-in")
    page.fill("[name=username]", name)
    page.fill("[name=password]", "Wrong-Words-11")
    page.keyboard.press("Enter")
    page.get_by_test_id("error").wait_for()
    looks.at(page, "sign-in refused")
    page.fill("[name=password]", PASSWORD)
    page.keyboard.press("Enter")
    secret = page.get_by_test_id("secret").inner_text().replace(" ", "")
    looks.in_both_themes(page, "second factor")
    page.fill("[name=code]", pyotp.TOTP(secret).now())
    page.wait_for_selector("[data-step=new_password]")
    page.locator("[autocomplete=new-password]").first.fill("abcDEF")
    looks.in_both_themes(page, "new password")
    page.context.close()
    assert looks.faults == []
    assert looks.seen == 9


def test_the_start_page_leads_an_operator_on(city: RunningCity, browser: Browser) -> None:
    looks = Looks()
    page = city.open_page(browser, *DESK, **STILL)
    page.goto(f"{city.url}/?lang=zh")
    page.locator("a.wall").first.wait_for()
    led = [link.get_attribute("href") for link in page.locator("a.wall").all()]
    assert [path.split("?")[0] for path in led] == ["/wall", "/desk", "/rules", "/maintenance"]
    looks.in_both_themes(page, "start page")
    page.context.close()
    assert page.said == []
    assert looks.faults == []


@pytest.mark.parametrize(("size", "lang"), [(DESK, "zh"), (PHONE, "en")], ids=["desk-zh", "phone-en"])
def test_the_pages_of_administrators(
    city: RunningCity, browser: Browser, size: tuple[int, int], lang: str
) -> None:
    looks = Looks()
    more = STILL | (ON_PHONE if size is PHONE else {})
    page = city.open_page(browser, *size, role="security_admin", **more)
    page.goto(f"{city.url}/?lang={lang}")
    page.locator("a.wall").first.wait_for()
    looks.in_both_themes(page, "start page")
    page.goto(f"{city.url}/admin/accounts?lang={lang}")
    page.wait_for_selector("[data-row]")
    looks.in_both_themes(page, "accounts")
    page.locator("main .btn.main").first.click()
    looks.at(page, "new account")
    account = f"li.{lang}.{size[0]}"
    page.fill("[name=name]", account)
    page.locator("[role=dialog] .btn.main").click()
    page.get_by_test_id("secret").wait_for()
    looks.at(page, "secret shown once")
    page.locator("[role=dialog] .btn.main").click()

    # The area is chosen by name: down the tree by keys, then by words.
    page.locator("select").select_option("operator")
    rows = page.locator("[data-testid=areas] [role=treeitem]")
    rows.first.wait_for()
    rows.first.focus()
    page.keyboard.press("End")
    last = page.evaluate("() => document.activeElement.dataset.code")
    assert rows.last.get_attribute("data-code") == last
    page.keyboard.press("Enter")
    assert page.locator("[role=treeitem][aria-selected=true]").get_attribute("data-code") == last
    looks.in_both_themes(page, "account, area chosen in the tree")
    page.fill("[name=area]", last[:6])
    page.wait_for_function(
        "code => document.querySelector('[role=treeitem]')?.dataset.code.startsWith(code)", arg=last[:6]
    )
    page.keyboard.press("Enter")
    looks.at(page, "account, area found by words")
    page.locator("[data-testid=give-role] > .btn.main").click()
    page.locator("[data-testid=account] .it").first.wait_for()
    page.locator("[data-testid=account] .acts .btn").first.click()
    looks.at(page, "question")
    page.keyboard.press("Escape")
    page.get_by_test_id("who").click()
    looks.at(page, "menu of the account")
    page.context.close()

    page = city.open_page(browser, *size, role="auditor", **more)
    page.goto(f"{city.url}/admin/record?lang={lang}")
    page.wait_for_selector("tr[data-seq]")
    looks.in_both_themes(page, "record")
    page.context.close()
    assert looks.faults == []
    assert looks.seen == 13


@pytest.mark.parametrize(("size", "lang"), [(DESK, "zh"), (PHONE, "en")], ids=["desk-zh", "phone-en"])
def test_the_desk_of_operators(city: RunningCity, browser: Browser, size: tuple[int, int], lang: str) -> None:
    looks = Looks()
    name = city.make_person("manager")
    page = city.open_page(browser, *size, role=None, **STILL, **(ON_PHONE if size is PHONE else {}))
    city.sign_in(page.context, name)
    case = next(row for row in city.get("/api/cases")["cases"] if row["stage"] == "filed")
    page.goto(f"{city.url}/desk?lang={lang}")
    page.wait_for_selector(f"[data-row='{case['id']}']")
    looks.in_both_themes(page, "queue")
    page.locator(f"[data-row='{case['id']}']").click()
    page.wait_for_selector("[data-testid=stages] .now")
    page.wait_for_selector("[data-candidate]")
    looks.in_both_themes(page, "case")
    page.locator("[data-move=supervise]").click()
    page.keyboard.press("Enter")
    page.get_by_test_id("refusal").wait_for()
    looks.at(page, "act that lacks its reason")
    page.keyboard.press("Escape")
    page.keyboard.press("o")
    page.locator("[data-move=correct]").click()
    looks.at(page, "correction")
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    looks.at(page, "keys")
    page.keyboard.press("Escape")
    page.keyboard.press("c")
    page.get_by_test_id("report").wait_for()
    looks.at(page, "new case")
    page.keyboard.press("Escape")
    page.keyboard.press("/")
    looks.at(page, "search")
    page.context.close()
    assert looks.faults == []
    assert looks.seen == 9


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_the_wall(city: RunningCity, browser: Browser, lang: str) -> None:
    looks = Looks()
    # Of all roles the one that may do the most: nothing of the wall is hidden from it.
    name = city.make_person("manager")
    page = city.open_page(browser, *DESK, role=None, **STILL)
    city.sign_in(page.context, name)
    page.goto(f"{city.url}/wall?lang={lang}")
    page.wait_for_function(SHOWN, timeout=120_000)
    page.get_by_test_id("alarm").first.wait_for(timeout=60_000)
    looks.at(page, "wall")
    page.get_by_test_id("alarm").first.click()
    page.locator("[data-testid=details] .nb").first.wait_for(timeout=30_000)
    looks.at(page, "details")
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    looks.at(page, "help")
    page.keyboard.press("Escape")
    page.keyboard.press("/")
    page.keyboard.type("1")
    page.locator("[role=dialog] li").first.wait_for()
    looks.at(page, "search")
    page.keyboard.press("Escape")
    page.locator("[data-testid=today] button:not(:disabled)").first.click()
    looks.at(page, "list behind a number")
    page.keyboard.press("Escape")
    page.keyboard.press("u")
    looks.at(page, "menu of the account")
    page.keyboard.press("Escape")
    if lang == "zh":
        _look_at_what_can_be_opened(city, page, looks)

    page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
    tabs = page.locator("nav.tabs button")
    for at in range(3):
        tabs.nth(at).click()
        looks.at(page, f"phone, tab {at}")
    if lang == "en":
        _look_at_what_can_be_opened(city, page, looks)
    tabs.nth(1).click()
    page.get_by_test_id("alarm").first.click()
    page.locator("[data-testid=details]").wait_for()
    looks.at(page, "phone, details")

    city.age_sessions(name, 3600)
    page.get_by_test_id("signed-out").wait_for()
    looks.at(page, "phone, signed out")
    page.set_viewport_size({"width": DESK[0], "height": DESK[1]})
    looks.at(page, "signed out")
    page.context.close()
    assert looks.faults == []
    assert looks.seen == 24


def _look_at_what_can_be_opened(city: RunningCity, page: Page, looks: Looks) -> None:
    """Open the details of each type of thing, and each dialog that hangs on them."""
    details, dialog = "[data-testid=details]", "dialog[open]"

    def select(kind: str, identity: int) -> None:
        page.evaluate("([kind, id]) => window.__gridtwin.select(kind, id)", [kind, identity])

    for kind in ("component", "compound", "network_line"):
        select(kind, city.newest(kind))
        page.locator(f"{details} .facts").first.wait_for()
        looks.at(page, kind, details)
    page.get_by_test_id("affected").click()
    page.get_by_test_id("trace").wait_for()
    looks.at(page, "who is affected by a break", details)
    select("network_node", city.newest("network_node", "kind = 'valve'"))
    page.get_by_test_id("hangs-on").click()
    page.get_by_test_id("trace").wait_for()
    looks.at(page, "who hangs on a valve", details)

    case = city.newest("case_file", "closed_at IS NULL AND reporter_id IS NOT NULL")
    page.evaluate(_PHOTOGRAPH, case)
    select("case", case)
    page.locator("[data-testid=photographs] button").first.click()
    page.locator(f"{dialog} > img").wait_for()
    looks.at(page, "photograph", dialog)
    page.keyboard.press("Escape")
    page.get_by_test_id("reveal").click()
    looks.at(page, "case, reveal", details)
    page.locator("form.ask .usual button").first.click()
    page.locator("form.ask button:not([type])").click()
    page.locator("[data-testid=person] .told").first.wait_for()
    looks.at(page, "case, revealed", details)

    select("device", city.newest("device", "kind = 'camera'"))
    page.get_by_test_id("look").click()
    page.get_by_test_id("camera-picture").click()
    page.locator(f"{dialog} > img").wait_for()
    looks.at(page, "picture of a camera", dialog)
    page.keyboard.press("Escape")
    looks.at(page, "camera", details)

    page.keyboard.press("x")
    page.locator("[data-testid=export-dialog] [name=format]").first.wait_for()
    page.locator("[data-testid=export-dialog] [name=table]").select_option("devices")
    page.get_by_test_id("one-area").click()
    page.locator("[data-testid=areas] [role=treeitem]").first.click()
    looks.in_both_themes(page, "export")
    page.keyboard.press("Escape")


_PHOTOGRAPH = """async (id) => {
    const canvas = new OffscreenCanvas(640, 480);
    canvas.getContext('2d').fillRect(0, 0, 640, 480);
    const body = await canvas.convertToBlob({ type: 'image/jpeg' });
    const asked = new URLSearchParams({ moment: 'before', client_id: crypto.randomUUID() });
    const answer = await fetch(`/api/cases/${id}/photographs?${asked}`, { method: 'POST', body });
    if (!answer.ok) throw new Error(await answer.text());
}"""
