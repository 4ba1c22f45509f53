"""Ask axe about a page as it is now: no fault by WCAG 2.2 A and AA, nothing wider than the screen."""

from __future__ import annotations

from playwright.sync_api import Page
from running import ROOT

AXE = ROOT / "web" / "node_modules" / "axe-core" / "axe.min.js"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]

_RUN = """async ([runOnly, inside]) => {
    const { violations } = await axe.run(inside, { runOnly, resultTypes: ['violations'] });
    return violations.flatMap(({ id, nodes }) => nodes.map((n) => `${id}: ${n.target}: ${n.failureSummary}`));
}"""

_CUT = """() => [...document.querySelectorAll('header .bc b, header h1 span, header a.on')].filter((name) => {
    const { left, right } = name.parentElement.getBoundingClientRect();
    const at = name.getBoundingClientRect();
    return at.left < left - 1 || at.right > right + 1
        || name.scrollWidth > name.clientWidth + 1 || name.scrollHeight > name.clientHeight + 1;
}).map((name) => name.textContent)"""

SMALL_PHONE = (360, 800)


def cut_names(page: Page) -> list[str]:
    """Say which names of the place in the head are cut on a small phone, whose size the page keeps."""
    page.set_viewport_size({"width": SMALL_PHONE[0], "height": SMALL_PHONE[1]})
    page.wait_for_function("width => document.documentElement.clientWidth === width", arg=SMALL_PHONE[0])
    assert page.locator("header").locator(".bc b, h1, a.on").count() >= 1
    cut: list[str] = page.evaluate(_CUT)
    return cut


class Looks:
    """What axe found on the pages it was shown, by where."""

    def __init__(self) -> None:
        self.faults: list[str] = []
        self.seen = 0

    def at(self, page: Page, where: str, inside: str = "html") -> None:
        """Ask about the page as it is now, or about what a selector finds where the rest was asked about."""
        if not page.evaluate("() => 'axe' in window"):
            page.evaluate(AXE.read_text(encoding="utf-8"))
        self.faults += [f"{where}: {fault}" for fault in page.evaluate(_RUN, [RULES, inside])]
        wide = page.evaluate("() => document.documentElement.scrollWidth - innerWidth")
        if wide > 0:
            self.faults.append(f"{where}: {wide} px wider than the screen")
        self.seen += 1

    def in_both_themes(self, page: Page, where: str) -> None:
        """Ask about the page in the dark and in the light."""
        for theme in ("dark", "light"):
            page.evaluate("theme => { document.documentElement.dataset.theme = theme; }", theme)
            self.at(page, f"{where}, {theme}")
