"""One message in a hundred is broken: all broken ones are kept with reason and bytes, all others stored."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bench.ingest.installation import Installation
from bench.ingest.poison import broken, send_poisoned
from bench.live.database import connect
from bench.machine import ROOT

pytestmark = [pytest.mark.postgis, pytest.mark.broker, pytest.mark.timeout(200)]


def command(running: Installation, *arguments: str) -> Any:
    done = subprocess.run(
        [sys.executable, "-P", "-m", "api.cli", *arguments, "--data-dir", str(running.folder), "--json"],
        cwd=ROOT, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


def poison(folder: Path, n: int) -> None:
    with Installation(folder) as running:
        url = running.cluster.url
        send_poisoned(running, n)
        pid = running.server_pid
        with connect(url) as connection:
            stored = connection.execute("SELECT count(*) FROM observation").fetchone()
            kept = connection.execute("SELECT reason, payload FROM quarantine ORDER BY id").fetchall()
        assert stored == (n - n // 100,)
        assert len(kept) == n // 100
        sent = {broken(i, 0)[:9] for i in range(8)}
        assert {bytes(payload)[:9] for _, payload in kept} == sent  # their own bytes
        assert {"malformed", "unknown_device", "wrong_type"} <= {reason for reason, _ in kept}
        unknown = sum(reason == "unknown_device" for reason, _ in kept)
        assert unknown > 0

        listed = command(running, "quarantine", "list")
        assert sum(listed["by_reason"].values()) == n // 100
        shown = command(running, "quarantine", "show", str(listed["messages"][0]["id"]))
        assert shown["payload"]
        running.install([("nobody-knows", "water_level")])
        for expected in (unknown, 0):  # once, however often it is asked for
            done = command(running, "quarantine", "replay", "--reason", "unknown_device")
            assert (done["taken"], done["stored"]) == (expected, expected)
        done = command(running, "quarantine", "replay")
        assert (done["taken"], done["messages"]) == (0, n // 100 - unknown)
        with connect(url) as connection:
            row = connection.execute("SELECT count(*) FROM observation").fetchone()
        assert row == (n - n // 100 + unknown,)
        assert running.server_pid == pid
        gone = command(running, "quarantine", "drop", "--reason", "malformed", "--yes")
        assert gone["deleted"] > 0
        assert "malformed" not in command(running, "quarantine", "list")["by_reason"]
        preview = command(running, "retention", "--dry-run")
        assert preview["dry_run"] is True
        assert preview["dropped_days"] == []


def test_poison_harms_nobody(folder: Path) -> None:
    poison(folder, 2_400)


@pytest.mark.slow
def test_much_poison_harms_nobody(folder: Path) -> None:
    poison(folder, 20_000)
