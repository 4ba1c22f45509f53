"""Switch rules of the database on, and read the alarms they raise."""

from __future__ import annotations

from tests.reading import rows
from tests.waiting import until
from twin.states import State
from twin.store.rules import RuleText, add_rule, add_version
from twin.twin import Twin

HIGH = {"type": "limit", "above": 5.0, "hysteresis": 1.0}


def said(
    condition=None, *, state=State.ALARM, kinds=("water_level",), observed="level", area=None
) -> RuleText:
    level = "district" if area else None
    return RuleText("夜间偏高", "High", state, area, level, list(kinds), observed, condition or HIGH)


async def switch_on(engine, text: RuleText, twin: Twin) -> int:
    async with engine.begin() as connection:
        rule = await add_rule(connection, text, "张三", None)
        await add_version(connection, rule.id, 1, text, "张三", enabled=True)
    await until(lambda: any(one.id == rule.id for one in twin.rules.rules))
    await twin.rules.refresh()  # waits for the one that runs: a rule judges once it knows what came before
    return rule.id


def open_alarms(database) -> list[tuple]:
    return rows(
        database,
        "SELECT d.uid, a.property, a.state, a.rule_version FROM alarm AS a "
        "JOIN device AS d ON d.id = a.device_id "
        "WHERE a.cleared_at IS NULL AND a.rule_id IS NOT NULL ORDER BY 1",
    )
