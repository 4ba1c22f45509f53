from __future__ import annotations

import http.server
import json
import sys
import threading

import pytest
from typer.testing import CliRunner

from api.cli import testing
from api.cli.testing import Step, asking_checks, count_tests, pytest_steps, web_checks
from tests import advisories

PYTEST = pytest_steps(False, [])[0]


@pytest.mark.parametrize(
    ("printed", "code", "expected"),
    [
        ("12 passed in 3.0s\n", 0, (12, 0)),
        ("FAILED a::b - 3 passed\n2 failed, 10 passed, 1 skipped in 4.00s\n", 1, (10, 2)),
        ("1 failed, 3 passed, 2 errors in 1s\n", 1, (3, 3)),
        ("\x1b[32m\x1b[1m5 passed\x1b[0m\x1b[32m in 0.1s\x1b[0m\n", 0, (5, 0)),
        ("no tests ran\n", 5, (0, 1)),
        ("Killed\n", -9, (0, 1)),
    ],
)
def test_counts_of_pytest(printed, code, expected):
    assert count_tests(PYTEST, printed, code) == expected


@pytest.mark.parametrize(
    ("printed", "code", "expected"),
    [
        (" Test Files  3 passed (3)\n      Tests  41 passed (41)\n", 0, (41, 0)),
        (" Test Files  1 failed | 2 passed (3)\n      Tests  2 failed | 39 passed (41)\n", 1, (39, 2)),
        ("      Tests  4 failed (4)\n", 1, (0, 4)),
        ("      Tests  7 passed | 1 skipped (8)\n", 0, (7, 0)),
        ("crashed\n", 1, (0, 1)),
    ],
)
def test_counts_of_vitest(printed, code, expected):
    vitest = next(step for step in web_checks() if step.name == "vitest")
    assert count_tests(vitest, printed, code) == expected


def test_a_step_without_tests_counts_as_one():
    assert count_tests(Step("ruff", ["ruff"]), "", 0) == (1, 0)
    assert count_tests(Step("ruff", ["ruff"]), "E501", 1) == (0, 1)


def test_slow_tests_are_left_out_unless_asked_for():
    beside, pages = "not (slow or alone)", "alone and browser and not slow"
    rest = "alone and not browser and not slow"
    assert chosen(False, []) == [beside, pages, rest]
    assert chosen(True, []) == [beside, pages, f"slow or ({rest})"]
    assert chosen(False, ["tests/twin"]) == ["not slow"]
    assert chosen(True, ["tests/twin"]) == [None]


def chosen(run_all: bool, arguments: list[str]) -> list[str | None]:
    """Which tests each step of pytest is asked for."""
    asked = [list(step.command)[step.command.index("pytest") :] for step in pytest_steps(run_all, arguments)]
    return [words[words.index("-m") + 1] if "-m" in words else None for words in asked]


@pytest.mark.parametrize("run_all", [False, True])
def test_what_needs_the_machine_to_itself_runs_beside_nothing(run_all):
    beside, pages, by_itself = pytest_steps(run_all, [])
    assert "-n" in beside.command
    assert "-n" in pages.command
    assert "-n" not in by_itself.command


def test_arguments_for_pytest_run_only_pytest():
    (step,) = pytest_steps(False, ["tests/twin"])
    assert step.command[-1] == "tests/twin"
    assert "-n" not in step.command


def test_checks_run_side_by_side_and_what_each_says_stays_together(monkeypatch, tmp_path):
    """Each waits until the other has said something: one after the other they would never end."""
    here, there = tmp_path / "here", tmp_path / "there"
    meet = "import pathlib, sys, time\nprint(sys.argv[1], 1, flush=True)\npathlib.Path(sys.argv[1]).touch()\n"
    meet += "while not pathlib.Path(sys.argv[2]).exists(): time.sleep(0.01)\nprint(sys.argv[1], 2)"
    steps = [
        Step("first", [sys.executable, "-c", meet, str(here), str(there)]),
        Step("second", [sys.executable, "-c", meet, str(there), str(here)]),
        Step("bad", [sys.executable, "-c", "raise SystemExit(1)"]),
    ]
    printed, code = summary(monkeypatch, steps)
    said = [f"── first\n{here} 1\n{here} 2\n", f"── second\n{there} 1\n{there} 2\n", "── bad\n"]
    assert printed.startswith("".join(said))
    assert "2 passed, 1 failed" in printed
    assert code == 1


def test_what_could_not_be_done_is_skipped_with_its_reason_and_has_not_passed(monkeypatch):
    steps = [
        Step("good", [sys.executable, "-c", ""]),
        Step("away", [sys.executable, "-c", "print('nobody is there'); raise SystemExit(77)"], skip_code=77),
    ]
    printed, code = summary(monkeypatch, steps)
    assert code == 0
    assert "1 passed, 0 failed, 1 skipped" in printed
    assert [line.split()[-3:] for line in printed.splitlines() if line.startswith("skipped")] == [
        ["nobody", "is", "there"]
    ]
    printed, code = summary(monkeypatch, [Step("bad", [sys.executable, "-c", "raise SystemExit(77)"])])
    assert code == 1
    assert "0 passed, 1 failed" in printed


def summary(monkeypatch, steps: list[Step]) -> tuple[str, int]:
    monkeypatch.setattr(testing, "python_checks", lambda: steps)
    monkeypatch.setattr(testing, "web_checks", list)
    monkeypatch.setattr(testing, "pytest_steps", lambda *_: [])
    app = testing.typer.Typer()
    testing.register(app)
    done = CliRunner().invoke(app, [])
    return done.output, done.exit_code


class Osv(http.server.BaseHTTPRequestHandler):
    """Answers as the manual of OSV says: names in the order of the questions, nothing where none is known."""

    answers: dict[tuple[str, str], list[str]] = {}  # noqa: RUF012

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))["queries"]
        found = [self.answers.get((q["package"]["ecosystem"], q["package"]["name"]), []) for q in asked]
        results = [{"vulns": [{"id": name} for name in names]} if names else {} for names in found]
        body = json.dumps({"results": results}).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_) -> None:
        pass


@pytest.fixture
def osv(monkeypatch):
    monkeypatch.setattr(Osv, "answers", {})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Osv) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_advisories_of_locked_packages_fail(osv, capsys):
    assert advisories.main(osv) == 0
    Osv.answers = {("PyPI", "starlette"): ["GHSA-1"], ("npm", "@deck.gl/core"): ["GHSA-2", "GHSA-3"]}
    assert advisories.main(osv) == 1
    printed = capsys.readouterr().out
    assert "PyPI starlette" in printed
    assert "npm @deck.gl/core" in printed
    assert "GHSA-2, GHSA-3" in printed


def test_advisories_that_nobody_could_be_asked_about_are_no_pass(capsys):
    assert advisories.main("http://127.0.0.1:9") == asking_checks()[0].skip_code
    assert "could not ask" in capsys.readouterr().out


def test_every_locked_package_is_asked_about():
    packages = advisories.locked(testing.ROOT)
    names = {(ecosystem, name) for ecosystem, name, _ in packages}
    assert {
        ("PyPI", "fastapi"),
        ("PyPI", "psycopg-binary"),
        ("npm", "maplibre-gl"),
        ("npm", "@deck.gl/core"),
    } <= names
    assert all(version[0].isdigit() for _, _, version in packages)
