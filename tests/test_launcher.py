from __future__ import annotations

import ast
import importlib.machinery
import importlib.util
import os
import re
import resource
import signal
import subprocess
import sys
import time
from collections import namedtuple
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LAUNCHER = ROOT / "gridtwin"
Version = namedtuple("Version", "major minor micro")


@pytest.fixture
def launcher(tmp_path, monkeypatch):
    """The launcher as a module, at work in a project folder of its own."""
    loader = importlib.machinery.SourceFileLoader("launcher_under_test", str(LAUNCHER))
    spec = importlib.util.spec_from_loader(loader.name, loader)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    loader.exec_module(module)
    for name, path in {
        "ROOT": tmp_path,
        "VENV": tmp_path / ".venv",
        "VENV_PYTHON": tmp_path / ".venv" / "bin" / "python",
        "STATE": tmp_path / ".setup",
        "LOG": tmp_path / ".setup" / "setup.log",
        "WEB": tmp_path / "web",
    }.items():
        monkeypatch.setattr(module, name, str(path))
    (tmp_path / "requirements.lock").write_text("")
    (tmp_path / "requirements-test.lock").write_text("")
    (tmp_path / ".setup").mkdir()
    return module


def project(folder: Path) -> Path:
    """A project that is set up already and whose command line prints its arguments."""
    (folder / "gridtwin").write_bytes(LAUNCHER.read_bytes())
    (folder / "gridtwin").chmod(0o755)
    for lock in ("requirements.lock", "requirements-test.lock"):
        (folder / lock).write_bytes((ROOT / lock).read_bytes())
    (folder / "api" / "cli").mkdir(parents=True)
    (folder / "api" / "cli" / "__main__.py").write_text("import sys\nprint('ran', sys.argv[1:])\n")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder / ".venv")], check=True)
    site = next((folder / ".venv" / "lib").glob("python3*/site-packages"))
    (site / "gridtwin.pth").write_text(f"{folder}\n")
    stamp = f"""
import importlib.machinery, importlib.util, sys
sys.dont_write_bytecode = True
loader = importlib.machinery.SourceFileLoader("l", {str(folder / "gridtwin")!r})
m = importlib.util.module_from_spec(importlib.util.spec_from_loader("l", loader)); loader.exec_module(m)
import os; os.makedirs(m.STATE, exist_ok=True)
m.write_text(m.STATE + "/python.stamp", m.python_stamp("requirements.lock") + "\\n")
"""
    subprocess.run([sys.executable, "-c", stamp], check=True)
    return folder / "gridtwin"


def test_old_pythons_can_read_it():
    ast.parse(LAUNCHER.read_text(encoding="utf-8"), feature_version=(3, 6))


def test_needs_only_the_standard_library():
    tree = ast.parse(LAUNCHER.read_text(encoding="utf-8"))
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    names |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name.split(".")[0] for name in names} <= sys.stdlib_module_names


def test_is_executable_and_prints_usage_before_any_set_up(tmp_path):
    copy = tmp_path / "gridtwin"
    copy.write_bytes(LAUNCHER.read_bytes())
    copy.chmod(0o755)
    assert os.access(LAUNCHER, os.X_OK)
    done = subprocess.run([sys.executable, str(copy), "--help"], capture_output=True, text=True, check=True)
    assert "usage: gridtwin COMMAND" in done.stdout
    assert sorted(path.name for path in tmp_path.iterdir()) == ["gridtwin"]


def test_a_prepared_project_starts_at_once_and_passes_arguments(tmp_path):
    program = project(tmp_path)
    command = [sys.executable, str(program), "simulate", "--devices", "5", "a file"]
    subprocess.run(command, check=True, capture_output=True)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd="/")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.stdout == "ran ['simulate', '--devices', '5', 'a file']\n"
    assert done.stderr == ""
    spent_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    assert spent_s < 0.3  # of processor time, two interpreters included


def test_a_changed_lock_is_seen(launcher, tmp_path):
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / "bin" / "python").symlink_to(sys.executable)
    stamp = tmp_path / ".setup" / "python.stamp"
    stamp.write_text(launcher.python_stamp("requirements.lock"))
    assert launcher.environment_is_ready("requirements.lock")
    (tmp_path / "requirements.lock").write_text("numpy==1\n")
    assert not launcher.environment_is_ready("requirements.lock")


@pytest.mark.parametrize("version", [(3, 6, 9), (3, 10, 14), (3, 15, 0)])
def test_wrong_python_is_one_clear_line(launcher, monkeypatch, version):
    monkeypatch.setattr(sys, "version_info", Version(*version))
    monkeypatch.setattr(launcher.shutil, "which", lambda *_args, **_named: None)
    with pytest.raises(launcher.SetupError, match=r"Python 3\.11 to 3\.14 is needed") as caught:
        launcher.main(["up"])
    assert "\n" not in str(caught.value)
    assert "apt-get install" in str(caught.value)


