"""Check that what a page holds is told apart by class, on a page that leaks on purpose."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import orjson
import pytest

from bench.chromium import HEADLESS_ARGUMENTS
from bench.heap import Held, growth, read_held, weigh

MIB = 2**20


def _snapshot(*nodes: tuple[str, str, int]) -> bytes:
    kinds = ["hidden", "object", "string", "code", "native"]
    names = sorted({name for _, name, _ in nodes})
    rows = [
        value for kind, name, size in nodes for value in (kinds.index(kind), names.index(name), 1, size, 0)
    ]
    fields = ["type", "name", "id", "self_size", "edge_count"]
    meta = {"node_fields": fields, "node_types": [kinds, "string", "number", "number", "number"]}
    return orjson.dumps({"snapshot": {"meta": meta}, "nodes": rows, "strings": names})


def test_each_node_is_weighed_in_one_class() -> None:
    sizes, counts = weigh(
        _snapshot(
            ("object", "WebGLBuffer", 3 * MIB),  # an object of that name is no buffer on the GPU
            ("string", "text", MIB),
            ("code", "system / InstructionStream", 5 * MIB),
            ("native", "system / WeakArrayList", MIB),
            ("native", "system / PropertyArray", 2 * MIB),
            ("native", "system / JSArrayBufferData", 7 * MIB),
            ("native", "system / ExternalStringData", 8 * MIB),
            ("native", "WebGLBuffer", MIB),
            ("native", "WebGLTexture", MIB),
            ("native", "Text", MIB),
            ("native", "blink::NetworkResourcesData::ResourceData", 9 * MIB),
            ("native", "system / SharedFunctionInfoWrapper", MIB),
            ("code", "system / FeedbackVector", MIB),
            ("code", "system / FeedbackVector", MIB),
        )
    )
    assert sizes == {"objects": 6.0, "code": 9.0, "buffers": 7.0, "browser": 11.0}
    assert counts == {"object_count": 2, "gpu": 2, "optimised": 1, "may_be": 2}


def test_growth_is_that_of_the_second_half() -> None:
    still = Held(
        at_s=0.0,
        used=10.0,
        objects=4.0,
        code=6.0,
        buffers=1.0,
        browser=2.0,
        object_count=100,
        nodes=7,
        listeners=3,
        gpu=5,
        optimised=1,
        may_be=2,
    )
    # Grows fast at first; then code by 1 MiB and objects by 30 a minute.
    late = [
        replace(still, at_s=60.0 + 30.0 * n, code=9.0 + 0.5 * n, object_count=900 + 15 * n) for n in range(5)
    ]
    grown = growth([still, replace(still, at_s=30.0), *late])
    assert grown["code_kib"] == pytest.approx(1024.0)
    assert grown["object_count"] == pytest.approx(30.0)
    assert grown["objects_kib"] == grown["nodes"] == grown["gpu"] == pytest.approx(0.0, abs=1e-9)
    assert growth([still])["used_kib"] is None


@pytest.fixture
def page() -> Iterator[Any]:
    path = next((p for name in ("chromium", "google-chrome") if (p := shutil.which(name))), None)
    if path is None:
        pytest.skip("no Chromium is installed; ./gridtwin test installs it")
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=path, headless=True, args=list(HEADLESS_ARGUMENTS)
        )
        yield browser.new_page()
        browser.close()


@pytest.mark.browser
def test_a_leak_shows_where_it_is(page: Any) -> None:
    devtools = page.context.new_cdp_session(page)
    devtools.send("HeapProfiler.enable")
    devtools.send("Performance.enable")
    page.evaluate("() => { window.gl = document.createElement('canvas').getContext('webgl2') }")
    before = read_held(devtools)
    page.evaluate(
        """() => {
          window.kept = Array.from({ length: 50000 }, (_, i) => ({ i, pair: [i, i + 0.5] }));
          window.bytes = new Uint8Array(3 << 20).fill(1);
          window.buffers = Array.from({ length: 40 }, () => gl.createBuffer());
          window.away = Array.from({ length: 300 }, () => document.createElement('p'));
          away.forEach((p) => p.addEventListener('click', () => p));
        }"""
    )
    after = read_held(devtools)
    # An object and an array each: no less than 12 bytes a header and two values.
    assert after.objects - before.objects > 50_000 * 2 * 16 / MIB
    assert 100_000 <= after.object_count - before.object_count < 250_000
    assert after.used - before.used == pytest.approx(after.objects - before.objects, rel=0.3)
    assert after.buffers - before.buffers == pytest.approx(3.0, abs=0.1)
    assert after.code - before.code < 0.5
    assert after.gpu - before.gpu == 40
    assert after.nodes - before.nodes == 300
    assert after.listeners - before.listeners == 300
    page.evaluate("() => { window.kept = window.bytes = window.buffers = window.away = null }")
    again = read_held(devtools)
    assert again.objects - before.objects < 0.2
    assert (again.gpu, again.nodes, again.listeners) == (before.gpu, before.nodes, before.listeners)
