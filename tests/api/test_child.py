from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from api.child import Child, wait_until
from twin.store.bounded_log import MOST_BYTES


def make(tmp_path, program: str) -> Child:
    return Child("the test", [sys.executable, "-c", program], os.environ, tmp_path / "log" / "test.log")


@pytest.fixture
def child(tmp_path):
    made = make(tmp_path, "import time; print('hello', flush=True); time.sleep(60)")
    yield made
    made.stop(1)


def test_runs_logs_and_stops_at_once(child):
    child.start()
    assert wait_until(lambda: child.log.last_lines() == ["hello"], 10)
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
    assert wait_until(lambda: stubborn.log.last_lines() == ["x"], 10)
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


def test_one_that_floods_its_log_fills_no_disk(tmp_path):
    flood = make(tmp_path, "for i in range(700_000): print('Traceback (most recent call last):', i)")
    flood.start()
    assert wait_until(lambda: not flood.alive, 60)
    assert flood.last_words() == "Traceback (most recent call last): 699999"
    sizes = [path.stat().st_size for path in flood.log.path.parent.iterdir()]
    assert len(sizes) == 2
    assert max(sizes) <= MOST_BYTES
