"""Put reports into messages of the device schema (``docs/device-schema.md``)."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np
import orjson

from ingest.simulate.fleet import DIRECT, Fleet
from ingest.simulate.link import Outgoing
from ingest.simulate.simulation import Report
from ingest.transports.topics import SIMULATED_GATEWAY, observations_of, status_of
from twin.catalog import SLOTS, Catalog

_MOST_READINGS = 2000
"""Readings in one message: well below the schema's 5,000 and 256 KiB."""


def gateway_name(number: int) -> str:
    """Return the name of a gateway, which says that it is simulated."""
    return f"{SIMULATED_GATEWAY}{number + 1:03d}"


class Mailroom:
    """Collect readings by gateway and hand out messages.

    Parameters
    ----------
    flush_s
        How long a gateway collects before it sends.
    """

    def __init__(self, fleet: Fleet, catalog: Catalog, *, flush_s: float) -> None:
        self._fleet = fleet
        self._flush_s = flush_s
        blank: list[str] = [""] * SLOTS
        names: dict[str, list[str]] = {}
        units: dict[str, list[str]] = {}
        for kind in catalog.by_name.values():
            names[kind.name], units[kind.name] = blank.copy(), blank.copy()
            for p in kind.properties:
                names[kind.name][p.slot], units[kind.name][p.slot] = p.name, p.unit
        self._names = [names[k] for k in fleet.kinds]
        self._units = [units[k] for k in fleet.kinds]
        self._columns: dict[int, dict[str, list[Any]]] = defaultdict(
            lambda: {"t": [], "d": [], "p": [], "v": [], "lon": [], "lat": []}
        )
        # Gateways do not all send in the same moment: each has its own phase in the interval.
        self._phase_s = np.linspace(0.0, flush_s, fleet.gateways, endpoint=False)
        self._next_s = np.zeros(fleet.gateways)

    def take(self, report: Report) -> list[tuple[str, Outgoing]]:
        """Take a report; return the messages of devices that send for themselves, by uid."""
        out = []
        at, slot = np.nonzero(np.isfinite(report.values))
        rows = report.rows[at]
        gateways = self._fleet.gateway[rows]
        uids, names = self._fleet.uids, self._names
        values = report.values[at, slot].tolist()
        placed = np.isfinite(report.lon[at]).tolist()
        lon, lat = report.lon[at].tolist(), report.lat[at].tolist()
        carried = np.flatnonzero(gateways != DIRECT)
        for i, row, s, gateway in zip(
            carried.tolist(),
            rows[carried].tolist(),
            slot[carried].tolist(),
            gateways[carried].tolist(),
            strict=True,
        ):
            columns = self._columns[gateway]
            columns["t"].append(report.unix_ms)
            columns["d"].append(uids[row])
            columns["p"].append(names[row][s])
            columns["v"].append(values[i])
            if placed[i]:
                columns["lon"].append(lon[i])
                columns["lat"].append(lat[i])
        for n in np.unique(at[gateways == DIRECT]).tolist():
            out.append(self._single(report, n))
        return out

    def flush(self, unix_s: float, *, everything: bool = False) -> list[tuple[int, Outgoing]]:
        """Return the messages of gateways whose time has come, by gateway number."""
        out = []
        for gateway in list(self._columns):
            if not everything and unix_s < self._next_s[gateway]:
                continue
            turn = np.floor((unix_s - self._phase_s[gateway]) / self._flush_s) + 1.0
            self._next_s[gateway] = turn * self._flush_s + self._phase_s[gateway]
            columns = self._columns.pop(gateway)
            count = len(columns["v"])
            for start in range(0, count, _MOST_READINGS):
                # A gateway carries what stands or what moves: all of its readings have a place, or none has.
                part = {k: v[start : start + _MOST_READINGS] for k, v in columns.items() if v}
                topic = observations_of("gateways", gateway_name(gateway))
                out.append((gateway, Outgoing(topic, orjson.dumps(part), len(part["v"]))))
        return out

    def _single(self, report: Report, n: int) -> tuple[str, Outgoing]:
        row = int(report.rows[n])
        slots = np.flatnonzero(np.isfinite(report.values[n])).tolist()
        names, units = self._names[row], self._units[row]
        message: dict[str, Any] = {
            "t": report.unix_ms,
            "v": {names[s]: float(report.values[n, s]) for s in slots},
            "u": {names[s]: units[s] for s in slots},
        }
        if np.isfinite(report.lon[n]):
            message["lon"], message["lat"] = float(report.lon[n]), float(report.lat[n])
        uid = self._fleet.uids[row]
        return uid, Outgoing(observations_of("devices", uid), orjson.dumps(message), len(slots))


def status_message(uid: str, *, online: bool) -> Outgoing:
    """Return the retained status of a device; also its last will."""
    return Outgoing(status_of("devices", uid), b"online" if online else b"offline", 0, retain=True)


def heartbeat(*, online: bool) -> Outgoing:
    """Return the status of the first gateway, which stands for the whole simulator.

    Not retained: whoever hears it knows that the simulator runs now.
    """
    return Outgoing(status_of("gateways", gateway_name(0)), b"online" if online else b"offline", 0)
