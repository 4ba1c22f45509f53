from __future__ import annotations

import numpy as np
import pytest

from ingest.simulate.faults import Faults, beyond, smooth
from ingest.simulate.parameters import Parameters
from twin.catalog import Catalog

START_S = 1_795_000_000.0


def fleet(catalog: Catalog, each: int = 150) -> list[str]:
    return [k for k in catalog.by_name for _ in range(each)]


def resting(kinds: list[str], catalog: Catalog) -> np.ndarray:
    values = np.full((len(kinds), 4), np.nan)
    for row, kind in enumerate(kinds):
        for p in catalog.by_name[kind].properties:
            high = min((r.above for r in p.limits if r.above is not None), default=p.maximum)
            low = max((r.below for r in p.limits if r.below is not None), default=p.minimum)
            values[row, p.slot] = p.minimum if p.words else (low + high) / 2.0
    return values


def test_a_value_beyond_a_limit_is_in_its_state_and_in_no_worse_one(catalog: Catalog) -> None:
    for kind in catalog.by_name.values():
        for p in kind.properties:
            for limit in p.limits:
                value = beyond(p, limit)
                assert p.minimum <= value <= p.maximum
                if limit.above is not None:
                    assert round(value, p.decimals) >= limit.above
                else:
                    assert limit.below is not None
                    assert round(value, p.decimals) <= limit.below
                for worse in p.limits:
                    if worse.state <= limit.state or (worse.above or worse.below) == (
                        limit.above or limit.below
                    ):
                        continue
                    assert worse.above is None or value < worse.above, f"{kind.name}.{p.name}"
                    assert worse.below is None or value > worse.below, f"{kind.name}.{p.name}"


def test_the_part_that_is_abnormal_is_steady_and_small(catalog: Catalog, parameters: Parameters) -> None:
    kinds = fleet(catalog)
    faults = Faults(kinds, catalog, parameters.faults, seed=2, start_s=START_S)
    rows = np.arange(len(kinds))
    never = np.isin(kinds, parameters.faults.never)
    shares = []
    for minute in range(0, 12 * 60, 5):
        now = START_S + minute * 60.0
        faults.update(now)
        silent, abnormal = faults.counts()
        shares.append((silent + abnormal) / len(kinds))
        assert not faults.silent(rows, now)[never].any()
        values = resting(kinds, catalog)
        faults.bend(rows, values, now)
        assert np.array_equal(values[never], resting(kinds, catalog)[never], equal_nan=True)
    rules = parameters.faults
    wished = (rules.silent_share + rules.abnormal_share) * len(kinds)
    assert (
        abs(np.array(shares) * len(kinds) - wished).max() <= 1.0
    )  # each of the two is rounded to whole devices
    # Ten minutes bring at most one new alarm in a district of 3,000: what an operator can bear (EEMUA 191).
    mean_min = sum(rules.duration_min) / 2 + sum(rules.ramp_s) / 60
    assert rules.abnormal_share * 3000 / mean_min * 10 <= 1.0


def test_a_fault_comes_and_goes_without_a_jump(catalog: Catalog, parameters: Parameters) -> None:
    kinds = ["water_level"] * 400
    faults = Faults(kinds, catalog, parameters.faults, seed=3, start_s=START_S)
    rows = np.arange(400)
    base = np.full((400, 4), np.nan)
    base[:, 0], base[:, 1] = 5.0, 80.0
    series = []
    for step in range(0, 5 * 3600, 10):
        faults.update(START_S + step)
        values = base.copy()
        faults.bend(rows, values, START_S + step)
        series.append(values)
    levels = np.stack(series)
    beyond_limit = (levels[:, :, 0] >= 15.0) | (levels[:, :, 1] <= 10.0)
    assert beyond_limit.any(), "some leave their range"
    # The steepest smoothstep rises 1.5 times its height over the shortest ramp.
    height = max(beyond(p, r) for p in catalog.by_name["water_level"].properties[:1] for r in p.limits) - 5.0
    assert (
        np.abs(np.diff(levels[:, :, 0], axis=0)).max()
        <= 1.5 * height / parameters.faults.ramp_s[0] * 10.0 + 1e-9
    )


def test_a_silent_device_speaks_first_and_comes_back(catalog: Catalog, parameters: Parameters) -> None:
    kinds = ["smoke"] * 1000
    faults = Faults(kinds, catalog, parameters.faults, seed=4, start_s=START_S, settle_s=20.0)
    rows = np.arange(1000)
    assert not faults.silent(rows, START_S + 10.0).any()
    lost = faults.silent(rows, START_S + 21.0)
    assert lost.sum() == round(parameters.faults.silent_share * 1000)
    later = START_S + 60.0 * (parameters.faults.duration_min[1] + 31.0)
    faults.update(later)
    assert not (lost & faults.silent(rows, later)).all()


def test_the_same_seed_gives_the_same_faults(catalog: Catalog, parameters: Parameters) -> None:
    kinds = fleet(catalog, 50)

    def slots(seed: int) -> list[list[int]]:
        faults = Faults(kinds, catalog, parameters.faults, seed=seed, start_s=START_S)
        out = []
        for minute in range(0, 300, 10):
            faults.update(START_S + minute * 60.0)
            out.append(faults.slot.tolist())
        return out

    assert slots(1) == slots(1)
    assert slots(1) != slots(2)


def test_smooth_has_no_corner() -> None:
    x = np.linspace(-0.5, 1.5, 2001)
    y = smooth(x)
    assert y[0] == 0.0
    assert y[-1] == 1.0
    slope = np.diff(y) / np.diff(x)
    assert slope.min() >= -1e-12
    assert np.abs(np.diff(slope)).max() < 0.01
    assert slope.max() == pytest.approx(1.5, abs=0.01)
