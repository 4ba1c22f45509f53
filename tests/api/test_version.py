from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from api import version as module


def declared() -> str:
    text = (Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8")
    found = re.search(r'^version = "(.+)"$', text, re.MULTILINE)
    assert found is not None
    return found[1]


def test_it_is_what_the_project_declares():
    module.version.cache_clear()
    assert module.version() == declared()


def git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", "-c", "user.name=t", "-c", "user.email=t@t", *arguments],
        cwd=folder,
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout.strip()


@pytest.fixture
def checkout(tmp_path, monkeypatch) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    git(folder, "init", "-q")
    git(folder, "commit", "-q", "--allow-empty", "-m", "one")
    monkeypatch.setattr(module, "_PROJECT", folder / "pyproject.toml")
    return folder


def test_the_commit_is_the_one_git_says(checkout):
    head = git(checkout, "rev-parse", "HEAD")
    assert module.commit() == head[:12]
    git(checkout, "pack-refs", "--all")
    assert module.commit() == head[:12]
    git(checkout, "checkout", "-q", "--detach")
    assert module.commit() == head[:12]


def test_the_commit_of_a_second_work_tree(checkout, monkeypatch):
    other = checkout.parent / "other"
    git(checkout, "worktree", "add", "-q", str(other), "-b", "side/branch")
    git(other, "commit", "-q", "--allow-empty", "-m", "two")
    monkeypatch.setattr(module, "_PROJECT", other / "pyproject.toml")
    assert module.commit() == git(other, "rev-parse", "HEAD")[:12] != git(checkout, "rev-parse", "HEAD")[:12]


def test_without_git_there_is_only_the_version(tmp_path, monkeypatch):
    before = module.version()
    monkeypatch.setattr(module, "_PROJECT", tmp_path / "pyproject.toml")
    assert module.commit() == ""
    assert module.version_line() == f"gridtwin {before}"


def test_a_missing_declaration_is_no_failure(monkeypatch, tmp_path):
    monkeypatch.setattr(module, "_PROJECT", tmp_path / "pyproject.toml")
    module.version.cache_clear()
    assert module.version() == "unknown" or re.match(r"\d", module.version())
    module.version.cache_clear()
