"""Check the identifier validators against the rules of their standards."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin.codes import (
    AreaCode,
    check_area_code,
    check_component_code,
    check_credit_code,
    check_device_uid,
    check_gb28181_id,
    parse_area_code,
    parse_gb28181_id,
)
from twin.errors import InvalidError


def test_area_code_taken_apart() -> None:
    code = parse_area_code("510105 ".strip() + "001" + "002" + "017")
    assert code == AreaCode("510105", "001", "002", "017")
    assert code.level == "grid"
    assert not code.provisional
    assert str(code) == "510105001002017"


@pytest.mark.parametrize(
    ("text", "level"),
    [
        ("510100", "city"),
        ("510105", "district"),
        ("510105001", "street"),
        ("510105001002", "community"),
        ("990100000901000", "community"),
    ],
)
def test_levels(text: str, level: str) -> None:
    assert parse_area_code(text).level == level


def test_fourteen_digits_get_a_third_digit_of_sequence() -> None:
    assert check_area_code("51010500100217") == "510105001002017"


@pytest.mark.parametrize("code", ["990101000000000", "510105901000000", "510105001901000"])
def test_provisional_room(code: str) -> None:
    assert parse_area_code(code).provisional


@pytest.mark.parametrize(
    "text",
    [
        "",
        "5101050010020",
        "51010500100201７",
        "x10105001002017",
        "100105001002017",
        "510105001000017",
        "-10105001002017",
    ],
)
def test_wrong_area_codes_say_what_to_do(text: str) -> None:
    with pytest.raises(InvalidError) as error:
        parse_area_code(text)
    assert error.value.hint


@given(
    st.sampled_from(["110101", "510105", "440305", "990101"]),
    st.integers(1, 999),
    st.integers(1, 999),
    st.integers(0, 999),
)
def test_area_code_round_trip(district: str, street: int, community: int, sequence: int) -> None:
    text = f"{district}{street:03d}{community:03d}{sequence:03d}"
    assert str(parse_area_code(text)) == text


@given(st.text(max_size=20))
def test_area_code_never_raises_anything_else(text: str) -> None:
    try:
        code = check_area_code(text)
    except InvalidError:
        return
    assert len(code) == 15
    assert code.isascii()
    assert code.isdigit()


def test_component_codes() -> None:
    assert check_component_code(" 51010501037000001 ") == "51010501037000001"
    for bad in ("5101050103700001", "510105010370000011", "5101050103700000x", ""):
        with pytest.raises(InvalidError):
            check_component_code(bad)


def test_device_uids() -> None:
    assert check_device_uid(" osm-node-123 ") == "osm-node-123"
    for bad in ("abc", "a" * 65, "相机-0001", "a b c d", "x/y/z/w", ""):
        with pytest.raises(InvalidError):
            check_device_uid(bad)


def test_camera_numbers() -> None:
    number = parse_gb28181_id("51010501001320000001")
    assert number.is_camera
    assert (number.centre, number.sequence) == ("51010501", "000001")
    assert check_gb28181_id(" 51010501001320000001 ") == "51010501001320000001"
    for bad in ("5101050100132000000", "99010501001320000001", "5101050100132000000x"):
        with pytest.raises(InvalidError):
            check_gb28181_id(bad)


@pytest.mark.parametrize("code", ["914403001922038216", "9144030071526726XG", "91350100M000100Y43"])
def test_credit_codes_of_real_organisations(code: str) -> None:
    assert check_credit_code(f" {code.lower()} ") == code
    for wrong in (code[:-1] + ("0" if code[-1] != "0" else "1"), code[1:], code[:5] + "O" + code[6:]):
        with pytest.raises(InvalidError):
            check_credit_code(wrong)


@given(st.integers(0, 16), st.sampled_from("0123456789ABCDEFGHJKLMNPQRTUWXY"))
def test_one_changed_sign_of_a_credit_code_is_noticed(at: int, sign: str) -> None:
    code = "914403001922038216"
    changed = code[:at] + sign + code[at + 1 :]
    if changed != code:
        with pytest.raises(InvalidError, match="check sign"):
            check_credit_code(changed)
