"""State what is taken as a photograph, how much of it, and what is said of what is not."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from twin.errors import FileFormatError, InvalidError, TooLargeError

UPLOAD_PATH: Final = re.compile(r"/api/cases/[0-9]+/photographs")
"""The one path whose requests may carry more than others; the edge asks before anything is read."""

MAX_BODY_BYTES: Final = 15 << 20
BODY_S: Final = 120.0
"""Longest time a photograph may take to arrive: 15 MiB by a line of 1 Mbit/s."""

UPLOADS_PER_MINUTE: Final = 30
"""Of one account."""

MOST_PER_CASE: Final = 200


@dataclass(frozen=True, slots=True)
class Kind:
    """A form in which photographs are taken. ``opened_as`` are Pillow's names of it.

    Only JPEG can be opened at a part of its size; the others need memory for every pixel.
    """

    media_type: str
    opened_as: tuple[str, ...]
    max_pixels: int


# Several pictures in one JPEG (MPO) is how phones add depth and brightness: the first one is the photograph.
JPEG: Final = Kind("image/jpeg", ("JPEG", "MPO"), 8192 * 6144)
PNG: Final = Kind("image/png", ("PNG",), 24_000_000)
WEBP: Final = Kind("image/webp", ("WEBP",), 24_000_000)
KINDS: Final = {kind.media_type: kind for kind in (JPEG, PNG, WEBP)}


@dataclass(frozen=True, slots=True)
class Terms:
    """What the process apart may use for one photograph, and what it makes of it.

    Time on the clock only ends what is stuck: a busy machine takes ten times as long for the same work.
    """

    edge_px: int = 2560
    thumbnail_px: int = 320
    quality: int = 82
    max_side: int = 30_000
    memory_bytes: int = 512 << 20
    cpu_s: int = 5
    wall_s: float = 30.0


REASONS: Final[dict[str, tuple[type[InvalidError], str, str]]] = {
    "damaged": (
        FileFormatError,
        "the picture is damaged or cut off · 图片已损坏或不完整",
        "take it anew, or send it again · 请重新拍摄或重新上传",
    ),
    "too_many_pixels": (
        TooLargeError,
        "the picture has too many pixels · 图片像素过多",
        "at most 50 million (JPEG) or 24 million (PNG, WebP), no side over 30,000 · "
        "JPEG 不超过 5000 万像素，PNG、WebP 不超过 2400 万像素，边长不超过 30000",
    ),
    "moving": (
        FileFormatError,
        "moving pictures are not taken · 不接收动图",
        "send a single picture · 请上传单张照片",
    ),
    "too_costly": (
        TooLargeError,
        "opening the picture takes more time or memory than a photograph does · 图片解码超出时间或内存限制",
        "send it as an ordinary JPEG · 请另存为普通 JPEG 后上传",
    ),
}
"""Why a picture is refused: what the process apart calls it, and what a person reads, in both languages."""

_OTHERS: Final = (
    (re.compile(rb"....ftyp(hei|hev|mif1|msf1|avif|avis)", re.DOTALL), "HEIC/AVIF"),
    (re.compile(rb"GIF8"), "GIF"),
    (re.compile(rb"%PDF"), "PDF"),
    (re.compile(rb"PK\x03\x04"), "ZIP"),
    (re.compile(rb"(II\*\x00|MM\x00\*)"), "TIFF"),
    (re.compile(rb"BM"), "BMP"),
    (re.compile(rb"(\xef\xbb\xbf)?\s*<[!?a-zA-Z]"), "SVG/HTML/XML"),
)


def kind_of(head: bytes) -> Kind | None:
    """Tell the form of a picture by its first bytes, whatever it is said to be; None: none of ours."""
    if head.startswith(b"\xff\xd8\xff"):
        return JPEG
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return PNG
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return WEBP
    return None


def require_kind(body: bytes, declared: Kind) -> None:
    """Check that a body begins as its declared form does.

    Raises
    ------
    FileFormatError
        It is empty, of another form, or of none that is known; names what it looks like.
    """
    if not body:
        raise FileFormatError("the body is empty · 内容为空", where="body", hint=HINT_OF_KINDS)
    head = body[:64]
    found = kind_of(head)
    if found is declared:
        return
    looks = found.media_type if found else next((name for sign, name in _OTHERS if sign.match(head)), None)
    what = "is of no known form · 格式无法识别" if looks is None else f"is {looks} · 实为 {looks}"
    raise FileFormatError(
        f"the body is not {declared.media_type}: it {what}", where="body", hint=HINT_OF_KINDS
    )


HINT_OF_KINDS: Final = (
    "send JPEG, PNG or WebP; an iPhone's HEIC: Settings, Camera, Formats, Most Compatible · "
    "请上传 JPEG、PNG 或 WebP；iPhone 的 HEIC 请在“设置—相机—格式”中选“兼容性最佳”"
)


def refusal(reason: str) -> InvalidError:
    """Return the error that says why a picture was refused; an unknown reason is told as damage."""
    error, what, hint = REASONS.get(reason, REASONS["damaged"])
    return error(what, where="body", hint=hint)
