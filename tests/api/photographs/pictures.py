"""Make pictures, good and bad, for tests."""

from __future__ import annotations

import io
import random
import struct
import zlib

from PIL import ExifTags, Image, TiffImagePlugin

CASE_LON, CASE_LAT = 104.0600, 30.6600


def picture(
    form: str = "JPEG", size: tuple[int, int] = (400, 300), mode: str = "RGB", **options: object
) -> bytes:
    """A picture whose upper left quarter is red and whose rest is blue."""
    made = Image.new("RGB", size, (0, 0, 255))
    made.paste((255, 0, 0), (0, 0, size[0] // 2, size[1] // 2))
    out = io.BytesIO()
    made.convert(mode).save(out, form, **options)
    return out.getvalue()


def exif(
    *,
    lon: float | None = CASE_LON,
    lat: float | None = CASE_LAT,
    at: str | None = "2026:11:20 09:30:00",
    offset: str | None = "+08:00",
    orientation: int = 1,
) -> Image.Exif:
    made = Image.Exif()
    made[ExifTags.Base.Make] = "SECRET-MAKER"
    made[ExifTags.Base.Orientation] = orientation
    detail = made.get_ifd(ExifTags.IFD.Exif)
    if at is not None:
        detail[ExifTags.Base.DateTimeOriginal] = at
    if offset is not None:
        detail[ExifTags.Base.OffsetTimeOriginal] = offset
    if lon is not None and lat is not None:
        gps = made.get_ifd(ExifTags.IFD.GPSInfo)
        for ref, value, tag in (
            ("E" if lon >= 0 else "W", lon, ExifTags.GPS.GPSLongitude),
            ("N" if lat >= 0 else "S", lat, ExifTags.GPS.GPSLatitude),
        ):
            gps[tag - 1] = ref
            gps[tag] = tuple(TiffImagePlugin.IFDRational(*part) for part in parts(abs(value)))
    return made


def parts(value: float) -> tuple[tuple[int, int], ...]:
    degrees, rest = divmod(value * 60, 60)
    minutes = int(rest)
    return (int(degrees), 1), (minutes, 1), (round((rest - minutes) * 60 * 10_000), 10_000)


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png(width: int, height: int, *chunks: bytes) -> bytes:
    """A PNG of one bit a pixel that says it is as large as this."""
    head = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + b"".join(chunks) + chunk(b"IEND", b"")


def png_bomb(width: int = 50_000, height: int = 50_000) -> bytes:
    """A small file that unpacks to width x height pixels of one colour."""
    packer = zlib.compressobj(9)
    row = bytes((width + 7) // 8 + 1)
    data = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()
    return png(width, height, chunk(b"IDAT", data))


def text_bomb() -> bytes:
    """A PNG of one pixel with text chunks that unpack to 200 MB."""
    text = b"a\0\0" + zlib.compress(bytes(20 << 20), 9)
    data = chunk(b"IDAT", zlib.compress(b"\0\0"))
    return png(1, 1, *[chunk(b"zTXt", text)] * 10, data)


def mutated(body: bytes, rng: random.Random) -> bytes:
    """Change, remove, repeat or insert some bytes."""
    out = bytearray(body)
    for _ in range(rng.randint(1, 3)):
        at = rng.randrange(max(1, len(out)))
        match rng.randrange(5):
            case 0 if out:
                out[at] = rng.randrange(256)
            case 1:
                out[at : at + 4] = rng.choice((b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x7f\xff\xff\xff"))
            case 2:
                del out[at : at + rng.randint(1, 64)]
            case 3:
                out[at:at] = out[: rng.randint(1, 256)]
            case 4:
                del out[max(at, 16) :]
    return bytes(out)
