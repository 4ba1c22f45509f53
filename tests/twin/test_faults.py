"""Every fault that the code raises can be said in both languages, and nothing else is in the table."""

from __future__ import annotations

import re
import string
from pathlib import Path

from ingest.decoders.misread import misread
from ingest.decoders.observations import decode_device
from ingest.decoders.readings import DecodeError
from twin.faults import NOTES, Fault, place_words, rows
from twin.store.quarantine import WHAT_TO_DO

ROOT = Path(__file__).resolve().parents[2]
RAISED = re.compile(r'(?:(?:DecodeError|MisfitError|misfit_at|Fault|_refused)\(\s*|\bcode = )"([a-z_]+)"')
BY_REASON = {
    "too_fast",
    "not_finite",
    "out_of_range",
    "from_the_future",
    "too_old",
    "does_not_move",
    "bad_position",
}
"""Those that the judge and the limits call as their reason."""


def _names(template: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(template) if name}


def test_the_table_holds_what_the_code_raises_and_nothing_else() -> None:
    raised = BY_REASON | {"gone", "not_of_its_kind"}
    for folder in ("ingest", "twin", "api"):
        for file in (ROOT / folder).rglob("*.py"):
            raised |= set(RAISED.findall(file.read_text(encoding="utf-8")))
    assert raised == set(rows())


def test_a_row_says_the_same_in_both_languages() -> None:
    for code, row in rows().items():
        # What the database or a parser says in English stands in the Chinese words as it is.
        assert _names(row.zh) - {"error"} <= _names(row.en) | {"error"}, code
        assert re.search(r"[\u4e00-\u9fff]", row.zh), code
        assert not re.search(r"[\u4e00-\u9fff]", row.en + row.hint_en), code
        assert bool(row.hint_zh) == bool(row.hint_en), code
        assert row.reason in WHAT_TO_DO, code


def test_what_is_wrong_with_bytes_is_said_in_words() -> None:
    told = {}
    for payload in (b"{", b"[nope]", b'{"t": 1, "v": "x"}', b'{"v": 1}', b'{"t": 1, "p": "a", "v": 1e999}'):
        try:
            decode_device("level-01", payload)
        except DecodeError as error:
            told[payload] = error.fault.words
    assert told == {
        b"{": ("报文不完整：JSON 中途结束", "not JSON: it ends in the middle"),
        b"[nope]": ("报文不是 JSON：第 5 字节处有误", "not JSON: wrong at byte 5"),
        b'{"t": 1, "v": "x"}': (
            "“v” 应为数或对象或列表，收到的是文字",
            "“v” should be a number or an object or a list, and is text",
        ),
        b'{"v": 1}': ("JSON 缺少字段“t”", "JSON has no field “t”"),
        b'{"t": 1, "p": "a", "v": 1e999}': (
            "JSON 的数超出可表示的范围（如 1e999）",
            "JSON holds a number beyond what can be told, such as 1e999",
        ),
    }
    assert misread(RecursionError()).reason == "malformed"


def test_what_is_said_besides_follows_and_a_place_is_said_where_it_is_known() -> None:
    fault = Fault("no_reading").noted("more", 3).noted("placeless")
    assert fault.words.zh == "报文中没有读数（另有 3 个）；已去除位置后保留"
    assert set(NOTES) == {"more", "placeless", "unkept"}
    assert [place_words(where).zh for where in ("", "reading 0", "gateway gw-1", "device a, reading 2")] == [
        "", "第 1 个读数", "网关 gw-1", "设备 a，第 3 个读数",
    ]  # fmt: skip
    assert place_words("somewhere else") == ("somewhere else", "somewhere else")
