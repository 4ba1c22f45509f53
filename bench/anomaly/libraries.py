"""Let libraries of others score the same series, in an environment and a process of their own."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from bench.anomaly.judging import Variant
from bench.anomaly.nab import LabelledSeries
from bench.pypi import install_python_packages
from twin.errors import UnavailableError

PACKAGES: Final = ("river==0.26.1", "scikit-learn==1.9.1", "statsmodels==0.15.0", "stumpy==1.14.1")

# 29 December 1969, a Monday: what the scores know of weeks.
_MONDAY_US: Final = -3 * 86_400_000_000


@dataclass(slots=True)
class Library:
    """The settings of one library that were tried, and the most that one of them cost."""

    variants: list[Variant]
    us_per_reading: float = 0.0
    bytes_per_series: int = 0


def score_with_libraries(
    every: Mapping[str, LabelledSeries],
    folder: Path,
    progress: Callable[[str], None],
    names: Sequence[str] = (),
) -> dict[str, Library]:
    """Score every series with every library, or with those that are named.

    Raises
    ------
    SetupError
        The libraries could not be installed.
    UnavailableError
        The process failed.
    """
    python = install_python_packages(PACKAGES, folder / "libraries", progress)
    source, target = folder / "series.json", folder / "scores.json"
    series = {
        name: {"minutes": ((one.time_us - _MONDAY_US) / 60e6).tolist(), "values": one.value.tolist()}
        for name, one in every.items()
    }
    source.write_text(json.dumps(series), encoding="utf-8")
    progress(f"anomaly: scoring {len(every)} series with {', '.join(names) or 'the libraries'}")
    script = Path(__file__).parent / "peers" / "scores.py"
    done = subprocess.run(
        [str(python), "-P", str(script), str(source), str(target), *names],
        capture_output=True,
        text=True,
        check=False,
        env={"OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"},
    )
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines()
        raise UnavailableError(
            "the libraries did not score", where=str(script), hint=lines[-1] if lines else "no message"
        )
    found: dict[str, Library] = {}
    for row in json.loads(target.read_text(encoding="utf-8")):
        library = found.setdefault(row["contender"], Library([]))
        scores = {name: np.array(score) for name, score in row["scores"].items()}
        library.variants.append(Variant(row["parameters"], scores))
        library.us_per_reading = max(library.us_per_reading, row["us_per_reading"])
        library.bytes_per_series = max(library.bytes_per_series, row["bytes_per_series"])
    return found
