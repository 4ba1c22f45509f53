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
