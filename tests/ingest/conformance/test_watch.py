"""A good vendor passes every rule; each wrong one fails exactly the rule it breaks, and reads where."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ingest.conformance.bench import Bench, Sender
from ingest.conformance.report import Report, as_json, as_lines, as_markdown, rules_as_markdown
from ingest.conformance.rules import OF_REASON, RULES
from ingest.conformance.watch import Message, Watch
from tests.ingest.conformance.vendors import CATALOG, START_US, UID, WRONG, failed, found, good
from twin.store.quarantine import WHAT_TO_DO

DOCS = Path(__file__).parents[3] / "docs"


def test_a_good_vendor_passes_every_rule_that_its_kind_has():
    findings = found(good())
    outcomes = {finding.rule.key: finding.outcome for finding in findings}
    assert outcomes.pop("place") == "not_seen", "what is installed tells no place"
    assert set(outcomes.values()) == {"pass"}, outcomes
    assert len(findings) == sum("mqtt" in rule.modes for rule in RULES)


@pytest.mark.parametrize("what", WRONG)
def test_a_wrong_vendor_fails_exactly_what_it_breaks(what):
    make, rule = WRONG[what]
    findings = found(make())
    assert failed(findings) == [rule], [(f.rule.key, f.evidence) for f in findings if f.evidence]
    (finding,) = [finding for finding in findings if finding.outcome == "fail"]
    assert finding.count >= len(finding.evidence) >= 1


def test_every_rule_that_can_be_broken_by_mqtt_is_broken_by_a_vendor_here():
    assert {rule for _, rule in WRONG.values()} == {r.key for r in RULES if "mqtt" in r.modes}


def test_evidence_names_message_reading_and_what_to_do():
    (finding,) = [f for f in found(WRONG["no data as -999"][0]()) if f.outcome == "fail"]
    (line,) = finding.evidence
    assert line.en.startswith("message 5: level = -999 cm: possible is ")
    assert line.en.endswith(f"device {UID}, reading 0")
    assert line.zh.startswith("报文 5：level = -999 cm，可能的范围是 ")
    assert line.zh.endswith(f"设备 {UID}，第 1 个读数")
    assert finding.rule.do_zh
    assert finding.rule.do_en


def test_each_reason_that_a_sender_can_give_belongs_to_one_rule():
    ours = {"not_storable", "decoder_failed", "off_duty"} | {"not_known", "unfinished"}  # before it is read
    assert set(OF_REASON) == set(WHAT_TO_DO) - ours
    assert sorted(reason for rule in RULES for reason in rule.reasons) == sorted(OF_REASON)
    assert [rule.number for rule in RULES] == list(range(1, len(RULES) + 1))


def test_a_moving_device_passes_with_its_place():
    watch = Watch(Bench(CATALOG, Sender("device", UID), {UID: CATALOG.by_name["worker"]}), "file")
    content = {"t": START_US // 1000, "v": {"speed": 1.2}, "lon": 104.06, "lat": 30.66}
    watch.take(Message(json.dumps(content).encode(), START_US))
    outcomes = {f.rule.key: f.outcome for f in watch.findings(START_US)}
    assert outcomes["place"] == "pass"
    assert "fail" not in outcomes.values()


def test_a_gateway_speaks_for_the_devices_it_was_given():
    sender = Sender("gateway", "gw-0001")
    watch = Watch(Bench(CATALOG, sender, {UID: CATALOG.by_name["water_level"]}), "file")
    for uid in (UID, "stranger-1"):
        content = {"t": START_US // 1000, "p": "level", "d": [uid], "v": [20.0]}
        watch.take(Message(json.dumps(content).encode(), START_US))
    (finding,) = [f for f in watch.findings(START_US) if f.outcome == "fail"]
    assert (finding.rule.key, finding.count) == ("device", 1)
    assert "stranger-1" in finding.evidence[0].zh


def report(messages=None) -> Report:
    findings = found(messages or good())
    return Report(Sender("device", UID), "mqtt", datetime(2026, 1, 1, tzinfo=UTC), "1.0", 16, 13, findings)


def test_a_report_is_told_in_both_languages_and_for_programs():
    good_one, bad = report(), report(WRONG["unknown unit"][0]())
    assert (good_one.passed, bad.passed) == (True, False)
    assert as_lines(good_one, "en")[-1] == "passed: 16 messages, 13 readings, 0 rules broken, 1 not seen"
    assert as_lines(bad, "zh")[-1].startswith("不通过：报文 16 条")
    told = as_json(bad, "zh")
    (rule,) = [row for row in told["rules"] if row["outcome"] == "fail"]
    assert (rule["number"], rule["rule"], rule["do"]) == (9, "unit", RULES[8].do_zh)
    assert json.loads(json.dumps(told)) == told


def test_a_report_for_a_vendor_lists_the_rules_by_number_and_takes_no_markup_from_messages():
    hostile = "<script>|`x`|</script>"

    def messages():
        yield from good()
        yield Message(b"x", START_US + 119_000_000, hostile, 1)

    written = as_markdown(report(messages()), "en")
    rows = [line for line in written.splitlines() if line.startswith("| ") and line[2].isdigit()]
    assert [int(row.split("|")[1]) for row in rows] == [r.number for r in RULES if "mqtt" in r.modes]
    assert "FAIL" in rows[0]
    assert "<script" not in written
    assert "&lt;script&gt;\\|" in written


def test_nothing_that_came_is_no_pass():
    findings = found(iter(()))
    assert failed(findings) == ["interval"]
    made = Report(Sender("device", UID), "mqtt", datetime.now(UTC), "1", 0, 0, findings)
    assert not made.passed
    assert as_lines(made, "zh")[-2].startswith("没有收到任何报文：核对")
    assert as_json(made, "en")["notes"][0].startswith("no message came: check")


def test_the_manual_lists_the_rules():
    text = (DOCS / "conformance.md").read_text(encoding="utf-8")
    assert [line for line in text.splitlines() if line.startswith("| ") and line[2].isdigit()] == (
        rules_as_markdown()
    )
