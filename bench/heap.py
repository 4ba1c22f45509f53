"""Read from the browser what a page holds: its heap by class, nodes, listeners, things on the GPU."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
import orjson

from bench.report import Table, show, slope_per_minute

_MIB: Final = 2.0**20
_GROUPS: Final = ("objects", "code", "buffers", "browser")
_BUFFER: Final = "system / JSArrayBufferData"
_OF_THE_ENGINE: Final = "system / "
# What V8 keeps beside code it has compiled, though its snapshot lists it among native things.
_BESIDE_CODE: Final = frozenset(
    _OF_THE_ENGINE + name
    for name in (
        "ProtectedFixedArray",
        "ProtectedWeakFixedArray",
        "SharedFunctionInfoWrapper",
        "TrustedWeakFixedArray",
        "WeakArrayList",
    )
)
# What the DevTools session keeps of each request: the measuring's own, on no wall.
_OF_DEVTOOLS: Final = "blink::NetworkResourcesData"
# V8 keeps one of these a function that it may compile to optimised code, and one of those a function it has.
_MAY_BE_OPTIMISED: Final = "system / FeedbackVector"
_OPTIMISED: Final = "system / SharedFunctionInfoWrapper"
_GPU: Final = ("WebGLBuffer", "WebGLTexture", "WebGLVertexArrayObject", "WebGLFramebuffer", "WebGLProgram")


_SIZES = {
    "used": "JavaScript heap in use",
    "objects": "of it objects, strings, hidden classes",
    "code": "of it code V8 has compiled",
    "buffers": "array buffers",
    "browser": "elements, styles, sources",
}
_COUNTS = {
    "object_count": "objects",
    "nodes": "nodes",
    "listeners": "listeners",
    "gpu": "buffers, textures, programs on the GPU",
    "optimised": "functions V8 has optimised",
    "may_be": "functions V8 may optimise, those included",
}


@dataclass(frozen=True, slots=True)
class Held:
    """What a page holds at one moment, after garbage was collected; sizes in MiB.

    ``objects``: objects, arrays, closures, strings and their hidden classes, which is where a leak of the
    page shows. ``code``: byte code, machine code and what V8 learns to make it; it grows long after a page
    was opened, as V8 compiles one function after the other that has been called often enough. ``buffers``:
    contents of array buffers. ``browser``: elements, styles, sources, timings. ``optimised`` of the
    ``may_be`` functions have optimised code, each once: those left bound the growth of ``code``.
    """

    at_s: float
    used: float
    objects: float
    code: float
    buffers: float
    browser: float
    object_count: int
    nodes: int
    listeners: int
    gpu: int
    optimised: int
    may_be: int

    def as_json(self) -> dict[str, float | int]:
        """Give it with figures as people read them."""
        return {name: round(value, 3) for name, value in asdict(self).items()}


def read_held(devtools: Any) -> Held:
    """Collect garbage and ask the browser what the page holds; takes a few seconds, in which the page stands.

    Parameters
    ----------
    devtools
        A session of the DevTools protocol with the page, ``HeapProfiler`` and ``Performance`` enabled.
    """
    chunks: list[str] = []

    def take(event: Mapping[str, str]) -> None:
        chunks.append(event["chunk"])

    used = used_heap_mib(devtools)
    devtools.on("HeapProfiler.addHeapSnapshotChunk", take)
    try:
        devtools.send("HeapProfiler.takeHeapSnapshot", {"reportProgress": False})
    finally:
        devtools.remove_listener("HeapProfiler.addHeapSnapshotChunk", take)
    figures = metrics(devtools)
    sizes, counts = weigh("".join(chunks))
    return Held(
        at_s=time.time(),
        used=used,
        objects=sizes["objects"],
        code=sizes["code"],
        buffers=sizes["buffers"],
        browser=sizes["browser"],
        object_count=counts["object_count"],
        gpu=counts["gpu"],
        optimised=counts["optimised"],
        may_be=counts["may_be"],
        nodes=int(figures["Nodes"]),
        listeners=int(figures["JSEventListeners"]),
    )


def used_heap_mib(devtools: Any) -> float:
    """Collect garbage and give the JavaScript heap in use, MiB."""
    # What waits for its finalizer goes with the second.
    for _ in range(2):
        devtools.send("HeapProfiler.collectGarbage")
    return float(devtools.send("Runtime.getHeapUsage")["usedSize"]) / _MIB


def metrics(devtools: Any) -> dict[str, float]:
    """Give the browser's own counts and times of the page."""
    return {m["name"]: float(m["value"]) for m in devtools.send("Performance.getMetrics")["metrics"]}


