from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from twin.store.bounded_log import BoundedLog


def print_to(log: BoundedLog, program: str) -> int:
    with log.pipe() as writing:
        process = subprocess.Popen([sys.executable, "-c", program], stdout=writing, stderr=writing)
    code = process.wait(30)
    log.last_lines(5)
    return code


def test_a_flood_stays_within_two_files_and_keeps_the_newest(tmp_path: Path) -> None:
    log = BoundedLog(tmp_path / "log" / "a.log", most_bytes=100_000)
    assert print_to(log, "for i in range(200_000): print(f'line {i:07d} with some words')") == 0
    new, old = tmp_path / "log" / "a.log", tmp_path / "log" / "a.log.1"
    assert sorted(p.name for p in (tmp_path / "log").iterdir()) == ["a.log", "a.log.1"]
    assert new.stat().st_size <= 100_000
    assert old.stat().st_size <= 100_000
    kept = (old.read_text() + new.read_text()).splitlines()
    numbers = [int(line.split()[1]) for line in kept[1:]]
    assert numbers == list(range(numbers[0], 200_000)), "no line of the newest is missing"
    assert log.last_lines()[-1].startswith("line 0199999")


def test_a_former_run_stays_before_the_next_and_only_this_one_is_quoted(tmp_path: Path) -> None:
    log = BoundedLog(tmp_path / "a.log")
    print_to(log, "print('first')")
    print_to(log, "import sys; print('second', file=sys.stderr)")
    assert (tmp_path / "a.log").read_text() == "first\nsecond\n"
    assert log.last_lines() == ["second"]


def test_a_disk_that_takes_nothing_does_not_stop_the_program(tmp_path: Path) -> None:
    (tmp_path / "a.log").symlink_to("/dev/full")
    log = BoundedLog(tmp_path / "a.log")
    assert print_to(log, "for i in range(100_000): print('x' * 20)") == 0
    assert log.last_lines()[-1] == "x" * 20


def test_nothing_is_left_open(tmp_path: Path) -> None:
    log = BoundedLog(tmp_path / "a.log")
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(5):
        print_to(log, "print('x')")
    assert len(list(Path("/proc/self/fd").iterdir())) == before
