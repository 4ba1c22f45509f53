"""Run all parts until stopped: what `up` and `serve` have in common."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from api.cli.answering import say


def run_all(*, simulator: bool, city: Path | None, no_demo: bool, no_browser: bool, **given: Any) -> int:
    """Read the settings, run the parts, give the exit code.

    Parameters
    ----------
    simulator
        Whether simulated devices report.
    city, no_demo, no_browser
        The options of these names.
    given
        Options that are settings, as `read_settings` takes them.

    Raises
    ------
    TwinError
        A setting is wrong, or a part does not start.
    """
    from api.cli.progress import waiting  # noqa: PLC0415 (loaded only by the commands that run servers)
    from api.settings import read_settings  # noqa: PLC0415
    from api.supervisor import Plan, Supervisor  # noqa: PLC0415

    settings = read_settings(simulator=simulator, **given)
    plan = Plan(city=city, default_city=not no_demo, simulator=simulator, browser=not no_browser)
    return Supervisor(settings, plan, say, waiting).run()
