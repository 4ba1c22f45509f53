from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from api import child as children
from api.child import BackOff, Child, wait_until


def make(tmp_path, program: str) -> Child:
    return Child("the test", [sys.executable, "-c", program], os.environ, tmp_path / "log" / "test.log")


@pytest.fixture
def child(tmp_path):
    made = make(tmp_path, "import time; print('hello', flush=True); time.sleep(60)")
    yield made
    made.stop(1)


def test_runs_logs_and_stops_at_once(child):
    child.start()
    assert wait_until(lambda: "hello" in child.log.read_text(), 10)
    assert child.alive
    begun = time.monotonic()
    child.stop(5)
    assert not child.alive
    assert time.monotonic() - begun < 2
    assert child.how_it_ended == "killed by SIGTERM"


def test_one_that_will_not_go_is_forced(tmp_path):
    stubborn = make(
        tmp_path,
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('x', flush=True)\n"
        "time.sleep(60)",
    )
    stubborn.start()
    assert wait_until(lambda: "x" in stubborn.log.read_text(), 10)
    stubborn.stop(0.3)
    assert stubborn.how_it_ended == "killed by SIGKILL"


def test_says_how_and_why_it_ended(tmp_path):
    failing = make(tmp_path, "import sys; print('gridtwin: the disk is full'); print('more'); sys.exit(3)")
    failing.start()
    assert wait_until(lambda: not failing.alive, 10)
    assert failing.how_it_ended == "exit code 3"
    assert failing.last_words() == "the disk is full"


def test_ctrl_c_does_not_reach_it(child):
    child.start()
    assert os.getpgid(child.pid) != os.getpgid(0)


def test_dies_with_its_parent(tmp_path):
    program = (
        "import sys, time\nfrom pathlib import Path\nfrom api.child import Child\n"
        "child = Child('x', [sys.executable, '-c', 'import time; time.sleep(60)'], {}, Path(sys.argv[1]))\n"
        "child.start()\nprint(child.pid, flush=True)\ntime.sleep(60)\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path / "x.log")],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    pid = int(parent.stdout.readline())
    time.sleep(0.3)
    parent.kill()
    parent.wait()
    assert wait_until(lambda: not Path(f"/proc/{pid}").exists(), 10)


def test_long_log_is_moved_aside_while_it_is_written(child, monkeypatch):
    monkeypatch.setattr(children, "_LOG_MIB", 1)
    child.start()
    assert wait_until(lambda: "hello" in child.log.read_text(), 10)
    with child.log.open("a") as log:
        log.write("x" * (2 << 20))
    child.trim_log()
    assert child.log.stat().st_size == 0
    assert child.log.with_name("test.log.1").stat().st_size > 2 << 20


def test_back_off_doubles_to_half_a_minute_and_is_forgotten():
    back_off = BackOff()
    assert [back_off.next_wait_s(0) for _ in range(7)] == [1, 2, 4, 8, 16, 30, 30]
    assert back_off.next_wait_s(3600) == 1
