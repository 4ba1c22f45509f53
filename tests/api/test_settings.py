from __future__ import annotations

from pathlib import Path

import pytest

from api import settings as module
from api.settings import read_settings
from twin.errors import InvalidError, UnavailableError


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch):
    for name in ("PORT", "HOST", "DATA_DIR", "DATABASE_URL", "DEVICES"):
        monkeypatch.delenv(f"GRIDTWIN_{name}", raising=False)


def test_defaults_listen_on_this_machine_only():
    settings = read_settings()
    assert (settings.host, settings.port, settings.database_url) == ("127.0.0.1", 8000, None)


def test_command_line_beats_environment_beats_default(monkeypatch):
    monkeypatch.setenv("GRIDTWIN_PORT", "9001")
    assert read_settings(port=None).port == 9001
    assert read_settings(port=9002).port == 9002


@pytest.mark.parametrize(
    ("uid", "variable", "expected"),
    [
        (0, "/data", Path("/var/lib/gridtwin")),
        (1000, "/data", Path("/data/gridtwin")),
        (1000, "relative", Path("/home/me/.local/share/gridtwin")),
        (1000, "", Path("/home/me/.local/share/gridtwin")),
    ],
)
def test_data_dir(monkeypatch, uid, variable, expected):
    monkeypatch.setattr(module.os, "geteuid", lambda: uid)
    monkeypatch.setenv("XDG_DATA_HOME", variable)
    monkeypatch.setenv("HOME", "/home/me")
    assert read_settings().data_dir == expected


def test_wrong_values_name_their_source(monkeypatch):
    with pytest.raises(InvalidError, match="--port"):
        read_settings(port=70000)
    monkeypatch.setenv("GRIDTWIN_PORT", "many")
    with pytest.raises(InvalidError, match="GRIDTWIN_PORT"):
        read_settings()


def test_password_is_not_shown():
    settings = read_settings(database_url="postgresql://me:pass-7f3a@host/db", oidc_client_secret="word-9c1e")
    assert "pass-7f3a" not in repr(settings)
    assert "word-9c1e" not in repr(settings)
    assert settings.database_url_text.endswith("pass-7f3a@host/db")


def test_private_database_must_run(tmp_path):
    with pytest.raises(UnavailableError, match="no database runs"):
        _ = read_settings(data_dir=tmp_path).database_url_text


def test_running_private_database_is_found(database):
    settings = read_settings(data_dir=database.cluster.data_dir)
    assert settings.database_url_text == database.cluster.url


def test_only_a_server_that_other_machines_reach_takes_any_name(tmp_path):
    own = {"localhost", "127.0.0.1", "::1"}
    assert read_settings(data_dir=tmp_path).host_names == own
    assert read_settings(data_dir=tmp_path, host="0.0.0.0").host_names == frozenset()
    named = read_settings(data_dir=tmp_path, allowed_hosts=" Twin.local, wall ")
    assert named.host_names == own | {"twin.local", "wall"}
