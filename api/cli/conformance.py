"""Test a vendor's device before it is connected; nothing of it reaches the twin."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from api.cli.answering import answer, say
from api.cli.options import Json

if TYPE_CHECKING:
    from ingest.conformance.bench import Sender
    from ingest.conformance.rules import Mode
    from ingest.conformance.watch import Watch


class Lang(StrEnum):
    """Languages of a report."""

    ZH = "zh"
    EN = "en"


Kind = Annotated[
    str,
    typer.Option(
        "--kind", metavar="KIND", help="Its kind, as in data/device_kinds.toml.", show_default=False
    ),
]
Uids = Annotated[
    list[str] | None,
    typer.Option(
        "--device",
        metavar="UID[=KIND]",
        help="The device; of a gateway each of its devices. [default: test-0001]",
        show_default=False,
    ),
]
Gateway = Annotated[
    str | None,
    typer.Option("--gateway", metavar="NAME", help="Test a gateway of this name.", show_default=False),
]
Interval = Annotated[
    float | None,
    typer.Option(
        "--interval",
        min=0.1,
        metavar="SECONDS",
        help="Expected interval. [default: that of the kind]",
        show_default=False,
    ),
]
Listen = Annotated[str, typer.Option("--listen", metavar="TIME", help="For how long: 300s, 10m, 1h.")]
Host = Annotated[str, typer.Option("--host", help="Address to listen on.")]
Language = Annotated[Lang, typer.Option("--lang", help="Language of the report.")]
ReportFile = Annotated[
    Path | None,
    typer.Option(
        "--report", metavar="FILE", help="Also write the report there, in Markdown.", show_default=False,
        dir_okay=False,
    ),
]  # fmt: skip
NoBreak = Annotated[
    bool, typer.Option("--no-break", help="Do not end its connection in the middle of the test.")
]

_TIME = re.compile(r"([0-9]{1,6}(?:\.[0-9]{1,3})?)(s|m|h)?")
_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0}


def register(app: typer.Typer) -> None:
    """Add the command and its parts."""
    group = typer.Typer(no_args_is_help=True, help="Test a vendor's device before it is connected.")
    group.command("mqtt")(mqtt)
    group.command("http")(http)
    group.command("file")(file)
    group.command("url")(url)
    app.add_typer(group, name="conformance")


def mqtt(
    kind: Kind,
    device: Uids = None,
    gateway: Gateway = None,
    listen: Listen = "300s",
    interval: Interval = None,
    host: Host = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="0 takes a free one.")] = 0,
    no_break: NoBreak = False,
    lang: Language = Lang.ZH,
    report: ReportFile = None,
    as_json: Json = False,
) -> None:
    """Open a broker of its own for the device, and watch what it publishes."""
    from ingest.conformance.by_mqtt import listen as listen_to  # noqa: PLC0415 (loaded only when asked for)

    listen_s = _seconds(listen)

    def work(watch: Watch, sender: Sender) -> None:
        asyncio.run(
            listen_to(
                watch, sender, host=host, port=port, listen_s=listen_s, with_break=not no_break, say=say
            )
        )

    _test("mqtt", work, kind, device, gateway, interval, lang, report, as_json)


def http(
    kind: Kind,
    device: Uids = None,
    gateway: Gateway = None,
    listen: Listen = "300s",
    interval: Interval = None,
    host: Host = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="0 takes a free one.")] = 0,
    lang: Language = Lang.ZH,
    report: ReportFile = None,
    as_json: Json = False,
) -> None:
    """Serve the address at which the device posts, and watch what it sends."""
    from ingest.conformance.by_http import Endpoint  # noqa: PLC0415

    listen_s = _seconds(listen)
    _test(
        "http",
        lambda watch, sender: Endpoint(watch, sender, host, port).listen(listen_s, say, host),
        *(kind, device, gateway, interval, lang, report, as_json),
    )


def file(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE...", exists=True, dir_okay=False, help="A payload each.")
    ],
    kind: Kind,
    device: Uids = None,
    gateway: Gateway = None,
    lang: Language = Lang.ZH,
    report: ReportFile = None,
    as_json: Json = False,
) -> None:
    """Check recorded payloads, as if they came at this moment."""

    def work(watch: Watch, _sender: Sender) -> None:
        from ingest.conformance.watch import Message  # noqa: PLC0415
        from ingest.decoders.observations import MAX_BYTES  # noqa: PLC0415

        for path in files:
            with path.open("rb") as content:
                watch.take(Message(content.read(MAX_BYTES + 1), time.time_ns() // 1000))

    _test("file", work, kind, device, gateway, None, lang, report, as_json)


def url(
    address: Annotated[str, typer.Argument(metavar="URL", help="A snapshot, or a SensorThings server.")],
    kind: Kind,
    device: Uids = None,
    gateway: Gateway = None,
    lang: Language = Lang.ZH,
    report: ReportFile = None,
    as_json: Json = False,
) -> None:
    """Fetch what a foreign server tells, once, and check it."""
    from ingest.conformance.by_url import fetch  # noqa: PLC0415

    _test(
        "url",
        lambda watch, sender: fetch(watch, sender, address),
        *(kind, device, gateway, None, lang, report, as_json),
    )


def _test(
    mode: Mode,
    work: Callable[[Watch, Sender], None],
    kind: str,
    device: list[str] | None,
    gateway: str | None,
    interval: float | None,
    lang: Lang,
    file: Path | None,
    as_json: bool,
) -> None:
    """Run a test, write its report, and end with 0 where no rule was broken."""
    from api.version import version  # noqa: PLC0415
    from ingest.conformance import report as reports  # noqa: PLC0415
    from ingest.conformance.bench import Bench, Sender  # noqa: PLC0415
    from ingest.conformance.watch import Watch  # noqa: PLC0415
    from twin.catalog import load_catalog  # noqa: PLC0415
    from twin.errors import InvalidError  # noqa: PLC0415

    catalog = load_catalog()
    kinds = {}
    for named in device or ["test-0001"]:
        uid, _, own = named.partition("=")
        found = catalog.by_name.get(own or kind)
        if found is None:
            raise InvalidError(
                f"there is no kind “{(own or kind)[:40]}” · 没有这一设备类别",
                where="--kind",
                hint="one of · 可选: "
                + ", ".join(f"{row.name} {row.zh}" for row in catalog.by_name.values()),
            )
        kinds[uid] = found
    sender = Sender("device", next(iter(kinds))) if gateway is None else Sender("gateway", gateway)
    for name in {sender.name, *kinds}:
        if not re.fullmatch(r"[0-9A-Za-z_-]{4,64}", name):
            raise InvalidError(
                f"“{name[:80]}” is no number of a device or gateway · 不是设备或网关编号",
                hint="4 to 64 letters, digits, _ and - · 4 至 64 位字母、数字、_ 和 -",
            )
    if gateway is None and len(kinds) > 1:
        raise InvalidError(
            "several devices speak by a gateway · 多台设备须经网关上报",
            where="--device",
            hint="--gateway NAME",
        )
    watch = Watch(Bench(catalog, sender, kinds, interval), mode)
    work(watch, sender)
    findings = watch.findings(time.time_ns() // 1000)
    made = reports.Report(
        sender, mode, datetime.now(UTC), version(), watch.messages, watch.readings, findings, watch.notes
    )
    if file is not None:
        file.write_text(reports.as_markdown(made, lang.value), encoding="utf-8")
    words = "\n".join(reports.as_lines(made, lang.value))
    answer(reports.as_json(made, lang.value), words, as_json, indent=2)
    raise typer.Exit(0 if made.passed else 1)


def _seconds(written: str) -> float:
    """Read a time such as 300s, 10m or 1h; a bare number is seconds.

    Raises
    ------
    InvalidError
        It is none, or not between a second and a day.
    """
    from twin.errors import InvalidError  # noqa: PLC0415

    found = _TIME.fullmatch(written.strip())
    seconds = float(found.group(1)) * _SECONDS[found.group(2) or "s"] if found else 0.0
    if not 1.0 <= seconds <= 86_400.0:
        raise InvalidError(
            f"“{written[:20]}” is no time from 1s to 24h · 不是 1s 至 24h 的时长",
            where="--listen",
            hint="write 300s, 10m or 1h · 写 300s、10m 或 1h",
        )
    return seconds
