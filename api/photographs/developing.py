"""Make a clean JPEG and a thumbnail of a picture nobody vouches for; as a program, under limits.

The program gets no environment to speak of, and once it has begun it can open no file, no socket and no
program (`api.photographs.seclusion`). It reads pictures from its standard input until that ends and answers
each on its standard output (`api.photographs.framing`). Whoever started it kills it when it takes too long.
"""

from __future__ import annotations

import contextlib
import io
import json
import math
import os
import resource
import sys
import warnings
from dataclasses import dataclass
from typing import Any, BinaryIO, Final

from PIL import ExifTags, Image, ImageOps, JpegImagePlugin, MpoImagePlugin, PngImagePlugin, WebPImagePlugin

from api.photographs.framing import ANSWERED, ASKED, READY
from api.photographs.seclusion import seclude

_PLUGINS: Final = (JpegImagePlugin, MpoImagePlugin, PngImagePlugin, WebPImagePlugin)
"""Loaded at the start: later no file can be opened."""

_NOBODY: Final = 65534


class RefusedError(Exception):
    """The picture is not taken; says why in one word."""


@dataclass(frozen=True, slots=True)
class Developed:
    """The picture and its thumbnail as JPEG without metadata, and what the file claimed (``facts``)."""

    picture: bytes
    thumbnail: bytes
    facts: dict[str, Any]


def develop(body: bytes, terms: dict[str, Any]) -> Developed:
    """Open a picture, turn it upright, make it small enough and write it anew: only its pixels come through.

    Parameters
    ----------
    body
        The file.
    terms
        ``opened_as`` (Pillow's names of the forms allowed), ``max_pixels``, ``max_side``, ``edge_px``,
        ``thumbnail_px``, ``quality``.

    Raises
    ------
    RefusedError
        `damaged`, `moving` or `too_many_pixels`.
    MemoryError
        It needs more memory than there is.
    """
    try:
        with (
            warnings.catch_warnings(action="error", category=Image.DecompressionBombWarning),
            Image.open(io.BytesIO(body), formats=[terms["opened_as"][0]]) as image,
        ):
            if image.format not in terms["opened_as"]:
                raise RefusedError("damaged")
            width, height = image.size
            if width * height > terms["max_pixels"] or max(width, height) > terms["max_side"]:
                raise RefusedError("too_many_pixels")
            if getattr(image, "is_animated", False) and image.format != "MPO":
                raise RefusedError("moving")
            facts = _claims(image)
            clean = _clean(image, terms["edge_px"])
    except (RefusedError, MemoryError):
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise RefusedError("too_many_pixels") from None
    except Exception:  # what hostile bytes raise in the readers is of every kind
        raise RefusedError("damaged") from None
    facts |= {"width": clean.width, "height": clean.height}
    picture = _written(clean, terms["quality"])
    clean.thumbnail((terms["thumbnail_px"],) * 2, Image.Resampling.LANCZOS)
    return Developed(picture, _written(clean, terms["quality"]), facts)


def _clean(image: Image.Image, edge_px: int) -> Image.Image:
    """Return a new picture of the pixels alone: upright, three colours, see-through parts white."""
    image.draft("RGB", (edge_px, edge_px))  # a JPEG is opened at a half, a quarter or an eighth
    if image.mode in {"P", "1"}:  # indices cannot be averaged
        image = image.convert("RGBA" if image.has_transparency_data else "RGB")
    image.thumbnail((edge_px, edge_px), Image.Resampling.LANCZOS, reducing_gap=2.0)
    upright = ImageOps.exif_transpose(image)
    if upright.mode.startswith("I"):  # 16 bits of grey
        upright = upright.point(lambda value: value / 256).convert("L")
    clean = Image.new("RGB", upright.size, "white")
    if upright.has_transparency_data:
        upright = upright.convert("RGBA")
        clean.paste(upright, mask=upright.getchannel("A"))
    else:
        clean.paste(upright.convert("RGB"))
    return clean


def _written(image: Image.Image, quality: int) -> bytes:
    out = io.BytesIO()
    image.save(out, "JPEG", quality=quality, optimize=True)
    return out.getvalue()


