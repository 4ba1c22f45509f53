"""Decode one picture of a camera and write on it who looked; as a program, under limits.

Cameras are not to be believed, and decoders of video had faults that ran foreign code. The program serves as
`api.apart.confined` says: it gets coded bytes and gives a JPEG, and reaches no camera itself.
"""

from __future__ import annotations

import contextlib
import io
import warnings
from typing import Any, Final

import av
from PIL import Image, ImageDraw, JpegImagePlugin

from api.apart.confined import Done, RefusedError, serve
from api.cameras.lettering import Letters

_PLUGINS: Final = (JpegImagePlugin,)
"""Loaded at the start: later no file can be opened."""

_MOST_PIXELS: Final = 8192 * 4320
_SIMULATED: Final = "模拟画面 SIMULATED"
_SIZE: Final = (1280, 720)
_MOMENT: Final = len("2026-01-01 00:00:00")


def develop(body: bytes, terms: dict[str, Any], letters: Letters) -> Done:
    """Make a JPEG of the last of some coded pictures, small enough, with lines written on it.

    Parameters
    ----------
    body
        The coded pictures, one behind the other.
    terms
        ``codec`` (`h264`, `hevc`, `mjpeg`, or `simulated` for a made-up picture), ``lengths`` of the coded
        pictures, ``edge_px``, ``quality``; ``line`` to be written, and ``plain_line`` in Latin letters where
        that cannot be.
    letters
        To write with.

    Raises
    ------
    RefusedError
        `damaged` or `too_many_pixels`.
    MemoryError
        It needs more memory than there is.
    """
    line = terms["line"] if letters.can(terms["line"]) else terms["plain_line"]
    try:
        image = _picture(body, terms, letters)
    except (RefusedError, MemoryError):
        raise
    except Exception:  # what hostile bytes raise in the decoders is of every kind
        raise RefusedError("damaged") from None
    image.thumbnail((terms["edge_px"],) * 2, Image.Resampling.BILINEAR, reducing_gap=2.0)
    image = image.convert("RGB")
    _mark(image, line, letters)
    out = io.BytesIO()
    image.save(out, "JPEG", quality=terms["quality"], comment=terms["line"].encode())
    return Done({"width": image.width, "height": image.height}, out.getvalue())


def _picture(body: bytes, terms: dict[str, Any], letters: Letters) -> Image.Image:
    if terms["codec"] == "simulated":
        return _made_up(terms["line"], letters)
    if terms["codec"] == "mjpeg":
        with warnings.catch_warnings(action="ignore", category=Image.DecompressionBombWarning):
            opened = Image.open(io.BytesIO(body), formats=["JPEG"])
        _check_size(*opened.size)
        opened.draft("RGB", (terms["edge_px"],) * 2)
        opened.load()
        return opened
    units, at = [], 0
    for length in terms["lengths"]:
        units.append(body[at : at + length])
        at += length
    return _decoded(terms["codec"], units)


def _decoded(codec: str, units: list[bytes]) -> Image.Image:
    """Decode all and keep the newest picture that is whole."""
    context = av.VideoCodecContext.create(codec, "r")
    assert isinstance(context, av.VideoCodecContext)
    context.thread_count = 1
    newest = None
    for unit in (*units, None):
        with contextlib.suppress(av.InvalidDataError):
            for frame in context.decode(None if unit is None else av.Packet(unit)):
                _check_size(frame.width, frame.height)
                if not frame.is_corrupt:
                    newest = frame
    if newest is None:
        raise RefusedError("damaged")
    image: Image.Image = newest.to_image()  # type: ignore[no-untyped-call]
    return image


def _check_size(width: int, height: int) -> None:
    if width * height > _MOST_PIXELS:
        raise RefusedError("too_many_pixels")


def _mark(image: Image.Image, line: str, letters: Letters) -> None:
    """Write the line on a bar at the bottom, and faintly across: a part of it still says who looked."""
    size = max(11, min(image.height // 34, image.width * 20 // (12 * max(20, len(line)))))
    bar = round(size * 1.6)
    top = image.height - bar
    shade = Image.new("RGBA", image.size, (0, 0, 0, 0))
    ImageDraw.Draw(shade).rectangle((0, top, image.width, image.height), fill=(0, 0, 0, 150))
    letters.write(shade, line, (size // 2, top + round(size * 0.22)), size, (255, 255, 255, 255))
    for part in (1, 3, 5):
        place = (image.width * (part - 1) // 10, image.height * part // 7)
        letters.write(shade, line, place, size, (255, 255, 255, 46))
    image.paste(shade, mask=shade)


def _made_up(line: str, letters: Letters) -> Image.Image:
    """Draw a street nobody filmed, another for each camera, and say that it is made up."""
    moment, camera = line[:_MOMENT], line[_MOMENT:]
    seed, second = sum(camera.encode()), sum(moment.encode())
    image = Image.new("RGB", _SIZE, (58, 70, 82))
    draw = ImageDraw.Draw(image)
    width, height = _SIZE
    horizon = height * 45 // 100
    for number in range(9):  # houses
        left = (number * 163 + seed * 7) % width - 60
        tall = 90 + (number * 71 + seed * 3) % 190
        grey = 74 + (number * 13) % 30
        draw.rectangle((left, horizon - tall, left + 120, horizon), fill=(grey, grey + 6, grey + 12))
    draw.polygon(
        ((width * 2 // 5, horizon), (width * 3 // 5, horizon), (width, height), (0, height)), (44, 50, 56)
    )
    for number in range(6):  # the line in the middle of the road
        y = horizon + (height - horizon) * (number + (second % 10) / 10) ** 2 / 36
        draw.rectangle(
            (width // 2 - 2 - number, y, width // 2 + 2 + number, y + 4 + 5 * number), (150, 154, 158)
        )
    label = _SIMULATED if letters.can(_SIMULATED) else "SIMULATED"
    size = 64
    letters.write(
        image, label, ((width - letters.width(label, size)) // 2, height // 5), size, (154, 140, 255)
    )
    return image


def main() -> None:
    """Serve pictures from standard input to standard output until the input ends."""
    letters = Letters()
    terms = {"lengths": [4], "edge_px": 32, "quality": 80, "line": "画 a", "plain_line": "a"}
    for codec in ("h264", "hevc", "mjpeg"):  # so that nothing has to be loaded from the disk later
        with contextlib.suppress(RefusedError):
            develop(b"\0\0\0\1", terms | {"codec": codec}, letters)
    av.VideoFrame(16, 16, "yuv420p").to_image()  # type: ignore[no-untyped-call]
    develop(b"", terms | {"codec": "simulated"}, letters)
    av.logging.set_level(None)
    serve(lambda body, asked: develop(body, asked, letters))


if __name__ == "__main__":
    main()
