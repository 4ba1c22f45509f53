"""Hold back who sends far more than they should, so that nobody else waits for them.

A sender has a bucket of tokens, one a reading. It fills at the sender's limit, by the clock or by how far the
times of the readings go on, whichever is more: what was saved up while the sender or the server was away
comes in at once and is no flood, however much it is.
"""

from __future__ import annotations

import itertools
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from twin.judge import FUTURE_S
from twin.live.board import Board
from twin.live.rooms import Rows
from twin.runs import begins_of, lengths_of

log = logging.getLogger(__name__)

TIMES_EXPECTED: Final = 20.0
"""A device may send so many times what is expected of it."""
LEAST_RATE: Final = 5.0
"""And always so many readings a second."""
PUBLISHER_RATE: Final = 20_000.0
"""Readings a second of one gateway, unless set otherwise."""
REASON: Final = "too_fast"

_LEAST_BURST: Final = 3_000.0
_BURST_S: Final = 30.0
_BLOCK_S: Final = 1.0
_SAMPLE_EVERY_S: Final = 10.0
_OVER_AFTER_S: Final = 60.0
_MOST_NOTICES: Final = 1_000
_NO_LIMIT: Final = 1e12
_US: Final = 1_000_000

Keys = NDArray[np.integer[Any]]
Mask = NDArray[np.bool_]


class Buckets:
    """Buckets of tokens by number, full at first; a whole batch takes its tokens at once."""

    def __init__(self) -> None:
        self._tokens = np.zeros(0)
        self._heard_us = np.zeros(0, np.int64)
        self._newest_us = np.zeros(0, np.int64)

    def take(
        self,
        keys: Keys,
        weights: NDArray[np.intp] | None,
        time_us: NDArray[np.int64],
        received_us: int,
        rates_of: Callable[[Keys], NDArray[np.float64]],
    ) -> Mask | None:
        """Take tokens for n items, in their order.

        Parameters
        ----------
        keys
            Number of the bucket of each item, shape (n,), n > 0.
        weights
            Tokens each asks for; one each where it is None.
        time_us
            Newest phenomenon time in each item, Unix µs; 0 where it has none.
        received_us
            When they came, Unix µs.
        rates_of
            Gives the tokens a second that flow into buckets.

        Returns
        -------
        over
            True for items that got none, shape (n,); None where all got theirs.
        """
        order = np.argsort(keys, kind="stable")
        grouped = keys[order]
        starts = begins_of(grouped)
        who = grouped[starts]
        self._reserve(int(who[-1]) + 1)
        sizes = lengths_of(starts, len(keys))
        asked = sizes if weights is None else np.add.reduceat(weights[order], starts)
        # A clock that runs ahead would fill the bucket as far as it is turned.
        newest = np.minimum(np.maximum.reduceat(time_us[order], starts), received_us + int(FUTURE_S * _US))
        rates = rates_of(who) / _US
        before = self._newest_us[who]
        new = self._heard_us[who] == 0
        if new.any():
            before[new] = np.minimum.reduceat(time_us[order], starts)[new]
        by_clock = self._tokens[who] + (received_us - self._heard_us[who]) * rates
        most = np.maximum(rates * _US * _BURST_S, _LEAST_BURST)
        by_times = self._tokens[who] + np.maximum(newest - before, 0) * rates
        allowed = np.maximum(np.minimum(by_clock, most), by_times)
        self._heard_us[who] = received_us
        self._newest_us[who] = np.maximum(self._newest_us[who], newest)
        left = allowed - asked
        if (left >= 0).all():
            self._tokens[who] = np.minimum(left, most)
            return None
        given = np.ones(len(keys), np.intp) if weights is None else weights[order]
        sums = np.cumsum(given)
        beyond = sums - np.repeat(sums[starts] - given[starts], sizes) > np.repeat(allowed, sizes)
        left = allowed - np.add.reduceat(np.where(beyond, 0, given), starts)
        self._tokens[who] = np.minimum(left, most)
        over = np.empty(len(keys), np.bool_)
        over[order] = beyond
        return over

    def _reserve(self, n: int) -> None:
        more = max(n, 2 * len(self._tokens), 1024) - len(self._tokens)
        if n > len(self._tokens):
            self._tokens = np.concatenate((self._tokens, np.zeros(more)))
            self._heard_us = np.concatenate((self._heard_us, np.zeros(more, np.int64)))
            self._newest_us = np.concatenate((self._newest_us, np.zeros(more, np.int64)))


@dataclass(slots=True)
class Notice:
    """A sender that sends too much: since when, what it may send, how many readings were refused."""

    sender: str
    since: datetime
    limit_per_s: float
    refused: int = 0
    last_s: float = 0.0
    sampled_s: float = float("-inf")