def test_wrong_python_takes_a_right_one_from_the_path(launcher, monkeypatch):
    right = f"python3.{sys.version_info[1]}"
    monkeypatch.setattr(sys, "version_info", Version(3, 9, 2))
    monkeypatch.setattr(
        launcher.shutil, "which", lambda name, **_named: sys.executable if name == right else None
    )
    started = []

    def become(path, arguments):
        started.append((path, arguments))
        raise SystemExit

    monkeypatch.setattr(launcher.os, "execv", become)
    with pytest.raises(SystemExit):
        launcher.main(["up", "--no-demo"])
    assert started == [
        (sys.executable, [sys.executable, str(Path(launcher.ROOT) / "gridtwin"), "up", "--no-demo"])
    ]


def test_a_python_that_is_not_what_its_name_says_is_not_taken(launcher, monkeypatch):
    wrong = f"python3.{launcher.NEWEST[1] if sys.version_info[1] != launcher.NEWEST[1] else 13}"
    monkeypatch.setattr(sys, "version_info", Version(3, 9, 2))
    monkeypatch.setattr(
        launcher.shutil, "which", lambda name, **_named: sys.executable if name == wrong else None
    )
    with pytest.raises(launcher.SetupError, match="no other is on the PATH"):
        launcher.find_python()


def test_disk_full_is_said_before_anything_is_installed(launcher, monkeypatch):
    monkeypatch.setattr(launcher.shutil, "disk_usage", lambda _path: namedtuple("U", "free")(100 * 2**20))
    monkeypatch.setattr(launcher, "install_system_packages", lambda _missing: pytest.fail("went on"))
    with pytest.raises(launcher.SetupError, match="only 100 MB are free"):
        launcher.prepare("up", False)


def test_no_right_to_install_names_the_command_for_an_administrator(launcher, monkeypatch):
    monkeypatch.setattr(launcher.os, "geteuid", lambda: 1000)
    monkeypatch.setattr(launcher.shutil, "which", lambda *_args, **_named: None)
    with pytest.raises(launcher.SetupError, match="apt-get install mosquitto"):
        launcher.root_prefix(["mosquitto"])


def test_system_without_apt_names_what_to_install(launcher, monkeypatch):
    monkeypatch.setattr(launcher.shutil, "which", lambda *_args, **_named: None)
    monkeypatch.setattr(launcher.sys, "platform", "darwin")
    with pytest.raises(launcher.SetupError, match="brew install postgis pgrouting mosquitto"):
        launcher.install_system_packages(["postgres", "mosquitto"])


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_read_only_tree(launcher, tmp_path):
    (tmp_path / ".setup").rmdir()
    tmp_path.chmod(0o555)
    try:
        with pytest.raises(launcher.SetupError, match="must write here"):
            launcher.prepare("check", True)
    finally:
        tmp_path.chmod(0o755)


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["Err:1 x", "  Temporary failure resolving 'mirror'", "E: Failed to fetch x"], "no network"),
        (["WARNING: Retrying", "NewConnectionError('x')", "ERROR: No matching distribution"], "no network"),
        (["npm error code ENOTFOUND", "npm error errno ENOTFOUND"], "no network"),
        (["a", "ERROR: Could not install packages: [Errno 28] No space left on device"], "the disk is full"),
        (["Reading...", "E: Unable to locate package x"], "E: Unable to locate package x"),
        (["npm error code EUSAGE", "npm error the lock does not fit", "npm error more"], "the lock does not"),
        ([], "it said nothing"),
    ],
)
def test_reason_of_a_failed_command(launcher, lines, expected):
    assert expected in launcher.reason(lines)


def test_failing_pip_is_one_line_with_the_log_and_the_next_start_begins_again(launcher, tmp_path):
    def make_broken() -> None:
        python = tmp_path / ".venv" / "bin" / "python"
        python.parent.mkdir(parents=True, exist_ok=True)
        python.write_text(
            "#!/bin/sh\necho 'Collecting a'\necho 'ERROR: THESE PACKAGES DO NOT MATCH THE HASHES'\nexit 1\n"
        )
        python.chmod(0o755)
        version = "python{}.{}".format(*sys.version_info[:2])
        (tmp_path / ".venv" / "lib" / version / "site-packages" / "pip").mkdir(parents=True)

    make_broken()
    with pytest.raises(launcher.SetupError, match="DO NOT MATCH THE HASHES") as caught:
        launcher.make_environment("requirements.lock")
    assert "setup.log" in str(caught.value)
    assert "Collecting a" in (tmp_path / ".setup" / "setup.log").read_text()
    assert not (tmp_path / ".setup" / "python.stamp").exists()
    # The half-made environment is not trusted: it is made afresh, and an empty lock then installs.
    launcher.make_environment("requirements.lock")
    assert launcher.environment_is_ready("requirements.lock")
    site = next((tmp_path / ".venv" / "lib").glob("python3*/site-packages"))
    assert (site / "gridtwin.pth").read_text().strip() == str(tmp_path)


