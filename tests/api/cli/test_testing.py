from __future__ import annotations

import pytest

from api.cli.testing import Step, count_tests, python_steps, web_steps

PYTEST = next(step for step in python_steps(False, []) if step.name == "pytest")


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
    vitest = next(step for step in web_steps() if step.name == "vitest")
    assert count_tests(vitest, printed, code) == expected


def test_a_step_without_tests_counts_as_one():
    assert count_tests(Step("ruff", ["ruff"]), "", 0) == (1, 0)
    assert count_tests(Step("ruff", ["ruff"]), "E501", 1) == (0, 1)


def test_slow_tests_are_left_out_unless_asked_for():
    assert "not slow" in PYTEST.command
    assert "not slow" not in next(s for s in python_steps(True, []) if s.name == "pytest").command


def test_arguments_for_pytest_run_only_pytest():
    assert [step.name for step in python_steps(False, ["tests/twin"])] == ["pytest"]