def weigh(snapshot: str | bytes) -> tuple[dict[str, float], dict[str, int]]:
    """Sum a heap snapshot up.

    Returns
    -------
    MiB of objects, code, buffers and browser; and how many objects there are, things on the GPU, functions V8
    has optimised and may optimise. What the DevTools session itself keeps is left out.
    """
    read = orjson.loads(snapshot)
    meta = read["snapshot"]["meta"]
    fields: list[str] = meta["node_fields"]
    kinds: list[str] = meta["node_types"][fields.index("type")]
    strings: list[str] = read["strings"]
    nodes = np.array(read["nodes"], dtype=np.int64).reshape(-1, len(fields))
    kind, name, size = (nodes[:, fields.index(field)] for field in ("type", "name", "self_size"))

    native = kind == kinds.index("native")
    named = np.array([_class_of(strings[index]) for index in np.unique(name[native])])
    groups = np.full(len(nodes), "objects", dtype="U9")
    groups[kind == kinds.index("code")] = "code"
    groups[native] = named[np.searchsorted(np.unique(name[native]), name[native])]
    sizes = {
        group: float(size[groups == group].sum()) / _MIB
        for group in ("objects", "code", "buffers", "browser")
    }

    def count(*wanted: str) -> int:
        return int(np.isin(name, [index for index, text in enumerate(strings) if text in wanted]).sum())

    gpu = [index for index, text in enumerate(strings) if text in _GPU]
    return sizes, {
        "object_count": int(((groups == "objects") & ~native).sum()),
        "gpu": int((native & np.isin(name, gpu)).sum()),
        "optimised": count(_OPTIMISED),
        "may_be": count(_MAY_BE_OPTIMISED),
    }


def growth(held: Sequence[Held]) -> dict[str, float | None]:
    """Give the growth per minute in the second half of the time: KiB of each class, and counts."""
    middle = (held[0].at_s + held[-1].at_s) / 2
    late = [one for one in held if one.at_s >= middle]
    times = [one.at_s for one in late]

    def slope(name: str, factor: float = 1.0) -> float | None:
        return slope_per_minute(times, [getattr(one, name) * factor for one in late])

    return {
        **{f"{name}_kib": slope(name, 1024.0) for name in ("used", *_GROUPS)},
        **{name: slope(name) for name in _COUNTS},
    }


def held_table(title: str, heap: Mapping[str, Any]) -> Table:
    """Show what was held first, in the middle and last, and its growth; `heap` as a result carries it."""
    held, grown = heap["held"], heap["growth_per_min"]
    shown = (held[0], held[len(held) // 2], held[-1])
    sizes = [
        (f"{words}, MiB", *(show(one[name], 2) for one in shown), show(grown[f"{name}_kib"], 1, "KiB"))
        for name, words in _SIZES.items()
    ]
    counts = [
        (words, *(show(one[name]) for one in shown), show(grown[name])) for name, words in _COUNTS.items()
    ]
    header = ("figure", "start", "half", "end", "growth per minute, second half")
    return Table(title, header, [*sizes, *counts])


def _class_of(native: str) -> str:
    """Say where what the snapshot calls native belongs."""
    if native.startswith(_OF_DEVTOOLS):
        return "devtools"
    if native == _BUFFER:
        return "buffers"
    if native in _BESIDE_CODE:
        return "code"
    # The sources of the scripts lie outside V8's heap.
    if native.startswith(_OF_THE_ENGINE) and native != _OF_THE_ENGINE + "ExternalStringData":
        return "objects"
    return "browser"
