"""Prove that what is masked does not tell who it is."""

from __future__ import annotations

import pytest

from twin.access.masking import mask_address, mask_identity_number, mask_name, mask_phone


@pytest.mark.parametrize(
    ("name", "masked"),
    [
        ("张三", "张*"),
        ("张三丰", "张*"),
        (" 欧阳修 ", "欧*"),
        ("Zhang San", "Z*"),
        ("张", "*"),
        ("", ""),
        ("  ", ""),
        (None, None),
    ],
)
def test_a_name_keeps_its_first_letter_only(name, masked) -> None:
    assert mask_name(name) == masked


@pytest.mark.parametrize(
    ("phone", "masked"),
    [
        ("13812341234", "138****1234"),
        ("138 1234 1234", "138****1234"),
        ("028-86665555", "028****5555"),
        ("+8613812341234", "+86*******1234"),
        ("86665555", "********"),
        ("110", "***"),
        ("", ""),
        (None, None),
    ],
)
def test_a_phone_keeps_its_ends_only_where_enough_is_hidden(phone, masked) -> None:
    assert mask_phone(phone) == masked


@pytest.mark.parametrize(
    ("number", "masked"),
    [
        ("510104199001011234", "510***********1234"),
        ("51010419900101123X", "510***********123X"),
        ("510104900101123", "510********1123"),
        ("E12345678", "*********"),
        ("5101041990010112", "****************"),
        (None, None),
    ],
)
def test_an_identity_number_hides_the_day_of_birth(number, masked) -> None:
    assert mask_identity_number(number) == masked


@pytest.mark.parametrize(
    ("address", "masked"),
    [
        ("陕西街 1 号 3 栋 2 单元 1501 室", "陕西街 1 号 3 栋 2 单元"),
        ("陕西街1号3栋2单元1501室张三收", "陕西街1号3栋2单元"),
        ("陕西街1号3栋2单元1501", "陕西街1号3栋2单元"),
        ("陕西街1号3栋2-1501", "陕西街1号3栋"),
        ("陕西街1号A座12楼1203房", "陕西街1号A座12楼"),
        ("陕西街1号3栋三楼五户", "陕西街1号3栋三楼"),
        ("1 Shaanxi Street, Room 1501", "1 Shaanxi Street"),
        ("1 Shaanxi Street, Apt. 3B", "1 Shaanxi Street"),
        ("陕西街1号", "陕西街1号"),
        ("陕西街 1 号 3 栋", "陕西街 1 号 3 栋"),
        ("人民南路一段 1 号", "人民南路一段 1 号"),
        ("12 Garden Road", "12 Garden Road"),
        ("", ""),
        (None, None),
    ],
)
def test_an_address_keeps_the_house_and_leaves_out_the_room(address, masked) -> None:
    assert mask_address(address) == masked
