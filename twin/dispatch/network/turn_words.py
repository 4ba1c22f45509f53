"""Say the steps of a way in Chinese and in English."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from twin.faults import Words

if TYPE_CHECKING:
    from twin.dispatch.network.turns import Step

_ROAD: Final = Words("道路", "the road")
_FOOTPATH: Final = Words("步行道", "the footpath")
_EXPRESSWAY: Final = Words("快速路", "the expressway")
_SERVICE: Final = Words("内部道路", "the service road")

_CALLED: Final = {
    "motorway": _EXPRESSWAY,
    "trunk": _EXPRESSWAY,
    "service": _SERVICE,
    "living_street": _SERVICE,
    "track": Words("便道", "the track"),
    "pedestrian": Words("步行街", "the pedestrian street"),
    "footway": _FOOTPATH,
    "path": _FOOTPATH,
    "trail": _FOOTPATH,
    "bridleway": _FOOTPATH,
    "steps": Words("台阶", "the stairs"),
    "cycleway": Words("自行车道", "the cycleway"),
    "corridor": Words("走廊", "the corridor"),
    "joint": Words("图上未画的路段", "a link that nobody drew"),
}

_TURNS: Final = {
    "straight": Words("直行", "Continue"),
    "slight_left": Words("向左前方走", "Bear left"),
    "left": Words("左转", "Turn left"),
    "sharp_left": Words("向左后方急转", "Turn sharp left"),
    "u_turn": Words("掉头", "Make a U-turn"),
    "sharp_right": Words("向右后方急转", "Turn sharp right"),
    "right": Words("右转", "Turn right"),
    "slight_right": Words("向右前方走", "Bear right"),
}

_WINDS: Final = (
    Words("北", "north"),
    Words("东北", "northeast"),
    Words("东", "east"),
    Words("东南", "southeast"),
    Words("南", "south"),
    Words("西南", "southwest"),
    Words("西", "west"),
    Words("西北", "northwest"),
)

_SIDES: Final = {"left": Words("左侧", "left"), "right": Words("右侧", "right")}

_FAR_M: Final = 10.0
"""What is walked beside the road is told from here on."""

_GATE: Final = Words("穿过大门，", "Go through the gate and ")


def called(road_class: str) -> Words:
    """Return what a road without a name is called: by its kind."""
    return _CALLED.get(road_class.removesuffix("_link"), _ROAD)


def street_of(step: Step) -> Words:
    """Return the name of the street of a step, or what it is called without; one language for another."""
    if step.name or step.name_en:
        return Words(step.name or step.name_en or "", step.name_en or step.name or "")
    return called(step.road_class)


def words_of(step: Step) -> Words:
    """Return what to do at the begin of a step."""
    if step.turn == "arrive":
        return _arrive(step)
    words = _depart(step) if step.turn == "depart" else _turned(step)
    if not step.gate:
        return words
    return Words(_GATE.zh + words.zh, _GATE.en + words.en[0].lower() + words.en[1:])


def _turned(step: Step) -> Words:
    turn, street = _TURNS[step.turn], street_of(step)
    if step.over == "joint":
        zh, en = "，走一段图上未画的路（推测可通行）", " over a link that nobody drew (presumed passable)"
    elif step.over == "stairs":
        of = Words(f"（{street.zh}）", f" ({street.en})") if step.name or step.name_en else Words("", "")
        zh, en = f"，走台阶{of.zh}", f" and take the stairs{of.en}"
    elif step.over == "roundabout":
        zh, en = _round(step.exit)
    elif step.stays:
        zh = f"，继续沿{street.zh}走"
        en = f" on {street.en}" if step.turn == "straight" else f" to stay on {street.en}"
    else:
        zh, en = f"，进入{street.zh}", f" onto {street.en}"
    return Words(turn.zh + zh, turn.en + en)


def _round(number: int) -> Words:
    if not number:
        return Words("，进入环岛", " into the roundabout")
    return Words(
        f"，进入环岛，走第 {number} 个出口", f" into the roundabout and take the {_ordinal(number)} exit"
    )


def _ordinal(number: int) -> str:
    ends = {1: "st", 2: "nd", 3: "rd"}
    return f"{number}{'th' if 10 < number % 100 < 14 else ends.get(number % 10, 'th')}"


def _depart(step: Step) -> Words:
    street, far = street_of(step), step.beside_m >= _FAR_M
    walk = Words(f"先走 {step.beside_m:.0f} 米到{street.zh}", f"Walk {step.beside_m:.0f} m to {street.en}")
    if step.bearing_deg is None:
        return walk if far else Words(f"从{street.zh}出发", f"Start on {street.en}")
    wind = _WINDS[round(step.bearing_deg / 45.0) % 8]
    if far:
        return Words(f"{walk.zh}，再向{wind.zh}走", f"{walk.en}, then head {wind.en}")
    return Words(f"沿{street.zh}向{wind.zh}出发", f"Head {wind.en} on {street.en}")


def _arrive(step: Step) -> Words:
    if step.side is None:
        return Words("到达目的地", "You have arrived")
    side = _SIDES[step.side]
    if step.beside_m < _FAR_M:
        return Words(f"到达，目的地在{side.zh}", f"You have arrived; it is on the {side.en}")
    return Words(
        f"到达，目的地在{side.zh} {step.beside_m:.0f} 米处",
        f"You have arrived; it is {step.beside_m:.0f} m to the {side.en}",
    )
