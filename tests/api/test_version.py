from __future__ import annotations

import re
from pathlib import Path

from api import version as module


def declared() -> str:
    text = (Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8")
    found = re.search(r'^version = "(.+)"$', text, re.MULTILINE)
    assert found is not None
    return found[1]


def test_it_is_what_the_project_declares():
    module.version.cache_clear()
    assert module.version() == declared()


def test_a_missing_declaration_is_no_failure(monkeypatch, tmp_path):
    monkeypatch.setattr(module, "_PROJECT", tmp_path / "pyproject.toml")
    module.version.cache_clear()
    assert module.version() == "unknown" or re.match(r"\d", module.version())
    module.version.cache_clear()