def _claims(image: Image.Image) -> dict[str, Any]:
    """Return what the file says of when and where (degrees); None where it says nothing."""
    claims: dict[str, Any] = {"local_time": None, "offset": None, "lon": None, "lat": None}
    # A photograph with a broken note is still a photograph.
    with contextlib.suppress(Exception):
        exif = image.getexif()
        detail = exif.get_ifd(ExifTags.IFD.Exif)
        claims["local_time"] = _text(detail.get(ExifTags.Base.DateTimeOriginal))
        claims["offset"] = _text(detail.get(ExifTags.Base.OffsetTimeOriginal))
        gps = exif.get_ifd(ExifTags.IFD.GPSInfo)
        lon = _degrees(gps.get(ExifTags.GPS.GPSLongitude), gps.get(ExifTags.GPS.GPSLongitudeRef), "W")
        lat = _degrees(gps.get(ExifTags.GPS.GPSLatitude), gps.get(ExifTags.GPS.GPSLatitudeRef), "S")
        if lon is not None and lat is not None:
            claims |= {"lon": lon, "lat": lat}
    return claims


def _text(value: object) -> str | None:
    return value.strip("\x00 ")[:32] if isinstance(value, str) else None


def _degrees(parts: Any, reference: object, negative: str) -> float | None:
    if parts is None or not isinstance(reference, str):
        return None
    degrees, minutes, seconds = (float(part) for part in parts)
    value = degrees + minutes / 60.0 + seconds / 3600.0
    if not math.isfinite(value):
        return None
    return -value if reference.strip("\x00 ").upper() == negative else value


def main() -> None:
    """Serve pictures from standard input to standard output until the input ends."""
    taken, given = sys.stdin.buffer, sys.stdout.buffer
    _warm_up()
    _give_up_rights()
    given.write(READY)
    given.flush()
    while (head := taken.read(ASKED.size)) and len(head) == ASKED.size:
        terms_length, body_length = ASKED.unpack(head)
        terms = json.loads(taken.read(terms_length))
        _limit(terms["memory_bytes"], terms["cpu_s"])
        body = taken.read(body_length)
        try:
            done = develop(body, terms)
        except RefusedError as refused:
            done = Developed(b"", b"", {"refused": str(refused)})
        except MemoryError:
            _answer(given, Developed(b"", b"", {"refused": "too_costly"}))
            return  # what is left of it may hold memory: the next one begins anew
        _answer(given, done)


def _answer(given: BinaryIO, done: Developed) -> None:
    facts = json.dumps(done.facts).encode()
    given.write(ANSWERED.pack(len(facts), len(done.picture), len(done.thumbnail)))
    given.write(facts + done.picture + done.thumbnail)
    given.flush()


def _warm_up() -> None:
    """Open one picture of each form, so that nothing has to be loaded from the disk later."""
    terms = {"max_pixels": 64, "max_side": 8, "edge_px": 4, "thumbnail_px": 2, "quality": 80}
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] = "2026:01:01 00:00:00"
    exif.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitude] = (1.0, 2.0, 3.0)
    for form, mode in (("JPEG", "RGB"), ("PNG", "RGBA"), ("PNG", "P"), ("WEBP", "RGBA")):
        out = io.BytesIO()
        Image.new(mode, (8, 8)).save(out, form, exif=exif)
        develop(out.getvalue(), terms | {"opened_as": [form]})


def _give_up_rights() -> None:
    """Give up what a reader of pictures does not need; nothing of it can be had back."""
    if os.geteuid() == 0:
        os.setgroups([])
        os.setresgid(_NOBODY, _NOBODY, _NOBODY)
        os.setresuid(_NOBODY, _NOBODY, _NOBODY)
    for limit, most in (
        (resource.RLIMIT_NOFILE, 3),  # the three there are
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NPROC, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(limit, (most, most))
    seclude()  # where the kernel cannot, the limits above hold


def _limit(memory_bytes: int, cpu_s: int) -> None:
    """Bound memory, and the processor's time from now on."""
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, resource.getrlimit(resource.RLIMIT_AS)[1]))
    used = resource.getrusage(resource.RUSAGE_SELF)
    until = math.ceil(used.ru_utime + used.ru_stime) + cpu_s
    resource.setrlimit(resource.RLIMIT_CPU, (until, resource.getrlimit(resource.RLIMIT_CPU)[1]))


if __name__ == "__main__":
    main()
