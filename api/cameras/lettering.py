"""Write a line on a picture with the letters of the web pages, Chinese ones too.

The letters come in slices, each for some ranges of signs, as pages load them. They are read at the start,
because a process apart can open no file later, and opened when a sign of theirs is written.
"""

from __future__ import annotations

import io
import json
from functools import lru_cache
from pathlib import Path
from typing import Final

from PIL import Image, ImageDraw, ImageFont

_FOLDER: Final = Path(__file__).resolve().parents[2] / "web" / "node_modules" / "@fontsource" / "noto-sans-sc"
_PLAIN: Final = ImageFont.Layout.BASIC


class Letters:
    """The letters there are; without the pages' font Latin ones only."""

    def __init__(self, folder: Path = _FOLDER) -> None:
        self._slices: list[bytes] = []
        self._slice_of: dict[int, int] = {}
        ranges_file = folder / "unicode.json"
        if not ranges_file.is_file():
            return
        for name, ranges in json.loads(ranges_file.read_text(encoding="utf-8")).items():
            file = folder / "files" / f"noto-sans-sc-{name.strip('[]')}-400-normal.woff2"
            if not file.is_file():
                continue
            for one in ranges.split(","):
                first, _, last = one.strip().removeprefix("U+").partition("-")
                for sign in range(int(first, 16), int(last or first, 16) + 1):
                    self._slice_of.setdefault(sign, len(self._slices))
            self._slices.append(file.read_bytes())
        self._font = lru_cache(maxsize=64)(self._opened)

    def can(self, line: str) -> bool:
        """Whether every sign of a line can be written."""
        return all(ord(sign) in self._slice_of or (not self._slices and sign.isascii()) for sign in line)

    def write(self, image: Image.Image, line: str, at: tuple[int, int], size: int, colour: object) -> int:
        """Write a line with its left top at a place, in pixels; return where it ends."""
        draw = ImageDraw.Draw(image)
        x, y = float(at[0]), at[1]
        base = y + round(size * 0.9)
        for sign in line:
            font = self._font_of(sign, size)
            draw.text((round(x), base), sign, font=font, fill=colour, anchor="ls")  # type: ignore[arg-type]
            x += font.getlength(sign)
        return round(x)

    def width(self, line: str, size: int) -> int:
        """Return how many pixels a line takes."""
        return round(sum(self._font_of(sign, size).getlength(sign) for sign in line))

    def _font_of(self, sign: str, size: int) -> ImageFont.FreeTypeFont:
        number = self._slice_of.get(ord(sign), -1)
        return _latin(size) if number < 0 else self._font(number, size)

    def _opened(self, number: int, size: int) -> ImageFont.FreeTypeFont:
        return ImageFont.truetype(io.BytesIO(self._slices[number]), size, layout_engine=_PLAIN)


@lru_cache(maxsize=8)
def _latin(size: int) -> ImageFont.FreeTypeFont:
    font = ImageFont.load_default(size)
    if not isinstance(font, ImageFont.FreeTypeFont):
        raise RuntimeError("Pillow was built without FreeType")
    return font
