"""Compare what senders wrote down as acknowledged with what the database holds."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.ingest.installation import Account
from bench.ingest.writers import PER_MESSAGE
from bench.live.database import connect

_STORED = (
    "SELECT uid, (extract(epoch FROM phenomenon_time) * 1000)::int8 AS t, count(*) "
    "FROM observation JOIN device ON device.id = device_id GROUP BY 1, 2"
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of readings; ``unacknowledged`` are stored although their sender never heard so.

    ``refused`` must be 0: what the quarantine holds is not lost, and would be counted as lost here.
    """

    acknowledged: int
    stored: int
    lost: int
    refused: int
    duplicated: int
    unacknowledged: int


def check(url: str, journal: Path, senders: Sequence[Account]) -> Verdict:
    """Count once: each reading is a device and a time.

    Parameters
    ----------
    url
        Database.
    journal
        File of `bench.ingest.writers`, and the senders by number.
    """
    acknowledged = set()
    for line in journal.read_text(encoding="ascii").splitlines():
        number, t_ms, first = map(int, line.split(" "))
        devices = senders[number].devices[first : first + PER_MESSAGE]
        acknowledged |= {(device, t_ms) for device in devices}
    with connect(url) as connection:
        rows = connection.execute(_STORED).fetchall()
        refused = connection.execute("SELECT count(*) FROM quarantine").fetchone()
    stored = {(str(uid), int(str(t_ms))) for uid, t_ms, _ in rows}
    return Verdict(
        acknowledged=len(acknowledged),
        stored=len(stored),
        lost=len(acknowledged - stored),
        refused=int(str(refused[0])) if refused else 0,
        duplicated=sum(int(str(n)) - 1 for *_, n in rows),
        unacknowledged=len(stored - acknowledged),
    )


def settle(
    url: str, journal: Path, senders: Sequence[Account], timeout_s: float = 30.0
) -> tuple[Verdict, float]:
    """Wait until nothing is missing, or nothing more comes for three seconds; give the count and the wait."""
    begun = last_change = time.monotonic()
    verdict = check(url, journal, senders)
    while verdict.lost and time.monotonic() - begun < timeout_s and time.monotonic() - last_change < 3.0:
        time.sleep(0.2)
        before, verdict = verdict, check(url, journal, senders)
        if verdict.stored != before.stored:
            last_change = time.monotonic()
    return verdict, time.monotonic() - begun
