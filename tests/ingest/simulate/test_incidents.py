from __future__ import annotations

import numpy as np
import pytest

from ingest.simulate.incidents import Incident, Incidents
from ingest.simulate.parameters import Parameters
from twin.catalog import Catalog

START_S = 1_795_000_000.0


def make(
    parameters: Parameters, catalog: Catalog, *, seed: int = 1, first_s: float | None = None
) -> Incidents:
    random = np.random.default_rng(7)
    kinds = ["water_level"] * 60 + ["flood"] * 40 + ["gas"] * 50 + ["lamp"] * 200
    x, y = random.uniform(-800, 800, (2, len(kinds)))
    buildings = np.where(np.array(kinds) == "gas", random.integers(1, 6, len(kinds)), 0)
    # The gas detectors of one building hang in it.
    x = np.where(buildings > 0, buildings * 100.0 + random.uniform(0, 20, len(kinds)), x)
    y = np.where(buildings > 0, random.uniform(0, 20, len(kinds)), y)
    return Incidents(kinds, x, y, buildings, catalog, parameters.incidents, seed=seed, first_s=first_s)


def series(incidents: Incidents, incident: Incident, step_s: float = 10.0) -> np.ndarray:
    out = []
    for now in np.arange(START_S, incident.end_s + 60.0, step_s):
        values = np.zeros((350, 4))
        incidents.bend(np.arange(350), values, float(now))
        out.append(values)
    return np.stack(out)


def test_a_burst_main_raises_forty_sensors_over_minutes_from_the_centre_outwards(
    parameters: Parameters, catalog: Catalog
) -> None:
    incidents = make(parameters, catalog)
    incident = incidents.begin(START_S)
    assert incident is not None
    assert incident.name == "water_main_burst"
    script = incident.script
    assert len(incident.rows) == script.most == 40
    values = series(incidents, incident)
    level = catalog.by_name["water_level"].property("level")
    mine = incident.rows[incident.rows < 60]
    risen = values[:, mine, 0]
    assert (risen.max(axis=0) >= 15.0).all(), "each passes its first limit"
    assert risen.max() >= 25.0, "the nearest passes the last"
    assert risen.max() <= level.maximum
    assert np.abs(np.diff(risen, axis=0)).max() < 2.0, "over minutes, not at once"
    passed = (risen >= 15.0).argmax(axis=0) * 10.0
    assert passed.max() - passed.min() > 60.0, "not all at once"
    assert (values[-1] == 0.0).all(), "it ends"
    others = np.setdiff1d(np.arange(350), incident.rows)
    assert (values[:, others] == 0.0).all()
    flood = incident.rows[(incident.rows >= 60) & (incident.rows < 100)]
    assert (np.round(values[:, flood, 0]).max(axis=0) == 1.0).all()


def test_the_scripts_take_turns_and_a_gas_leak_stays_in_its_building(
    parameters: Parameters, catalog: Catalog
) -> None:
    incidents = make(parameters, catalog)
    found = [incidents.begin(START_S) for _ in range(4)]
    assert [i.name for i in found if i] == [*parameters.incidents.scripts, "water_main_burst"]
    leak = found[2]
    assert leak is not None
    assert len(leak.rows) > 1
    assert len({int(incidents._buildings[r]) for r in leak.rows}) == 1


def test_the_clock_begins_one_ends_it_and_begins_the_next(parameters: Parameters, catalog: Catalog) -> None:
    incidents = make(parameters, catalog, first_s=START_S + 100.0)
    assert incidents.update(START_S) is None
    first = incidents.update(START_S + 100.0)
    assert first is not None
    assert set(incidents.hurried()) == set(first.rows)
    assert incidents.update(first.end_s) is None
    assert incidents.active == []
    assert incidents.update(START_S + 100.0 + 60.0 * parameters.incidents.every_min) is not None


def test_the_same_seed_gives_the_same_incident(parameters: Parameters, catalog: Catalog) -> None:
    one, same, other = (make(parameters, catalog, seed=s).begin(START_S) for s in (1, 1, 2))
    assert one is not None
    assert same is not None
    assert other is not None
    assert one.rows.tolist() == same.rows.tolist()
    assert one.targets.tolist() == same.targets.tolist()
    assert (one.center, one.reached_s.tolist()) != (other.center, other.reached_s.tolist())


@pytest.mark.parametrize("kinds", [[], ["lamp", "lamp"]])
def test_a_city_without_such_sensors_has_no_incident(
    parameters: Parameters, catalog: Catalog, kinds: list[str]
) -> None:
    nothing = np.zeros(len(kinds))
    incidents = Incidents(
        kinds, nothing, nothing, nothing.astype(np.int64), catalog, parameters.incidents, seed=1, first_s=None
    )
    assert incidents.begin(START_S) is None
    assert incidents.update(START_S) is None


def test_a_gathering_rises_to_its_number_at_one_counter_and_goes_again(
    parameters: Parameters, catalog: Catalog
) -> None:
    kinds = ["people_counter"] * 3 + ["lamp"]
    place = np.array([0.0, 500.0, 1000.0, 0.0])
    gatherings = Incidents(
        kinds, place, place, np.zeros(4, np.int64), catalog, parameters.gatherings, seed=1, first_s=START_S
    )
    crowd = gatherings.update(START_S)
    assert crowd is not None
    assert len(crowd.rows) == 1
    rows = np.arange(4)

    def people(after_s: float) -> list[float]:
        values = np.full((4, 4), 20.0)
        gatherings.bend(rows, values, START_S + after_s)
        assert (values[:, 1:] == 20.0).all()
        return values[:, 0].tolist()

    most = crowd.script.up_to
    assert sorted(people(crowd.script.rise_s + 60.0)) == [20.0, 20.0, 20.0, most]
    assert people(crowd.end_s - START_S) == [20.0] * 4
