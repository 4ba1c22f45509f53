"""Find the video in the description of a stream (SDP, RFC 8866)."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from typing import Final, Literal

from ingest.cameras.errors import Reason, StreamError

_MAP: Final = re.compile(r"rtpmap:([0-9]{1,3})\s+([^/\s]+)/")
_CODECS: Final[dict[str, Literal["h264", "hevc"]]] = {"H264": "h264", "H265": "hevc", "HEVC": "hevc"}
_SETS: Final = ("sprop-vps", "sprop-sps", "sprop-pps", "sprop-parameter-sets")


@dataclass(frozen=True, slots=True)
class Video:
    """The video of a stream: how it is coded, by which type its packets are known, how it is asked for."""

    codec: Literal["h264", "hevc"]
    payload_type: int
    control: str
    parameter_sets: tuple[bytes, ...]


def find_video(description: bytes) -> Video:
    """Return the first video that can be decoded.

    Raises
    ------
    StreamError
        There is no video, or none in a codec that is known.
    """
    sections = re.split(r"^m=", description.decode("utf-8", "replace"), flags=re.MULTILINE)[1:]
    videos = [section for section in sections if section.startswith("video")]
    if not videos:
        raise StreamError(Reason.NO_VIDEO)
    for section in videos:
        attributes = [line[2:].strip() for line in section.splitlines() if line.startswith("a=")]
        for attribute in attributes:
            found = _MAP.match(attribute)
            codec = _CODECS.get(found[2].upper()) if found else None
            if found and codec:
                control = next((a.partition(":")[2] for a in attributes if a.startswith("control:")), "")
                return Video(codec, int(found[1]), control, _parameter_sets(attributes, found[1]))
    raise StreamError(Reason.CODEC)


def _parameter_sets(attributes: list[str], payload_type: str) -> tuple[bytes, ...]:
    line = next((a for a in attributes if a.startswith(f"fmtp:{payload_type} ")), "")
    pairs = dict(part.strip().partition("=")[::2] for part in line.partition(" ")[2].split(";"))
    sets = []
    for name in _SETS:
        for value in filter(None, pairs.get(name, "").split(",")):
            try:
                sets.append(base64.b64decode(value, validate=True))
            except (ValueError, binascii.Error):
                continue  # they come again in the stream itself
    return tuple(sets)
