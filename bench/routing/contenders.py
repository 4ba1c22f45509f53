"""Start those who answer: ours, and Valhalla and OSRM in environments of their own."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol

from bench.interpreters import find_python
from bench.live.child import Child
from bench.pypi import install_python_packages
from bench.routing.peers.answering import Answer
from twin.errors import SetupError

OURS: Final = "gridtwin"
PGROUTING: Final = "pgrouting"
PACKAGES: Final = {"valhalla": "pyvalhalla==3.9.1", "osrm": "osrm-bindings==26.10.0"}
"""Their wheels are for CPython 3.12 and newer."""

NAMES: Final = (OURS, PGROUTING, *PACKAGES)
_LEAST: Final = (3, 12)
_PATIENCE_S: Final = 1800.0


class Contender(Protocol):
    """Who answers requests."""

    def ask(self, do: str, **what: Any) -> Answer:
        """Answer a request; ``error`` in the answer says why there is none."""


class Worker:
    """Who answers in a process of its own."""

    def __init__(self, child: Child) -> None:
        self._child = child

    def ask(self, do: str, **what: Any) -> Answer:
        """Send a request as a line and wait for the line that answers it."""
        self._child.order(json.dumps({"do": do, **what}))
        answer: Answer = json.loads(self._child.answer(_PATIENCE_S))
        return answer


@dataclass(slots=True)
class Peers:
    """Pythons that have a peer, and why those are missing that are."""

    python: dict[str, Path] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)


def find_peers(names: Sequence[str], folder: Path, progress: Callable[[str], None]) -> Peers:
    """Make an environment for each of the peers that need one; say why where it cannot be made."""
    peers = Peers()
    for name in names:
        if name not in PACKAGES:
            continue
        try:
            base = find_python(_LEAST, folder / "pythons", progress)
            peers.python[name] = install_python_packages((PACKAGES[name],), folder / name, progress, base)
        except SetupError as error:
            peers.missing[name] = str(error)
            progress(f"routing: without {name}: {error}")
    return peers


@contextlib.contextmanager
def ours(folder: Path) -> Iterator[Worker]:
    """Run our network."""
    with Child(OURS, [sys.executable, "-m", "bench.routing.ours"], folder) as child:
        yield Worker(child)


@contextlib.contextmanager
def peer(name: str, python: Path, folder: Path) -> Iterator[Worker]:
    """Run a peer."""
    script = Path(__file__).parent / "peers" / f"{name}_worker.py"
    with Child(name, [str(python), "-P", str(script)], folder, env={"PYTHONPATH": ""}) as child:
        yield Worker(child)
