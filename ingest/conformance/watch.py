"""Look at the messages of a sender as they come, and say of each rule whether it held."""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from dataclasses import dataclass
from typing import Final, Literal

from ingest.conformance.bench import Bench, Trouble
from ingest.conformance.rules import OF_REASON, RULES, Mode, Rule
from ingest.decoders.readings import DecodeError, Readings
from ingest.decoders.status import decode_status
from ingest.transports.topics import observations_of, status_of
from twin.faults import Words
from twin.judge import FUTURE_S
from twin.live.board import SILENT_INTERVALS

Outcome = Literal["pass", "fail", "not_seen"]

_EVIDENCE: Final = 5
"""Places that are told of each rule; the rest is counted."""
_REMEMBERED: Final = 200_000
"""Readings that are remembered, to know them again."""
_LOOKED_AT: Final = ("json", "fields", "size", "time", "clock", "device", "property", "unit", "range")
"""What any message shows that holds a reading."""
_UNREAD: Final = ("malformed", "too_large")
_US: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Message:
    """One message as it came; ``topic`` is None where there is none, ``qos`` where the way has none."""

    payload: bytes
    received_us: int
    topic: str | None = None
    qos: int | None = None
    retained: bool = False


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found of one rule: ``count`` times it was broken, ``evidence`` for the first of them."""

    rule: Rule
    outcome: Outcome
    count: int
    evidence: tuple[Words, ...]


class Watch:
    """Takes messages one by one, and sums up.

    Parameters
    ----------
    bench
        Says what the server would refuse.
    mode
        How it is tested: some rules can be seen in some ways only.
    """

    def __init__(self, bench: Bench, mode: Mode) -> None:
        self._bench = bench
        self._mode = mode
        self._evidence: dict[str, list[Words]] = defaultdict(list)
        self._count: dict[str, int] = defaultdict(int)
        self._seen: set[str] = set()
        self.messages = 0
        self.readings = 0
        self.notes: list[Words] = []
        self._values: dict[tuple[str, str, int], float] = {}
        self._heard: dict[str, list[int]] = defaultdict(list)
        self._least_lag_us: int | None = None
        self._statuses: list[tuple[int, bool, bool]] = []
        self._began_us: int | None = None
        self._broken_us: int | None = None
        self._open_again_us: int | None = None
        self._newest_us = 0

    def begin(self, now_us: int) -> None:
        """Listen from here on."""
        self._began_us = now_us

    def break_off(self, now_us: int) -> None:
        """Note that the connection of the sender was ended."""
        self._broken_us = now_us

    def open_again(self, now_us: int) -> None:
        """Note that the sender may come in again."""
        self._open_again_us = now_us

    def see(self, key: str) -> None:
        """Note that a rule was looked at."""
        self._seen.add(key)

    def fail(self, key: str, zh: str, en: str) -> None:
        """Note that a rule was broken."""
        self._seen.add(key)
        self._count[key] += 1
        if len(self._evidence[key]) < _EVIDENCE:
            self._evidence[key].append(Words(zh, en))

    def note(self, zh: str, en: str) -> None:
        """Note what no rule is about, and whoever reads the report wants to know."""
        self.notes.append(Words(zh, en))

    def take(self, message: Message) -> None:
        """Look at one message."""
        self.messages += 1
        self._newest_us = max(self._newest_us, message.received_us)
        label = Words(f"报文 {self.messages}", f"message {self.messages}")
        sender = self._bench.sender
        senders = "devices" if sender.kind == "device" else "gateways"
        if message.topic is not None:
            if message.topic == status_of(senders, sender.name):
                self._take_status(message, label)
                return
            if message.topic != observations_of(senders, sender.name):
                topic = repr(message.topic[:100])
                self.fail("topic", f"{label.zh}发布在 {topic}", f"{label.en} on {topic}")
                return
            self.see("topic")
        if message.qos is not None:
            self.see("qos")
            if message.qos == 0:
                self.fail("qos", f"{label.zh}以 QoS 0 发来", f"{label.en} came with QoS 0")
            if message.payload:
                self.see("retain")
                if message.retained:
                    self.fail("retain", f"{label.zh}带保留标志", f"{label.en} has the retain flag")
            else:
                return  # deletes what was kept
        self._take_readings(message, label)

    def _take_readings(self, message: Message, label: Words) -> None:
        readings, troubles = self._bench.take(message.payload, message.received_us)
        for trouble in troubles:
            words = trouble.words
            rule = OF_REASON[trouble.fault.reason].key
            self.fail(rule, f"{label.zh}：{words.zh}", f"{label.en}: {words.en}")
        self.readings += len(readings)
        if all(trouble.fault.reason not in _UNREAD for trouble in troubles):
            self._seen.update(("json", "size"))  # it was read, whatever it said
        if len(readings):
            self._seen.update(_LOOKED_AT)
            if self._mode in ("mqtt", "http"):
                self.see("rate")
        if not all(math.isnan(lon) for lon in readings.lon):
            self.see("place")
        sender = self._bench.sender
        spoke = {sender.name} if sender.kind == "device" else set(readings.uid) & self._bench.devices.keys()
        for uid in spoke:
            self._heard[uid].append(message.received_us)
        self._compare(readings, message.received_us, label)

    def _compare(self, readings: Readings, received_us: int, label: Words) -> None:
        for uid, name, time_us, value in zip(
            readings.uid, readings.name, readings.time_us, readings.value, strict=True
        ):
            lag_us = received_us - time_us
            if self._least_lag_us is None or lag_us < self._least_lag_us:
                self._least_lag_us = lag_us
            key = uid, name, time_us
            known = self._values.get(key)
            if known is None:
                if len(self._values) < _REMEMBERED:
                    self._values[key] = value
                continue
            self.see("repeat")
            if known != value:
                self.fail(
                    "repeat",
                    f"{label.zh}：{uid} 的 {name} 在这一时间原为 {known:g}，现为 {value:g}",
                    f"{label.en}: {uid} {name} was {known:g} at this time, and is {value:g} now",
                )

    def _take_status(self, message: Message, label: Words) -> None:
        self.see("topic")
        if not message.payload:
            return
        try:
            online = decode_status(message.payload)
        except DecodeError as error:
            words = Trouble(error.fault).words
            self.fail("status", f"{label.zh}：{words.zh}", f"{label.en}: {words.en}")
            return
        self._statuses.append((message.received_us, online, message.retained))
        if not online:
            return
        self.see("status")
        kept = self._bench.sender.kind == "device"
        if message.qos is not None and message.retained is not kept:
            zh, en = ("没有带保留标志", "without") if kept else ("带了保留标志", "with")
            self.fail("status", f"{label.zh}：online {zh}", f"{label.en}: online {en} the retain flag")

    def findings(self, now_us: int) -> list[Finding]:
        """Sum up what was seen until now; call it once, at the end."""
        if self._mode in ("mqtt", "http"):
            self._sum_up(now_us)
        found = []
        for rule in RULES:
            if self._mode not in rule.modes:
                continue
            count = self._count[rule.key]
            outcome: Outcome = "fail" if count else "pass" if rule.key in self._seen else "not_seen"
            found.append(Finding(rule, outcome, count, tuple(self._evidence[rule.key])))
        return found

    def _sum_up(self, now_us: int) -> None:
        if self._least_lag_us is not None and self._least_lag_us > FUTURE_S * _US and "clock" in self._seen:
            late = f"{self._least_lag_us / _US:.0f}"
            self.fail(
                "clock",
                f"最新的读数到达时已过 {late} 秒",
                f"the newest reading was {late} s old when it came",
            )
        for uid, interval_s in self._bench.interval_s.items():
            self._judge_interval(uid, interval_s, now_us)
        if self._mode == "mqtt":
            if any(self._heard.values()) and "status" not in self._seen:
                self.fail("status", "status 主题上没有收到 online", "no online came on the topic status")
            self._judge_break()

    def _judge_interval(self, uid: str, interval_s: float, now_us: int) -> None:
        began_us = self._began_us or now_us
        most_us = int(SILENT_INTERVALS * interval_s * _US)
        for begin_us, end_us in self._spans(began_us, now_us):
            heard = [at for at in self._heard[uid] if begin_us <= at <= end_us]
            if end_us - begin_us <= most_us:
                continue
            self.see("interval")
            for before, after in itertools.pairwise([begin_us, *heard, end_us]):
                if after - before > most_us:
                    silent, most = f"{(after - before) / _US:.0f}", f"{most_us / _US:.0f}"
                    self.fail(
                        "interval",
                        f"{uid} 静默 {silent} 秒，{SILENT_INTERVALS:g} 个间隔为 {most} 秒",
                        f"{uid} was silent for {silent} s, {SILENT_INTERVALS:g} intervals are {most} s",
                    )

    def _spans(self, began_us: int, now_us: int) -> list[tuple[int, int]]:
        """Return the times in which the sender could speak: what it takes to come back is not silence."""
        if self._broken_us is None:
            return [(began_us, now_us)]
        spans = [(began_us, self._broken_us)]
        after = [at for heard in self._heard.values() for at in heard if at > (self._open_again_us or now_us)]
        if after:
            spans.append((min(after), now_us))
        return spans

    def _judge_break(self) -> None:
        if self._broken_us is None or not any(self._heard.values()):
            return
        if not any(at >= self._broken_us and not online for at, online, _ in self._statuses):
            self.fail(
                "will",
                "连接被断开后，status 主题上没有收到 offline",
                "the connection was ended, and no offline came on the topic status",
            )
        self.see("will")
        self.see("reconnect")
        if not any(at > self._broken_us for heard in self._heard.values() for at in heard):
            self.fail(
                "reconnect",
                "连接被断开后没有再收到读数",
                "the connection was ended, and no reading came after that",
            )
