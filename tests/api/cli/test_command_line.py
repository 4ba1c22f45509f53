from __future__ import annotations

import importlib
import json
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest
import typer
from typer.testing import CliRunner

from api.cli import COMMANDS
from api.cli.__main__ import make_app
from api.version import version_line
from twin.store.sockets import free_tcp_port

ROOT = Path(__file__).parents[3]
LONG_RUNNING = ("up", "serve")
GROUPS = (
    *("import", "user", "duty", "device", "gateway", "camera", "audit", "person", "conformance"),
    "quarantine",
)


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command as a process of its own."""
    command = [sys.executable, "-m", "api.cli", *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=120, check=False)


def options_of(command: typer.core.TyperGroup, *names: str) -> set[str]:
    for name in names:
        command = command.commands[name]
    return {option for parameter in command.params for option in parameter.opts}


@pytest.fixture(scope="module")
def group():
    return typer.main.get_command(make_app())


def test_all_commands_are_there(group):
    assert sorted(group.commands) == sorted(COMMANDS)


@pytest.mark.parametrize("name", [name for name in COMMANDS if name not in GROUPS])
def test_every_command_takes_a_data_dir(group, name):
    assert "--data-dir" in options_of(group, name)


@pytest.mark.parametrize("name", ["osm", "vector", "devices", "cameras"])
def test_every_import_takes_a_data_dir_and_answers_json(group, name):
    assert {"--data-dir", "--json", "--database-url"} <= options_of(group, "import", name)


@pytest.mark.parametrize("group_name", ["user", "duty", "audit", "person", "camera"])
def test_every_act_on_accounts_and_the_record_takes_a_data_dir_and_answers_json(group, group_name):
    commands = group.commands[group_name].commands
    assert commands
    for name in commands:
        assert {"--data-dir", "--json", "--database-url"} <= options_of(group, group_name, name)


@pytest.mark.parametrize("name", LONG_RUNNING)
def test_long_running_commands_take_the_same_options(group, name):
    wanted = {"--port", "--host", "--no-browser", "--city", "--no-demo", "--devices", "--database-url"}
    assert wanted <= options_of(group, name)


@pytest.mark.parametrize("name", COMMANDS)
def test_help_is_there_and_light(name):
    done = CliRunner().invoke(make_app(), [name, "--help"])
    assert done.exit_code == 0
    assert "Usage" in done.output


def test_help_loads_nothing_heavy():
    program = (
        "import sys, contextlib, io\nfrom api.cli.__main__ import make_app\nmake_app()\n"
        "print(sorted({'numpy', 'sqlalchemy', 'geopandas', 'fastapi', 'pydantic'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=True
    )
    assert done.stdout.strip() == "[]"


def test_version_is_told_and_light():
    done = run("--version")
    assert done.returncode == 0
    assert done.stdout.strip() == version_line()
    assert done.stderr == ""


@pytest.mark.parametrize(
    "command",
    [
        ("check",),
        ("check", "--json"),
        ("simulate",),
        ("simulate", "--devices", "5"),
        ("simulate", "--site-only"),
        ("user", "add", "zhang.san"),
        ("user", "list", "--json"),
        ("audit", "verify"),
        ("audit", "prune", "--days", "200"),
        ("person", "erase", "--case", "A-1", "--reason", "asked for"),
    ],
)
def test_a_mistyped_data_dir_is_refused_and_nothing_is_made(run_here, tmp_path, command):
    mistyped = tmp_path / "mistyped"
    done = run_here(*command, "--data-dir", str(mistyped))
    assert done.returncode == 1
    assert str(mistyped) in done.stderr
    assert "gridtwin up" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not mistyped.exists()


@pytest.mark.postgis
def test_a_database_without_gridtwin_is_refused_and_nothing_is_made(database):
    cluster = database.cluster
    with psycopg.connect(
        cluster.database_url("postgres").replace("+psycopg", ""), autocommit=True
    ) as connection:
        connection.execute("CREATE DATABASE somebody_elses")
    url = cluster.database_url("somebody_elses").replace("+psycopg", "")
    done = run("check", "--database-url", url)
    assert done.returncode == 1
    assert "holds no GridTwin" in done.stderr
    with psycopg.connect(url) as connection:
        assert connection.execute(
            "SELECT count(*) FROM pg_extension WHERE extname = 'postgis'"
        ).fetchone() == (0,)


@pytest.mark.parametrize(("option", "whose"), [("--port", ""), ("--mqtt-port", " of the broker")])
def test_taken_port_is_one_line_before_anything_is_made(tmp_path, option, whose):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        ports = ("--port", str(free_tcp_port()), option, str(port))
        done = run("up", *ports, "--data-dir", str(tmp_path / "data"), "--no-browser")
    assert done.returncode == 1
    assert f"port {port}{whose} is taken" in done.stderr
    assert option in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("up", "--host", "203.0.113.7"), "no address of this machine"),
        (("up", "--host", "no.such.host.invalid"), "no address of this machine"),
        (("up", "--city", "/no/such.pbf"), "there is no such file"),
        (("up", "--city", str(ROOT / "pyproject.toml")), "OpenStreetMap"),
        (("up", "--port", "99999"), "--port"),
        (("up", "--database-url", "mysql://a/b"), "only PostgreSQL"),
        (("check", "--database-url", "postgresql://me@127.0.0.1:1/x"), "cannot be reached"),
        (("check", "--data-dir", "/proc/nowhere"), "/proc/nowhere"),
        (("no-such-command",), "No such command"),
    ],
)
def test_mistakes_get_a_clear_line_and_no_traceback(run_here, arguments, message):
    done = run_here(*arguments)
    assert done.returncode != 0
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not done.stdout


def test_errors_are_json_where_json_was_asked_for(run_here):
    done = run_here("check", "--json", "--database-url", "postgresql://me:secret@127.0.0.1:1/x")
    assert done.returncode == 1
    error = json.loads(done.stdout)["error"]
    assert "cannot be reached" in error["what"]
    assert "secret" not in done.stdout + done.stderr
    assert error["hint"]


@pytest.mark.parametrize("delay_s", [0.0, 0.02, 0.05, 0.1, 0.2, 0.4, 0.8])
def test_ctrl_c_at_any_moment_is_one_line(delay_s, tmp_path):
    """Started as the launcher does: the signal is held back until the command line can take it."""
    ready = tmp_path / "began"
    program = (
        "import os, pathlib, signal, sys\nsignal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})\n"
        f"pathlib.Path({str(ready)!r}).touch()\n"
        "os.execv(sys.executable, [sys.executable, '-P', '-m', 'api.cli', 'check', '--database-url', "
        "'postgresql://me@192.0.2.1/x'])"  # an address nobody answers at
    )
    process = subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.PIPE, text=True, cwd=ROOT)
    while not ready.exists():
        time.sleep(0.005)
    time.sleep(delay_s)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    if "cannot be reached" in said:
        pytest.skip("the network refused sooner than we interrupted")
    assert said.strip() == "gridtwin: stopped"
    assert process.returncode in (130, -signal.SIGINT), "a shell calls both 130"


def test_a_fault_of_ours_is_one_line_with_a_file(monkeypatch, capsys):
    main = importlib.import_module("api.cli.__main__")

    def broken(**_options: str) -> None:
        raise ValueError("an unexpected thing\nand its second line")

    monkeypatch.setattr(main, "make_app", lambda: broken)
    assert main.main() == 1
    line = capsys.readouterr().err
    assert "an unexpected thing" in line
    assert len(line.splitlines()) == 1
    path = Path(line.strip().rsplit(" ", 1)[-1])
    assert "Traceback" in path.read_text()
    path.unlink()
