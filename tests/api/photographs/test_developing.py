from __future__ import annotations

import io

import pytest
from PIL import Image

from api.photographs.developing import RefusedError, develop
from tests.api.photographs.pictures import exif, picture, png, png_bomb

TERMS = {
    "opened_as": ["JPEG", "MPO"],
    "max_pixels": 1_000_000,
    "max_side": 5_000,
    "edge_px": 2_560,
    "thumbnail_px": 320,
    "quality": 82,
}
PNG = TERMS | {"opened_as": ["PNG"]}
WEBP = TERMS | {"opened_as": ["WEBP"]}


def opened(body: bytes) -> Image.Image:
    return Image.open(io.BytesIO(body))


def segments(body: bytes) -> list[int]:
    """Markers of a JPEG before its pixels, read without the library that wrote them."""
    found, at = [], 2
    while body[at + 1] != 0xDA:
        assert body[at] == 0xFF
        found.append(body[at + 1])
        at += 2 + int.from_bytes(body[at + 2 : at + 4], "big")
    return found


@pytest.mark.parametrize(
    ("form", "terms", "mode"),
    [("JPEG", TERMS, "RGB"), ("JPEG", TERMS, "L"), ("JPEG", TERMS, "CMYK"), ("PNG", PNG, "RGB"),
     ("PNG", PNG, "P"), ("PNG", PNG, "1"), ("PNG", PNG, "LA"), ("WEBP", WEBP, "RGBA")],
)  # fmt: skip
def test_every_form_becomes_a_jpeg_of_three_colours_and_keeps_its_picture(form, terms, mode):
    made = develop(picture(form, mode=mode), terms)
    for body, size in ((made.first, (400, 300)), (made.second, (320, 240))):
        image = opened(body)
        assert (image.format, image.mode, image.size) == ("JPEG", "RGB", size)
        red, blue = (image.crop(box).resize((1, 1)) for box in ((0, 0, 100, 100), (200, 150, 300, 220)))
        shades = zip(red.getpixel((0, 0)), blue.getpixel((0, 0)), strict=True)
        assert sum(abs(a - b) for a, b in shades) > 40, "the quarters differ"
    assert (made.facts["width"], made.facts["height"]) == (400, 300)


def test_no_metadata_comes_through():
    """Camera, place, time, comment, colour profile and preview are gone; only what a JPEG needs is there."""
    body = picture(exif=exif(), comment=b"SECRET-COMMENT", icc_profile=b"SECRET-PROFILE" * 20)
    assert b"SECRET-MAKER" in body
    made = develop(body + b"PK\x03\x04SECRET-TAIL", TERMS)
    for out in (made.first, made.second):
        assert b"SECRET" not in out
        assert b"Exif" not in out
        # JFIF, tables, start of frame: no application segment but the first, no comment.
        assert set(segments(out)) <= {0xE0, 0xDB, 0xC4, 0xC0, 0xC2}
        assert not opened(out).getexif()
    webp = picture("WEBP", exif=exif(), xmp=b"<x:xmpmeta>SECRET</x:xmpmeta>")
    assert b"SECRET" in webp
    assert b"SECRET" not in develop(webp, WEBP).first


def test_claims_of_time_and_place_are_read():
    facts = develop(picture(exif=exif(lon=-104.06, lat=-30.66)), TERMS).facts
    assert facts["local_time"] == "2026:11:20 09:30:00"
    assert facts["offset"] == "+08:00"
    assert (facts["lon"], facts["lat"]) == pytest.approx((-104.06, -30.66), abs=1e-6)
    bare = develop(picture(), TERMS).facts
    assert [bare[name] for name in ("local_time", "offset", "lon", "lat")] == [None] * 4


def test_a_picture_taken_sideways_is_turned_upright():
    image = opened(develop(picture(exif=exif(orientation=6)), TERMS).first)
    assert image.size == (300, 400)
    red = image.getpixel((290, 10))
    assert red[0] > 200
    assert red[2] < 60


def test_a_large_picture_is_made_small_and_a_small_one_left():
    wide = opened(develop(picture(size=(4_000, 200)), TERMS).first)
    assert wide.size == (2_560, 128)
    made = develop(picture(size=(1, 1)), TERMS)
    assert opened(made.first).size == opened(made.second).size == (1, 1)


def test_sixteen_bits_of_grey_keep_their_shade():
    made = Image.new("I;16", (40, 40), 32_768)
    out = io.BytesIO()
    made.save(out, "PNG")
    assert opened(develop(out.getvalue(), PNG).first).getpixel((5, 5))[0] == pytest.approx(128, abs=2)


def test_see_through_parts_are_white():
    out = io.BytesIO()
    Image.new("RGBA", (40, 40), (0, 0, 0, 0)).save(out, "PNG")
    assert opened(develop(out.getvalue(), PNG).first).getpixel((5, 5)) == (255, 255, 255)


def test_the_first_of_several_pictures_of_a_phone_is_taken():
    first, second = (Image.new("RGB", (40, 40), colour) for colour in ("red", "blue"))
    out = io.BytesIO()
    first.save(out, "MPO", save_all=True, append_images=[second])
    assert opened(develop(out.getvalue(), TERMS).first).getpixel((5, 5))[0] > 200


def moving(form: str) -> bytes:
    first, second = (Image.new("RGB", (40, 40), colour) for colour in ("red", "blue"))
    out = io.BytesIO()
    first.save(out, form, save_all=True, append_images=[second], duration=100)
    return out.getvalue()


@pytest.mark.parametrize(
    ("body", "terms", "reason"),
    [
        (b"\xff\xd8\xff" + b"x" * 100, TERMS, "damaged"),
        (picture()[:-400], TERMS, "damaged"),
        (picture("PNG")[:200], PNG, "damaged"),
        (picture("PNG"), TERMS, "damaged"),
        (picture("GIF"), PNG, "damaged"),
        (moving("WEBP"), WEBP, "moving"),
        (moving("PNG"), PNG, "moving"),
        (picture(size=(1_001, 1_000)), TERMS, "too_many_pixels"),
        (png(5_001, 1), PNG, "too_many_pixels"),
        (png_bomb(50_000, 50), PNG, "too_many_pixels"),
        (png(0, 0), PNG, "damaged"),
    ],
)  # fmt: skip
def test_what_is_no_photograph_is_refused_for_its_reason(body, terms, reason):
    with pytest.raises(RefusedError, match=reason):
        develop(body, terms)
