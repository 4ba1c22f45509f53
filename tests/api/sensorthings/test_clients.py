"""Clients that others wrote, each in an environment of its own, against a running server.

They are not in the lock: frost-sta-client needs a package that has no wheel, aio-sensorthings a newer Python.
"""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.api.conftest import fill_city, serving
from tests.api.sensorthings.conftest import program

pytestmark = [pytest.mark.postgis, pytest.mark.slow, pytest.mark.timeout(600)]

SCRIPTS = Path(__file__).parent / "clients"
GRID = "510105001001001"


def python_with(folder: Path, python: str | None, *packages: str) -> Path:
    """Make an environment with packages; skip where that cannot be done here."""
    if python is None:
        pytest.skip("this client needs Python 3.13, which is not on this machine")
    made = folder / "client"
    for command in (
        [python, "-m", "venv", str(made)],
        [str(made / "bin" / "python"), "-m", "pip", "install", "-q", *packages],
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
        if done.returncode:
            pytest.skip(f"{' '.join(packages)} cannot be installed here: {done.stderr[-300:]}")
    return made / "bin" / "python"


async def run(python: Path, script: str, *arguments: str) -> str:
    process = await asyncio.create_subprocess_exec(
        str(python), "-I", str(SCRIPTS / script), *arguments,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    printed, _ = await asyncio.wait_for(process.communicate(), 300)
    text = printed.decode(errors="replace")
    assert process.returncode == 0, text[-4000:]
    return text


async def test_frost_sta_client(served, tmp_path):
    python = await asyncio.to_thread(python_with, tmp_path, sys.executable, "frost-sta-client==1.1.53")
    name, token = await program(served, "integrator", GRID)
    assert "all done" in await run(python, "frost.py", f"{served.url}/sta/v1.1", name, token)


async def test_gdal_reads_what_sensorthings_declared(served):
    """OWSLib is not here: of what it speaks (WFS, WMS, CSW, OGC API) this server serves nothing."""
    _, token = await program(served, "integrator", GRID)
    _, reader = await program(served, "planner", GRID)
    assert "all done" in await run(Path(sys.executable), "ogr.py", served.url, token, reader)


async def test_aio_sensorthings_copies_one_server_into_another_and_follows_it(served, database, tmp_path):
    packages = ("aio-sensorthings[all]==0.8.0",)
    python = await asyncio.to_thread(python_with, tmp_path, python_3_13(), *packages)
    other = database.fresh()
    fill_city(other)
    async with serving(other, tmp_path / "other") as target:
        # What is to be copied is of the first server alone; a device of both would be the same number twice.
        await target.run_sql("DELETE FROM device WHERE kind <> 'worker'")
        source, sink = [await program(one, "integrator", GRID) for one in (served, target)]
        printed = await run(python, "aio.py", f"{served.url}/sta", *source, f"{target.url}/sta", *sink)
        assert "all done" in printed
        kinds = "SELECT uid, kind FROM device WHERE kind <> 'worker' AND scope_code > 0 ORDER BY uid"
        copied = await target.run_sql(kinds)
        assert [row for row in await served.run_sql(kinds) if row in copied] == copied
        assert len(copied) >= 3


def python_3_13() -> str | None:
    """Return a Python 3.13 of this machine."""
    for found in (
        *Path("~/.pyenv/versions").expanduser().glob("3.13*/bin/python3.13"),
        shutil.which("python3.13"),
    ):
        if found and subprocess.run([str(found), "-c", ""], check=False, capture_output=True).returncode == 0:
            return str(found)
    return None
