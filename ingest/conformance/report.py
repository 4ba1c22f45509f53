"""Write what was found: for a person, for a program, and as a file that a vendor can hand in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from ingest.conformance.bench import Sender
from ingest.conformance.rules import RULES, Mode, Rule
from ingest.conformance.watch import Finding, Outcome
from twin.faults import Words

Language = Literal["zh", "en"]

_OUTCOMES: Final[dict[Outcome, tuple[str, str]]] = {
    "pass": ("通过", "pass"),
    "fail": ("不通过", "FAIL"),
    "not_seen": ("未见", "not seen"),
}


_NOTHING_CAME: Final = Words(
    "没有收到任何报文：核对设备连接的地址和端口、用户名和密码、主题或路径；监听时间要长于上报间隔",
    "no message came: check address and port, user and password, topic or path, and listen for longer than "
    "its interval",
)


@dataclass(frozen=True, slots=True)
class Report:
    """What was found of a sender, when and how."""

    sender: Sender
    mode: Mode
    at: datetime
    version: str
    messages: int
    readings: int
    findings: Sequence[Finding]
    notes: Sequence[Words] = ()

    @property
    def told(self) -> list[Words]:
        """What no rule is about; where nothing came, also what to look at."""
        return [*self.notes, *([] if self.messages else [_NOTHING_CAME])]

    @property
    def passed(self) -> bool:
        """Whether something came, and no rule was broken."""
        return self.readings > 0 and not any(finding.outcome == "fail" for finding in self.findings)


def as_json(report: Report, lang: Language) -> dict[str, Any]:
    """Return a report for programs."""
    return {
        "passed": report.passed,
        "sender": {"kind": report.sender.kind, "name": report.sender.name},
        "mode": report.mode,
        "at": report.at.isoformat(),
        "version": report.version,
        "messages": report.messages,
        "readings": report.readings,
        "notes": [_in(words, lang) for words in report.told],
        "rules": [
            {
                "number": finding.rule.number,
                "rule": finding.rule.key,
                "asks": _asks(finding.rule, lang),
                "outcome": finding.outcome,
                "count": finding.count,
                "evidence": [_in(words, lang) for words in finding.evidence],
                "do": _do(finding.rule, lang) if finding.outcome == "fail" else None,
            }
            for finding in report.findings
        ],
    }


def as_lines(report: Report, lang: Language) -> list[str]:
    """Return a report for a terminal."""
    lines = []
    for finding in report.findings:
        word = _word(finding.outcome, lang)
        lines.append(f"{finding.rule.number:>2}  {word:<8}  {_asks(finding.rule, lang)}")
        lines += [f"      {line}" for line in _told(finding, lang)]
    lines += [_in(words, lang) for words in report.told]
    lines.append(_sum(report, lang))
    return lines


def as_markdown(report: Report, lang: Language) -> str:
    """Return a report as a file: a table of the rules by number, and the evidence below it."""
    zh = lang == "zh"
    kind = {"device": ("设备", "device"), "gateway": ("网关", "gateway")}[report.sender.kind][0 if zh else 1]
    lines = [
        "# 物联网设备接入测试报告" if zh else "# Conformance report of a device",
        "",
        f"- {'对象' if zh else 'tested'}: {kind} `{_plain(report.sender.name)}`",
        f"- {'方式' if zh else 'by'}: {report.mode}",
        f"- {'时间' if zh else 'at'}: {report.at.isoformat(timespec='seconds')}",
        f"- {'版本' if zh else 'version'}: {report.version}",
        f"- {'结论' if zh else 'result'}: {_sum(report, lang)}",
        *(f"- {_plain(_in(words, lang))}" for words in report.told),
        "",
        "| 编号 | 规则 | 结果 |" if zh else "| number | rule | result |",
        "|---|---|---|",
        *(f"| {f.rule.number} | {_asks(f.rule, lang)} | {_word(f.outcome, lang)} |" for f in report.findings),
    ]
    for finding in report.findings:
        if finding.outcome == "fail":
            lines += ["", f"## {finding.rule.number} {_asks(finding.rule, lang)}", ""]
            lines += [f"- {_plain(line)}" for line in _told(finding, lang)]
    return "\n".join(lines) + "\n"


def rules_as_markdown() -> list[str]:
    """Return the rows of the table of rules in docs/conformance.md."""
    return [
        f"| {rule.number} | {rule.zh} | {rule.en} | {', '.join(f'`{r}`' for r in rule.reasons)} "
        f"| {', '.join(rule.modes)} |"
        for rule in RULES
    ]


def _told(finding: Finding, lang: Language) -> list[str]:
    if finding.outcome != "fail":
        return []
    lines = [_in(words, lang) for words in finding.evidence]
    more = finding.count - len(lines)
    if more > 0:
        lines.append(f"另有 {more} 处" if lang == "zh" else f"and {more} more")
    return [*lines, f"→ {_do(finding.rule, lang)}"]


def _sum(report: Report, lang: Language) -> str:
    failed = sum(1 for finding in report.findings if finding.outcome == "fail")
    unseen = sum(1 for finding in report.findings if finding.outcome == "not_seen")
    if lang == "zh":
        word = "通过" if report.passed else "不通过"
        came = f"报文 {report.messages} 条，读数 {report.readings} 个"
        nothing = "" if report.readings else "；没有收到可读的读数"
        return f"{word}：{came}，{failed} 条规则不通过，{unseen} 条未见{nothing}"
    word = "passed" if report.passed else "failed"
    return (
        f"{word}: {report.messages} messages, {report.readings} readings, {failed} rules broken, "
        f"{unseen} not seen" + ("" if report.readings else "; no reading came that could be read")
    )


def _in(words: Words, lang: Language) -> str:
    return words.zh if lang == "zh" else words.en


def _asks(rule: Rule, lang: Language) -> str:
    return rule.zh if lang == "zh" else rule.en


def _do(rule: Rule, lang: Language) -> str:
    return rule.do_zh if lang == "zh" else rule.do_en


def _word(outcome: Outcome, lang: Language) -> str:
    return _OUTCOMES[outcome][0 if lang == "zh" else 1]


def _plain(text: str) -> str:
    """Return words from outside as they are in Markdown: nothing of them is markup."""
    shown = "".join(sign if sign.isprintable() else " " for sign in text)
    for sign in "\\`*_[]|#!":
        shown = shown.replace(sign, "\\" + sign)
    return shown.replace("<", "&lt;").replace(">", "&gt;")
