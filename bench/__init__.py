"""Measure the product on this machine, beside its peers: one module a benchmark, listed in `BENCHES`.

Every benchmark module has a frozen dataclass ``Options`` (its fields are the command-line options, each
with a ``help`` in its metadata), ``run(options, progress) -> dict`` (a result that can be written as
JSON) and ``tables(result) -> list[Table]`` (the same result for people).
"""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

from bench.machine import describe_machine
from bench.report import Table
from twin.errors import InvalidError, SetupError

BENCHES: dict[str, str] = {
    "live": "bench.live",
    "tiles": "bench.tiles",
    "front": "bench.front",
    "import": "bench.importing",
    "partition": "bench.partition",
    "access": "bench.access",
    "ingest": "bench.ingest",
    "anomaly": "bench.anomaly",
    "fences": "bench.fences",
    "repeats": "bench.repeats",
    "gatherings": "bench.gatherings",
    "exchange": "bench.exchange",
    "storm": "bench.storm",
    "routing": "bench.routing",
    "dispatch": "bench.dispatch",
}
"""Name of the benchmark -> module that holds it."""

_QUIET_LOAD = 0.3
"""Load a core above which a run is said to be disturbed from its start."""

Progress = Callable[[str], None]


def load(name: str) -> ModuleType:
    """Import one benchmark.

    Raises
    ------
    InvalidError
        There is no benchmark of this name.
    SetupError
        A package of the test dependencies is missing.
    """
    if name not in BENCHES:
        raise InvalidError(f"there is no benchmark {name!r}", hint=f"choose one of {', '.join(BENCHES)}")
    try:
        return importlib.import_module(BENCHES[name])
    except ModuleNotFoundError as error:
        if error.name in {"psutil", "playwright"}:
            raise SetupError(
                f"{error.name} is not installed", hint="install the test dependencies: ./gridtwin test does"
            ) from None
        raise


def make_options(name: str, values: Mapping[str, Any]) -> Any:
    """Make the options of a benchmark from plain values; what is not given keeps its default.

    Raises
    ------
    InvalidError
        An option is unknown or its value is refused.
    """
    kind = load(name).Options
    known = {field.name for field in dataclasses.fields(kind)}
    unknown = sorted(set(values) - known)
    if unknown:
        raise InvalidError(
            f"bench {name} has no option {', '.join(unknown)}", hint=f"it has {', '.join(sorted(known))}"
        )
    return kind(**values)


def run(
    name: str, options: Mapping[str, Any] | None = None, progress: Progress = lambda _line: None
) -> dict[str, Any]:
    """Run one benchmark and give its result, with the machine it was measured on.

    Parameters
    ----------
    name
        A key of `BENCHES`.
    options
        Fields of the benchmark's ``Options`` by name.
    progress
        Called with a line of plain words at each step.

    Raises
    ------
    TwinError
        The options are wrong, a program is missing, or a part did not start; what, where and what to do.
    """
    module = load(name)
    chosen = make_options(name, options or {})
    machine = describe_machine()
    if machine["load_average"][0] > _QUIET_LOAD * machine["cores"]:
        progress(
            f"this machine is busy (load {machine['load_average'][0]} on {machine['cores']} cores): "
            "do not quote these figures"
        )
    result: dict[str, Any] = module.run(chosen, progress)
    result["machine_after"] = {"load_average": describe_machine()["load_average"]}
    return {"bench": name, "machine": machine, "options": dataclasses.asdict(chosen), **result}


def tables(result: Mapping[str, Any]) -> list[Table]:
    """Give the tables that show a result to a person."""
    shown: list[Table] = load(str(result["bench"])).tables(result)
    return shown
