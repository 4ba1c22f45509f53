"""Read a vector file in a process of its own, with limits, and write its features as JSON lines.

GDAL parses formats made by anybody; a file that makes it eat all memory, spin or crash must not take the
server or the command line along. Run by `feature_file`: ``python -m ingest.vector.reading_process``.
"""

from __future__ import annotations

import base64
import contextlib
import json
import math
import resource
import sys
from datetime import date, datetime
from pathlib import Path
from typing import Any

BATCH = 5000
TEXT_MAX = 10_000


def limit(memory_bytes: int, cpu_s: int, file_bytes: int) -> None:
    """Bind this process; where the system knows a limit not (macOS: memory), the others still hold."""
    for what, amount in (
        (resource.RLIMIT_AS, memory_bytes),
        (resource.RLIMIT_CPU, cpu_s),
        (resource.RLIMIT_FSIZE, file_bytes),
        (resource.RLIMIT_CORE, 0),
    ):
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(what, (amount, amount))


def plain(value: Any) -> Any:
    """Return a field's value as JSON can hold it; not-a-number stays visible as text."""
    if hasattr(value, "item"):
        value = value.item()
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        # GDAL gives NaN for an empty number; an infinite one was written so.
        return value if math.isfinite(value) else None if math.isnan(value) else str(value)
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, bytes):
        return None
    text = str(value)
    return None if text in {"NaT", "nan"} else text[:TEXT_MAX]


def main(job: dict[str, Any]) -> None:
    """Read ``path`` and write one header line and one line a feature to ``out``."""
    limit(job["memory_bytes"], job["cpu_s"], job["file_bytes"])
    import pyogrio  # noqa: PLC0415  (after the limits)
    from pyogrio import raw  # noqa: PLC0415

    layers = [str(name) for name, _ in pyogrio.list_layers(job["path"])]
    if job["layer"] is not None and job["layer"] not in layers:
        raise ValueError(f"there is no layer “{job['layer']}”, it has {', '.join(layers) or 'none'}")
    if job["layer"] is None and len(layers) > 1:
        raise ValueError(f"it has {len(layers)} layers, say which with --layer: {', '.join(layers)}")
    if not layers:
        raise ValueError("it has no layer")
    layer = job["layer"] or layers[0]
    options: dict[str, Any] = {"layer": layer, "encoding": job["encoding"]}
    info = pyogrio.read_info(job["path"], **options)
    with Path(job["out"]).open("w", encoding="utf-8") as out:
        head = {
            "layer": layer,
            "crs": info.get("crs"),
            "driver": info.get("driver"),
            "encoding": info.get("encoding"),
            "fields": [str(f) for f in info["fields"]],
            "count": int(info.get("features", -1)),
        }
        out.write(json.dumps(head, ensure_ascii=False) + "\n")
        skip = 0
        while True:
            meta, fids, geometries, columns = raw.read(
                job["path"], **options, skip_features=skip, max_features=BATCH, return_fids=True
            )
            names = [str(f) for f in meta["fields"]]
            for i in range(len(fids)):
                wkb = geometries[i] if geometries is not None else None
                feature = {
                    "fid": int(fids[i]),
                    "wkb": None if wkb is None else base64.b64encode(wkb).decode(),
                    "fields": {name: plain(column[i]) for name, column in zip(names, columns, strict=True)},
                }
                out.write(json.dumps(feature, ensure_ascii=True) + "\n")
            skip += len(fids)
            if len(fids) < BATCH:
                break


if __name__ == "__main__":
    try:
        main(json.loads(sys.stdin.read()))
    except MemoryError:
        sys.stderr.write("memory")
        sys.exit(3)
    except Exception as error:  # whatever GDAL says goes to the parent as one line
        sys.stderr.write(str(error).replace("\n", " ")[:2000] or type(error).__name__)
        sys.exit(2)