class Flood:
    """The buckets of all devices and publishers, and notices about those whose bucket is empty.

    Parameters
    ----------
    board
        Says how often each device is expected.
    publisher_rate
        Readings a second of one gateway.
    """

    def __init__(self, board: Board, publisher_rate: float = PUBLISHER_RATE) -> None:
        self._board = board
        self._publisher_rate = publisher_rate
        kinds = board.catalog.by_code
        self._properties = np.ones(max(kinds) + 1)
        self._properties[list(kinds)] = [max(1, len(kind.properties)) for kind in kinds.values()]
        self._devices = Buckets()
        self._publishers = Buckets()
        self._names: list[tuple[str, str]] = [("", "")]
        self._numbers: dict[tuple[str, str], int] = {}
        self._blocked: dict[int, float] = {}
        self._notices: dict[str, Notice] = {}

    def number_of(self, kind: str, name: str) -> int:
        """Return the number of a publisher, a ``device`` or ``gateway``, for as long as this runs."""
        number = self._numbers.get((kind, name))
        if number is None:
            number = self._numbers[kind, name] = len(self._names)
            self._names.append((kind, name))
        return number

    def holds_back(self, number: int) -> bool:
        """Say whether nothing that a publisher sends is read at the moment."""
        until_s = self._blocked.get(number) if self._blocked else None
        if until_s is None:
            return False
        if until_s < time.monotonic():
            del self._blocked[number]
            return False
        return True

    def over_messages(
        self,
        publishers: NDArray[np.intp],
        readings: NDArray[np.intp],
        newest_us: NDArray[np.int64],
        received_us: int,
    ) -> Mask | None:
        """Say which of n messages are beyond what their publishers may send; hold those back for a second.

        Parameters
        ----------
        publishers
            Number of each, from `number_of`; 0 is nobody, who has no limit.
        readings
            How many each holds; one that holds none costs as much as one with one.
        newest_us
            Newest phenomenon time in each, 0 where it has none.
        """
        weights = np.maximum(readings, 1)
        over = self._publishers.take(publishers, weights, newest_us, received_us, self._publisher_rates)
        if over is not None:
            until_s = time.monotonic() + _BLOCK_S
            self._blocked.update(dict.fromkeys(np.unique(publishers[over]).tolist(), until_s))
        return over

    def over_readings(self, rows: Rows, time_us: NDArray[np.int64], received_us: int) -> Mask | None:
        """Say which of n readings are beyond what the devices in these rows of the board may send."""
        return self._devices.take(rows, None, time_us, received_us, self._device_rates)

    def _device_rates(self, rows: Keys) -> NDArray[np.float64]:
        expected_s = np.maximum(self._board.expected_s[rows], 1e-3)
        return np.maximum(TIMES_EXPECTED * self._properties[self._board.kind[rows]] / expected_s, LEAST_RATE)

    def _publisher_rates(self, numbers: Keys) -> NDArray[np.float64]:
        kinds, names = zip(*(self._names[number] for number in numbers.tolist()), strict=True)
        rows = np.fromiter(map(self._board.row_of_uid.get, names, itertools.repeat(-1)), np.int32, len(names))
        rates = np.where(rows < 0, LEAST_RATE, self._device_rates(rows))
        rates[np.array([kind == "gateway" for kind in kinds])] = self._publisher_rate
        rates[numbers == 0] = _NO_LIMIT
        return rates

    # what is told of it

    def note(self, sender: str, refused: int, limit: Callable[[], float]) -> bool:
        """Count what was refused of a sender, and say whether one of it should be kept to be looked at."""
        now_s = time.monotonic()
        notice = self._notices.get(sender)
        if notice is None:
            if len(self._notices) >= _MOST_NOTICES:
                return False
            notice = self._notices[sender] = Notice(sender, datetime.now(UTC), limit())
            log.warning(
                "%s sends more than %g readings a second: the rest is refused", sender, notice.limit_per_s
            )
        notice.refused += refused
        notice.last_s = now_s
        if now_s - notice.sampled_s < _SAMPLE_EVERY_S:
            return False
        notice.sampled_s = now_s
        return True

    def notices(self) -> list[Notice]:
        """Return the notices about senders that sent too much within the last minute, the oldest first."""
        calm_s = time.monotonic() - _OVER_AFTER_S
        for notice in [one for one in self._notices.values() if one.last_s < calm_s]:
            del self._notices[notice.sender]
            log.warning("%s sends as it should again; %d were refused", notice.sender, notice.refused)
        return list(self._notices.values())

    def limit_of_publisher(self, number: int) -> float:
        """Return the readings a second of a publisher."""
        return float(self._publisher_rates(np.array([number]))[0])

    def limit_of_device(self, row: int) -> float:
        """Return the readings a second of the device in a row of the board."""
        return float(self._device_rates(np.array([row]))[0])

    def name_of(self, number: int) -> str:
        """Return the kind and the name of a publisher."""
        return " ".join(self._names[number])
