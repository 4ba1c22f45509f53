"""Play slow incidents by script: a burst water main, a flooded underpass, a gas leak in a building."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ingest.simulate.faults import beyond, smooth
from ingest.simulate.parameters import IncidentParameters, IncidentScript
from twin.catalog import Catalog, ObservedProperty

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]

_STRONGEST, _WEAKEST = 1.0, 0.25
"""How many of a property's limits are passed at the centre and at the edge, as a part of all."""


@dataclass(frozen=True, slots=True)
class Incident:
    """One incident: the devices it reaches, when the front is there, and where their values go."""

    name: str
    zh: str
    en: str
    begin_s: float
    end_s: float
    center: int
    rows: Rows
    slots: NDArray[np.int64]
    reached_s: Floats
    targets: Floats
    script: IncidentScript


class Incidents:
    """When incidents happen, in turn through the scripts, and what they do to values.

    Parameters
    ----------
    kinds, x_m, y_m, buildings
        Kind, place and building (0: none) of each device.
    first_s
        Unix time of the first one; None: there are none until `begin` is called.
    """

    def __init__(
        self,
        kinds: list[str],
        x_m: Floats,
        y_m: Floats,
        buildings: NDArray[np.int64],
        catalog: Catalog,
        parameters: IncidentParameters,
        *,
        seed: int,
        first_s: float | None,
    ) -> None:
        self._kinds = np.array(kinds, dtype=np.str_)
        self._xy = np.column_stack((x_m, y_m))
        self._buildings = buildings
        self._catalog = catalog
        self._parameters = parameters
        self._seed = seed
        self._next_s = first_s
        self._turn = 0
        self.active: list[Incident] = []

    def update(self, unix_s: float) -> Incident | None:
        """End what is over and begin what is due; returns the incident that begins now."""
        self.active = [i for i in self.active if unix_s < i.end_s]
        if self._next_s is None or unix_s < self._next_s:
            return None
        self._next_s = unix_s + 60.0 * self._parameters.every_min
        return self.begin(unix_s)

    def begin(self, unix_s: float) -> Incident | None:
        """Begin the next incident now; None where no script finds devices it could reach."""
        scripts = list(self._parameters.scripts.items())
        for _ in scripts:
            name, script = scripts[self._turn % len(scripts)]
            self._turn += 1
            incident = self._plan(name, script, unix_s)
            if incident is not None:
                self.active.append(incident)
                return incident
        return None

    def bend(self, rows: Rows, values: Floats, unix_s: float) -> None:
        """Bend values of shape (len(rows), 4) in place towards what the incidents say."""
        for incident in self.active:
            here = np.searchsorted(incident.rows, rows)
            here[here == len(incident.rows)] = 0
            hit = np.flatnonzero(incident.rows[here] == rows)
            if not len(hit):
                continue
            member = here[hit]
            script = incident.script
            since = unix_s - incident.reached_s[member]
            weight = smooth(since / script.rise_s) * (
                1.0 - smooth((since - script.rise_s - script.hold_s) / script.fall_s)
            )
            slot = incident.slots[member]
            value = values[hit, slot]
            values[hit, slot] = np.maximum(value, value + weight * (incident.targets[member] - value))

    def hurried(self) -> Rows:
        """Return the devices that report more often now, as real ones do when values move."""
        if not self.active:
            return np.empty(0, np.int64)
        return np.unique(np.concatenate([i.rows for i in self.active]))

    def _plan(self, name: str, script: IncidentScript, unix_s: float) -> Incident | None:
        random = np.random.default_rng([self._seed, 211, self._turn])
        reach = np.flatnonzero(np.isin(self._kinds, list(script.reaches)))
        for kind in script.center:
            centers = np.flatnonzero(self._kinds == kind)
            if len(centers) and len(reach):
                break
        else:
            return None
        # Where most of those it can reach stand close together it makes the largest picture: of a few
        # places drawn, the one that reaches the most is taken.
        best: tuple[int, Rows, Floats] | None = None
        for center in random.choice(centers, min(6, len(centers)), replace=False):
            distance = np.hypot(*(self._xy[reach] - self._xy[center]).T)
            near = distance <= script.radius_m
            if script.same_building and self._buildings[center]:
                near &= self._buildings[reach] == self._buildings[center]
            order = np.argsort(distance[near], kind="stable")[: script.most]
            if best is None or len(order) > len(best[1]):
                best = int(center), reach[near][order], distance[near][order]
        if best is None or not len(best[1]):
            return None
        center, rows, distance = best
        edge = max(float(distance.max()), 1.0)
        strength = _STRONGEST + (_WEAKEST - _STRONGEST) * distance / edge
        observed = [
            self._catalog.by_name[str(self._kinds[r])].property(script.reaches[str(self._kinds[r])])
            for r in rows
        ]
        if script.up_to is not None:
            targets = script.up_to * strength
        else:
            targets = np.array([_target(p, float(s)) for p, s in zip(observed, strength, strict=True)])
        delay = distance / script.front_mps * random.uniform(0.85, 1.15, len(rows))
        order = np.argsort(rows)
        end_s = unix_s + float(delay.max()) + script.rise_s + script.hold_s + script.fall_s
        return Incident(
            name,
            script.zh,
            script.en,
            unix_s,
            end_s,
            center,
            rows[order],
            np.array([p.slot for p in observed], np.int64)[order],
            (unix_s + delay)[order],
            targets[order],
            script,
        )


def _target(observed: ObservedProperty, strength: float) -> float:
    """Return the value beyond the limit that a strength of 0..1 reaches, counted from the mildest."""
    limits = sorted((row for row in observed.limits if row.above is not None), key=lambda row: row.state)
    if not limits:
        return observed.maximum
    return beyond(observed, limits[min(int(strength * len(limits)), len(limits) - 1)])
