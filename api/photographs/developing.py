"""Make a clean JPEG and a thumbnail of a picture nobody vouches for; as a program, under limits.

The program gets no environment to speak of and serves as `api.apart.confined` says.
"""

from __future__ import annotations

import contextlib
import io
import math
import warnings
from typing import Any, Final

from PIL import ExifTags, Image, ImageOps, JpegImagePlugin, MpoImagePlugin, PngImagePlugin, WebPImagePlugin

from api.apart.confined import Done, RefusedError, serve

_PLUGINS: Final = (JpegImagePlugin, MpoImagePlugin, PngImagePlugin, WebPImagePlugin)
"""Loaded at the start: later no file can be opened."""


def develop(body: bytes, terms: dict[str, Any]) -> Done:
    """Open a picture, turn it upright, make it small enough and write it anew: only its pixels come through.

    Parameters
    ----------
    body
        The file.
    terms
        ``opened_as`` (Pillow's names of the forms allowed), ``max_pixels``, ``max_side``, ``edge_px``,
        ``thumbnail_px``, ``quality``.

    Returns
    -------
    Done
        The picture and its thumbnail as JPEG without metadata, and what the file claimed (``facts``).

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
    return Done(facts, picture, _written(clean, terms["quality"]))


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
    _warm_up()
    serve(develop)


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


if __name__ == "__main__":
    main()
