"""Say in Chinese and English what to mend in a mapping whose readings are refused."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from twin.faults import Words

ADVICE: Final[Mapping[str, Words]] = MappingProxyType(
    {
        "unknown_device": Words(
            "核对 device、prefix 和 devices；设备尚未登记的先导入",
            "check “device”, “prefix” and “devices”; import a device that is not installed yet",
        ),
        "unknown_property": Words(
            "把 values 中的 property 改为该类设备有的属性，或改正设备的类别",
            "set “property” to one that its kind has, or correct the kind of the device",
        ),
        "wrong_unit": Words(
            "改正 values 中的 unit，或留空并用 factor 换算",
            "correct “unit”, or leave it out and convert by “factor”",
        ),
        "out_of_range": Words(
            "核对 path、unit、factor 和 offset；都对时检查传感器",
            "check “path”, “unit”, “factor” and “offset”; where they are right, check the sensor",
        ),
        "not_finite": Words("核对 path、factor 和 offset", "check “path”, “factor” and “offset”"),
        "from_the_future": Words(
            "核对 time、time_form 和 zone；都对时校准平台的时钟",
            "check “time”, “time_form” and “zone”; where they are right, set the platform's clock",
        ),
        "too_old": Words(
            "核对 time、time_form 和 zone；样例报文是旧的也会这样",
            "check “time”, “time_form” and “zone”; an old sample message is refused for this too",
        ),
        "does_not_move": Words("该设备不移动：不填 place", "this device does not move: leave “place” out"),
        "bad_position": Words(
            "核对 place 的 lon、lat（可能写反了）和 system",
            "check “lon”, “lat” (swapped?) and “system” of “place”",
        ),
        "off_duty": Words("只接收值班期间的位置", "only what is observed on duty is taken"),
    }
)
"""What to do about each reason of the look-up and of the judge."""
