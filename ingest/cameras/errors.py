"""Name why a camera gives no picture, in words that pages translate."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from twin.errors import UnavailableError


class Reason(StrEnum):
    """Why a stream is broken."""

    NOT_ALLOWED = "not_allowed"
    UNKNOWN_HOST = "unknown_host"
    REFUSED = "refused"
    TIMEOUT = "timeout"
    CLOSED = "closed"
    UNAUTHORIZED = "unauthorized"
    NOT_FOUND = "not_found"
    REDIRECTED = "redirected"
    ANSWERED_ERROR = "answered_error"
    NO_VIDEO = "no_video"
    CODEC = "codec"
    GARBAGE = "garbage"
    FROZEN = "frozen"
    OTHER_KEY = "other_key"


WORDS: Final[dict[Reason, str]] = {
    Reason.NOT_ALLOWED: "its address lies outside the ranges that are allowed · 地址不在允许的范围内",
    Reason.UNKNOWN_HOST: "its host name is not known · 主机名无法解析",
    Reason.REFUSED: "it refuses connections · 拒绝连接",
    Reason.TIMEOUT: "no picture came in time · 超时未收到画面",
    Reason.CLOSED: "it closed the connection · 连接被断开",
    Reason.UNAUTHORIZED: "it does not take user name and password · 用户名或密码错误",
    Reason.NOT_FOUND: "it has nothing under this address · 取流地址不存在",
    Reason.REDIRECTED: "it points elsewhere, which is not followed · 要求跳转，未予跟随",
    Reason.ANSWERED_ERROR: "it answers with an error · 返回错误",
    Reason.NO_VIDEO: "it offers no video · 没有视频",
    Reason.CODEC: "its video is neither H.264, H.265 nor JPEG · 视频编码不支持",
    Reason.GARBAGE: "what it sends is no picture · 数据损坏，无法解码",
    Reason.FROZEN: "it sends the same picture again and again · 画面静止不变",
    Reason.OTHER_KEY: "its address was sealed with another key · 取流地址由另一把密钥封存，打不开",
}
"""For a person, in both languages."""

_HINT: Final = "try again; if it stays so, have the camera looked after · 请重试；持续中断请报修"
_HINTS: Final[dict[Reason, str]] = {
    Reason.OTHER_KEY: "bring the file secrets/key back, or set the address anew: gridtwin camera set UID · "
    "恢复密钥文件 secrets/key，或用 gridtwin camera set UID 重新登记地址",
}


class StreamError(UnavailableError):
    """A camera gives no picture; ``reason`` says why. Never holds its address."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(
            f"the stream of the camera is broken: {WORDS[reason]}",
            where=f"stream/{reason}",
            hint=_HINTS.get(reason, _HINT),
        )
        self.reason = reason
