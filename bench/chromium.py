"""Name the switches of a headless Chromium that draws WebGL in software and stays on this machine."""

from __future__ import annotations

from typing import Final

HEADLESS_ARGUMENTS: Final = (
    "--no-sandbox",
    "--disable-gpu-sandbox",
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--ignore-gpu-blocklist",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
"""For the benchmark and the tests of pages alike."""
