"""The laws of the house (docs/architecture.md), kept by reading the code."""

from __future__ import annotations

import ast
import importlib
import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from tests.constant_sql import read_house
from twin.store.locks import Lock

ROOT = Path(__file__).parents[1]
PACKAGES = ("twin", "layers", "ingest", "api")
MODULES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
FORBIDDEN_NAMES = {"utils", "helpers", "common", "services", "manager", "misc"}

# Distribution -> the only place, or places, that may import it.
ONLY_IN = {
    "fastapi": "api/",
    "uvicorn": "api/",
    "starlette": "api/",
    "typer": "api/cli/",
    "pydeck": "layers/",
    "jinja2": "api/residents/",
    "PIL": ("api/photographs/developing.py", "api/cameras/decoding.py", "api/cameras/lettering.py"),
    "av": "api/cameras/decoding.py",
}

# Package -> (its table, the name that a module has when it belongs in the table).
TABLES = {
    "api.cli": ("COMMANDS", "register"),
    "api.routes": ("ROUTERS", "router"),
    "layers": ("LAYERS", "LAYER"),
}


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


@cache
def imported(path: Path) -> frozenset[str]:
    names = set()
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names.add(node.module.split(".")[0])
    return frozenset(names)


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_import_law():
    done = subprocess.run(
        [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(("package", "place"), ONLY_IN.items())
def test_each_library_has_its_place(package, place):
    strays = [
        name(path) for path in MODULES if package in imported(path) and not name(path).startswith(place)
    ]
    assert strays == []


def test_pyproj_only_in_crs():
    assert [name(path) for path in MODULES if "pyproj" in imported(path)] in ([], ["twin/crs.py"])


def test_every_module_begins_with_its_sign():
    unsigned = [name(path) for path in MODULES if not ast.get_docstring(tree(path))]
    assert unsigned == []


def test_no_module_is_named_by_what_it_is_not():
    assert [name(path) for path in MODULES if path.stem in FORBIDDEN_NAMES] == []


def test_environment_is_not_read_at_import():
    """Only function bodies may read the environment; module level and class level may not."""
    strays = []
    for path in MODULES:
        pending: list[ast.AST] = [tree(path)]
        while pending:
            node = pending.pop()
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
                pending += [*node.args.defaults, *(d for d in node.args.kw_defaults if d is not None)]
                continue
            if isinstance(node, ast.Attribute) and node.attr in ("environ", "getenv"):
                strays.append(f"{name(path)}:{node.lineno}")
            pending += ast.iter_child_nodes(node)
    assert strays == []


@pytest.mark.parametrize(("package", "table", "attribute"), [(p, *row) for p, row in TABLES.items()])
def test_every_table_is_complete(package, table, attribute):
    """Each module of the folder that has the thing is in the table, once, and nothing else is."""
    home = importlib.import_module(package)
    rows = getattr(home, table)
    found = []
    for path in sorted((ROOT / package.replace(".", "/")).glob("[!_]*.py")):
        module = importlib.import_module(f"{package}.{path.stem}")
        if hasattr(module, attribute):
            found.append(module.__name__ if isinstance(rows, dict) else id(getattr(module, attribute)))
    assert found
    listed = list(rows.values()) if isinstance(rows, dict) else [id(row) for row in rows]
    assert sorted(listed) == sorted(found)


def test_every_quality_check_is_run():
    quality = importlib.import_module("twin.quality")
    modules = {check.__module__ for check in quality.CHECKS}
    takers = {
        f"twin.quality.{path.stem}"
        for path in (ROOT / "twin" / "quality").glob("[!_]*.py")
        if any(isinstance(n, ast.FunctionDef) and n.name.startswith("check_") for n in tree(path).body)
    }
    assert len(set(quality.CHECKS)) == len(quality.CHECKS)
    assert takers <= modules


def test_tests_mirror_the_house():
    """A test file under tests/<package>/ names a module, or a folder, that exists."""
    strays = []
    for package in PACKAGES:
        for path in (ROOT / "tests" / package).rglob("test_*.py"):
            place = path.parent.relative_to(ROOT / "tests")
            subject = path.stem.removeprefix("test_")
            home = ROOT / place
            words = subject.split("_")
            starts = ["_".join(words[:n]) for n in range(len(words), 0, -1)]
            known = any((home / f"{start}.py").is_file() or (home / start).is_dir() for start in starts)
            if not (known or home.is_dir()):
                strays.append(name(path))
    assert strays == []


MADE_OF_CHECKED_WORDS = {
    "twin.store.scoped.set_scope_sql": "words of ours and ranges of numbers: tests/access/test_scope.py",
    "api.sensorthings.reading.built": "SQLAlchemy binds all values: tests/api/sensorthings/test_filters.py",
}
"""Functions whose statements hold what is not written in the code, and why that can be no injection."""


def test_every_statement_is_made_of_constants():
    """Values reach the database as parameters: no statement holds one, whichever way it would take there."""
    house = read_house(ROOT, (*PACKAGES, "bench"), MADE_OF_CHECKED_WORDS)
    assert len(list(house.takers())) > 400
    assert [str(finding) for finding in house.findings()] == []
    for function in MADE_OF_CHECKED_WORDS:
        module, _, made = function.rpartition(".")
        assert made in house.modules[module].functions


def test_every_advisory_lock_is_in_the_table():
    """Numbers that nobody sees side by side would meet one day. Migrations are the past and hold theirs."""
    code = {
        path: path.read_text(encoding="utf-8")
        for folder in (*PACKAGES, "bench", "tests")
        for path in (ROOT / folder).rglob("*.py")
        if "migrations/versions" not in path.as_posix()
    }
    table = ROOT / "twin" / "store" / "locks.py"
    number = re.compile(r"pg_\w*advisory\w*\((?!hash|\{Lock\.)|\b7105[0-9]{3}\b")
    assert [name(p) for p, text in code.items() if p != table and number.search(text)] == []
    taken = {word for text in code.values() for word in re.findall(r"\{Lock\.(\w+)\}", text)}
    assert taken == set(Lock.__members__)


def test_names_from_outside_are_never_read_as_html():
    """Names of devices and buildings come from files and messages; only our own shapes are markup."""
    raw = ("{@html", "innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(")
    own_markup = {
        "panels/Shape.svelte": "{@html SHAPES[name] ?? SHAPES.unknown}",
        "map/marks.ts": "p.innerHTML = html;",
    }
    web = ROOT / "web" / "src"
    strays = [
        f"{path.relative_to(web)}: {line.strip()}"
        for path in sorted(web.rglob("*"))
        if path.suffix in {".ts", ".svelte"}
        for line in path.read_text(encoding="utf-8").splitlines()
        if any(word in line for word in raw) and own_markup.get(str(path.relative_to(web)), "\0") not in line
    ]
    assert strays == []