def test_interrupt_leaves_no_stamp_and_one_line(tmp_path):
    program = project(tmp_path)
    (tmp_path / ".setup" / "python.stamp").unlink()
    python = tmp_path / ".venv" / "bin" / "python"
    site = next((tmp_path / ".venv" / "lib").glob("python3*/site-packages"))
    (site / "pip").mkdir()
    python.unlink()
    python.write_text("#!/bin/sh\nexec sleep 30\n")
    python.chmod(0o755)
    started = subprocess.Popen(
        [sys.executable, str(program), "simulate"], stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    line = started.stderr.readline()
    assert "Installing Python packages" in line
    time.sleep(0.2)
    os.killpg(started.pid, signal.SIGINT)
    rest = started.communicate(timeout=20)[1]
    assert started.returncode == 130
    assert "stopped" in rest
    assert "Traceback" not in rest
    assert not (tmp_path / ".setup" / "python.stamp").exists()


def test_two_set_ups_take_turns(launcher, tmp_path):
    program = "import fcntl, sys\nfcntl.flock(open(sys.argv[1], 'w'), fcntl.LOCK_EX | fcntl.LOCK_NB)"
    command = [sys.executable, "-c", program, str(tmp_path / ".setup" / "lock")]
    with launcher.setup_lock():
        other = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "BlockingIOError" in other.stderr


def test_what_a_killed_set_up_started_is_waited_for(tmp_path):
    program = project(tmp_path)
    (tmp_path / ".setup" / "python.stamp").unlink()
    python = tmp_path / ".venv" / "bin" / "python"
    site = next((tmp_path / ".venv" / "lib").glob("python3*/site-packages"))
    (site / "pip").mkdir()
    python.unlink()
    python.write_text(f"#!/bin/sh\necho $$ > {tmp_path}/orphan\nexec sleep 60\n")
    python.chmod(0o755)
    command = [sys.executable, str(program), "simulate"]
    killed = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 20
    while not (tmp_path / "orphan").exists() or not (tmp_path / "orphan").read_text().strip():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    killed.kill()
    killed.wait()
    orphan = int((tmp_path / "orphan").read_text())
    following = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        assert "Another set-up is running" in following.stderr.readline()
        os.kill(orphan, signal.SIGKILL)
        orphan = None
        assert "Making the virtual environment" in following.stderr.readline()  # half of one is not trusted
    finally:
        following.terminate()
        following.communicate(timeout=20)
        if orphan is not None:
            os.kill(orphan, signal.SIGKILL)


def test_apt_progress_is_read(launcher):
    progress = type("P", (), {"share": None, "detail": ""})()
    launcher.follow_apt(progress, "dlstatus:1:50.0:Retrieving file 1 of 2")
    assert progress.share == pytest.approx(0.25)
    launcher.follow_apt(progress, "pmstatus:mosquitto:100.0:Installed mosquitto")
    assert progress.share == pytest.approx(1.0)
    launcher.follow_apt(progress, "Setting up mosquitto (2.0.11) ...")
    assert progress.detail == "Installed mosquitto"


def test_web_build_is_made_once_and_again_after_a_change(launcher, tmp_path):
    web = tmp_path / "web"
    (web / "src").mkdir(parents=True)
    (web / "package.json").write_text("{}")
    (web / "package-lock.json").write_text('{"packages": {"": {}}}')
    (web / "src" / "a.ts").write_text("1")
    npm = tmp_path / ".venv" / "bin" / "npm"
    npm.parent.mkdir(parents=True)
    npm.write_text(
        "#!/bin/sh\necho $1 $2 >> ../calls\nif [ $1 = ci ]; then mkdir -p node_modules\n"
        "else mkdir -p dist; touch dist/index.html; fi\n"
    )
    npm.chmod(0o755)
    calls = tmp_path / "calls"
    launcher.build_web("up")
    assert calls.read_text().splitlines() == ["ci --ignore-scripts", "run build"]
    launcher.build_web("up")
    assert len(calls.read_text().splitlines()) == 2
    (web / "src" / "a.ts").write_text("2")
    launcher.build_web("up")
    assert calls.read_text().splitlines()[2:] == ["run build"]
    (web / "package-lock.json").write_text('{"packages": {"": {}, "x": {}}}')
    launcher.build_web("up")
    assert calls.read_text().splitlines()[3:] == ["ci --ignore-scripts", "run build"]


def test_install_script_never_overwrites_what_it_did_not_write():
    text = LAUNCHER.read_text(encoding="utf-8")
    script = re.search(r'INSTALL = r"""(.*?)"""', text, re.DOTALL).group(1)
    done = subprocess.run(["sh", "-n"], input=script, text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert '[ ! -e "$policy" ]' in script
    assert "[ ! -e /etc/postgresql-common/createcluster.conf ]" in script
