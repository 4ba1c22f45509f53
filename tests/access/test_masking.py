"""Prove that what is masked does not tell who it is."""

from __future__ import annotations

import pytest

from twin.access.masking import mask_address, mask_identity_number, mask_name, mask_phone, mask_text


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


@pytest.mark.parametrize(
    ("written", "masked"),
    [
        ("漏水，请回电13812341234", "漏水，请回电138****1234"),
        ("来电 138-1234-1234（女士）", "来电 138****1234（女士）"),
        ("call +86 138 1234 1234 back", "call 138****1234 back"),
        ("电话:008613812341234。", "电话:138****1234。"),
        ("两个号码13812341234、15900001111", "两个号码138****1234、159****1111"),
        ("身份证51010419900101123X", "身份证510***********123X"),
        ("证件 510104196001011234 老人", "证件 510***********1234 老人"),
        ("a child: 990000202001010003", "a child: 990***********0003"),
        ("写信到 zhang.san+a@mail.example.org。", "写信到 z***@mail.example.org。"),
        ("QQ 12345678@qq.com", "QQ 1***@qq.com"),
        ("a@b.cn", "***@b.cn"),
        (None, None),
        ("", ""),
    ],
)
def test_numbers_of_persons_in_a_free_text_are_masked(written, masked) -> None:
    assert mask_text(written) == masked


@pytest.mark.parametrize(
    "written",
    [
        "SIM-0001",
        "见案件 CD202611220001381",
        "见案件 2026112200013812341234",
        "案件 510104202611220001",
        "案件 510104202601010002",
        "网格 510104021001013",
        "编号 sim-door-13812341234",
        "设备 51010413812341234567",
        "C_13812341234",
        "部件 5101040103012345",
        "12345",
        "028-86665555",
        "金额 12812341234 元",
        "身份证 510104186001011234",
        "日期 510104199013011234",
    ],
)
def test_other_numbers_in_a_free_text_stay(written) -> None:
    assert mask_text(written) == written
