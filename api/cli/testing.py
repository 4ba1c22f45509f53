"""Run all checks and tests, back end and front end."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import typer

from api.cli.answering import say
from api.cli.options import DataDir

ROOT = Path(__file__).resolve().parents[2]
WEB = ROOT / "web"
CHECKED = ("api", "twin", "layers", "ingest", "bench")
"""What is looked through for insecure code: all Python but the tests."""
LANES = 2
"""How many checks run side by side: each uses a core."""
TEST_LANES = 3
"""How many tests run side by side: on two cores, since most wait for other processes now and then."""
PAGE_LANES = 2
"""How many browsers are driven side by side: each draws by software, with all cores for a moment."""

All = Annotated[
    bool, typer.Option("--all", help="Run the slow tests too: in full what others take samples of.")
]


def register(app: typer.Typer) -> None:
    """Add the command; further arguments go to pytest."""
    app.command("test", context_settings={"allow_extra_args": True, "ignore_unknown_options": True})(
        run_tests
    )


@dataclass(frozen=True)
class Step:
    """One program of the test run. `summary` finds the lines in which it may print its numbers.

    A program that ends with `skip_code` could not do its work here, and says why in its last line.
    """

    name: str
    command: Sequence[str]
    folder: Path = ROOT
    summary: re.Pattern[str] | None = None
    environment: dict[str, str] = field(default_factory=dict)
    skip_code: int | None = None


@dataclass(frozen=True)
class Result:
    """How a step went: numbers of passed and failed tests (a step without tests counts as one).

    `skipped` is why it could not be done; it has then neither passed nor failed.
    """

    name: str
    passed: int
    failed: int
    seconds: float
    skipped: str = ""


def run_tests(context: typer.Context, run_all: All = False, data_dir: DataDir = None) -> None:
    """Run linters, type checks and all tests. Further arguments go to pytest (and then only it runs)."""
    del data_dir  # tests make folders of their own; the option is here because every command takes it
    if importlib.util.find_spec("pytest") is None:
        say("gridtwin: the test packages are not installed · start the tests with ./gridtwin test")
        raise typer.Exit(1)
    checks, tests = [], pytest_steps(run_all, context.args)
    if not context.args:
        checks = python_checks() + web_checks() + (asking_checks() if run_all else [])
    results = _run_side_by_side(checks) + [_run(step, _print_now) for step in tests]
    sys.stdout.write("\n")
    for result in results:
        mark = "skipped" if result.skipped else "ok" if result.failed == 0 else "FAILED"
        line = f"{mark:<8}{result.name:<28} {result.seconds:7.1f} s  {result.skipped}"
        sys.stdout.write(f"{line.rstrip()}\n")
    passed, failed = sum(r.passed for r in results), sum(r.failed for r in results)
    skipped = sum(bool(r.skipped) for r in results)
    sys.stdout.write(f"{passed} passed, {failed} failed{f', {skipped} skipped' if skipped else ''}\n")
    raise typer.Exit(1 if failed else 0)


def python_checks() -> list[Step]:
    """List the steps that look at the Python code without running it."""
    python = sys.executable
    return [
        Step(
            "ruff check",
            [python, "-m", "ruff", "check", "--quiet", "--output-format", "concise", ".", "gridtwin"],
        ),
        Step("bandit", [python, "-m", "bandit", "-q", "-c", "pyproject.toml", "-r", *CHECKED]),
        Step("mypy", [python, "-m", "mypy", "--no-error-summary"]),
        Step(
            "import-linter",
            [str(Path(python).parent / "lint-imports"), "--no-cache"],
            environment={"PYTHONPATH": str(ROOT)},
        ),
    ]


def pytest_steps(run_all: bool, arguments: Sequence[str]) -> list[Step]:
    """List the steps of pytest; with arguments for it one that does only what they say.

    Without: first, in lanes that take whole files, what may run beside other tests; then pages in browsers,
    two at once; then, one at a time, what needs the machine to itself.
    """

    def pytest(name: str, *more: str) -> Step:
        command = [
            sys.executable,
            "-P",
            "-m",
            "pytest",
            "--color=auto",
            "--durations=10",
            "--durations-min=5",
        ]
        return Step(name, [*command, *more], summary=re.compile(r"\d+ (passed|failed|error)"))

    if arguments:
        return [pytest("pytest", *([] if run_all else ["-m", "not slow"]), *arguments)]
    pages, rest = "alone and browser and not slow", "alone and not browser and not slow"
    return [
        pytest("pytest", *_lanes(TEST_LANES), "-m", "not (slow or alone)"),
        pytest("pytest, pages", *_lanes(PAGE_LANES), "-m", pages),
        pytest("pytest, one at a time", "-m", f"slow or ({rest})" if run_all else rest),
    ]


def _lanes(count: int) -> list[str]:
    # In the order in which files are found: by number of tests, the few long ones would come last of all.
    return ["-n", str(count), "--dist", "loadfile", "--no-loadscope-reorder"]


def web_checks() -> list[Step]:
    """List the checks and tests of the web side that need no browser; none while there is no package.json."""
    if not (WEB / "package.json").is_file():
        return []
    npm = str(Path(sys.executable).parent / "npm")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    environment = {"PATH": path, "CI": "true"}
    return [
        Step("svelte-check and tsc", [npm, "run", "--silent", "check"], WEB, environment=environment),
        Step(
            "vitest",
            [npm, "test", "--silent"],
            WEB,
            summary=re.compile(r"^\s*Tests\s"),
            environment=environment,
        ),
    ]


def asking_checks() -> list[Step]:
    """List the steps that ask somebody in the Internet, who may be out of reach."""
    return [Step("advisories", [sys.executable, "-P", str(ROOT / "tests" / "advisories.py")], skip_code=77)]


def _run_side_by_side(steps: Sequence[Step]) -> list[Result]:
    """Run steps in lanes, and print what each said whole, in their order."""
    said: list[list[str]] = [[] for _ in steps]
    results = []
    with ThreadPoolExecutor(LANES) as lanes:
        for result, lines in zip(lanes.map(_run, steps, [kept.append for kept in said]), said, strict=True):
            _print_now("".join(lines))
            results.append(result)
    return results


def _print_now(line: str) -> None:
    sys.stdout.write(line)
    sys.stdout.flush()


def _run(step: Step, show: Callable[[str], None]) -> Result:
    begun = time.monotonic()
    show(f"── {step.name}\n")
    if shutil.which(step.command[0]) is None:
        show(f"gridtwin: {step.command[0]} is missing · start the tests with ./gridtwin test\n")
        return Result(step.name, 0, 1, 0.0)
    process = subprocess.Popen(
        step.command,
        cwd=step.folder,
        env={**os.environ, **step.environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    assert process.stdout is not None
    printed: list[str] = []
    for line in process.stdout:
        show(line)
        printed.append(line)
    code = process.wait()
    if step.skip_code is not None and code == step.skip_code:
        reason = printed[-1].strip() if printed else f"exit {code}"
        return Result(step.name, 0, 0, time.monotonic() - begun, reason)
    passed, failed = count_tests(step, "".join(printed[-200:]), code)
    return Result(step.name, passed, failed, time.monotonic() - begun)


def count_tests(step: Step, printed: str, code: int) -> tuple[int, int]:
    """Give (passed, failed) of a step; a step that counts nothing is one test of its own.

    A program that ends badly has failed at least once, whatever it printed.
    """
    plain = re.sub(r"\x1b\[[0-9;]*m", "", printed)
    passed = failed = 0
    if step.summary is not None:
        lines = [line for line in plain.splitlines() if step.summary.search(line)]
        for number, word in re.findall(r"(\d+) (passed|failed|errors?)\b", lines[-1] if lines else ""):
            if word == "passed":
                passed += int(number)
            else:
                failed += int(number)
    if step.summary is None and code == 0:
        passed = 1
    if code != 0 and failed == 0:
        failed = 1
    return passed, failed
