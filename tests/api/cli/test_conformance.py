"""The command tests recorded payloads, writes reports in two languages, and ends with 0 or 1."""

from __future__ import annotations

import json
import time

import pytest
from typer.testing import CliRunner

from api.cli.__main__ import make_app
from api.cli.conformance import _seconds
from twin.errors import InvalidError


def run(*arguments: str):
    return CliRunner().invoke(make_app(), ["conformance", *arguments])


@pytest.fixture
def payload(tmp_path):
    def write(**fields: object) -> str:
        said = {"t": time.time_ns() // 1_000_000, "p": "level", "v": 20.0, **fields}
        file = tmp_path / "payload.json"
        file.write_text(json.dumps(said), encoding="utf-8")
        return str(file)

    return write


def test_a_good_payload_passes(payload):
    done = run("file", payload(), "--kind", "water_level")
    assert done.exit_code == 0, done.output
    assert "通过：报文 1 条，读数 1 个" in done.output


def test_a_wrong_one_fails_with_a_report_to_hand_in(payload, tmp_path):
    report = tmp_path / "report.md"
    done = run(
        "file", payload(u="feet"), "--kind", "water_level", "--lang", "en", "--json", "--report", str(report)
    )
    assert done.exit_code == 1
    told = json.loads(done.stdout)
    assert [row["number"] for row in told["rules"] if row["outcome"] == "fail"] == [9]
    written = report.read_text(encoding="utf-8")
    assert "| 9 | units convert into those of the catalogue | FAIL |" in written
    assert "feet" in written


@pytest.mark.parametrize(
    "arguments",
    [
        ("--kind", "toaster"),
        ("--kind", "water_level", "--device", "a/b"),
        ("--kind", "water_level", "--device", "aaaa", "--device", "bbbb"),
        ("--kind", "water_level", "--gateway", "x"),
    ],
)
def test_what_cannot_be_tested_is_said(payload, arguments):
    done = run("file", payload(), *arguments)
    assert isinstance(done.exception, InvalidError)


def test_a_time_is_read():
    assert [_seconds(t) for t in ("300s", "5m", "1h", "1.5m", "20")] == [300, 300, 3600, 90, 20]
    for wrong in ("", "0s", "25h", "1d", "-5s", "NaN", "1e3s"):
        with pytest.raises(InvalidError):
            _seconds(wrong)
