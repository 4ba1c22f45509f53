"""Run commands in the process of the tests, which has loaded what each command takes a second to load."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest


@pytest.fixture
def run_here(monkeypatch, capfd):
    """A function that runs a command as its own process would, and gives what that would have said."""

    def run_here(*arguments: str) -> subprocess.CompletedProcess[str]:
        monkeypatch.setattr(sys, "argv", ["gridtwin", *arguments])
        capfd.readouterr()
        code = importlib.import_module("api.cli.__main__").main()
        return subprocess.CompletedProcess(arguments, code, *capfd.readouterr())

    return run_here
