from __future__ import annotations

import gzip
import math
from pathlib import Path

import numpy as np
import pytest

from ingest.simulate.parameters import Parameters, load_parameters
from ingest.simulate.replay import HourlySeries, read_uci_pm25
from ingest.simulate.signals import MODELS, Signals
from ingest.simulate.weather import Weather
from twin.catalog import Catalog
from twin.errors import FileFormatError, InvalidError

START_S = 1_795_000_000.0
EACH = 40


def day(
    parameters: Parameters, catalog: Catalog, seed: int, step_s: float = 120.0, hours: float = 24.0
) -> tuple[np.ndarray, np.ndarray]:
    kinds = [k for k in catalog.by_name for _ in range(EACH)]
    signals = Signals(
        kinds, catalog, parameters.signals, Weather(parameters.rain, seed), lon=104.06, seed=seed
    )
    rows = np.arange(len(kinds))
    steps = int(hours * 3600 / step_s)
    return np.array(kinds), np.stack([signals.values(rows, START_S + i * step_s) for i in range(steps)])


@pytest.fixture(scope="module")
def ordinary_day(parameters: Parameters, catalog: Catalog) -> tuple[np.ndarray, np.ndarray]:
    return day(parameters, catalog, 3)


def test_the_parameters_name_only_what_exists(parameters: Parameters, catalog: Catalog) -> None:
    for kind, signals in parameters.signals.items():
        names = {p.name for p in catalog.by_name[kind].properties}
        for name, signal in signals.items():
            assert name in names, f"{kind}.{name}"
            assert signal.model in MODELS
            assert not signal.follows or signal.follows in names
    for script in parameters.incidents.scripts.values():
        for kind, name in script.reaches.items():
            assert catalog.by_name[kind].property(name).limits
        assert set(script.center) <= set(catalog.by_name)
    assert set(parameters.faults.never) <= set(catalog.by_name)
    assert {t.near for t in parameters.siting.cases.templates} <= set(parameters.siting.kinds)


def test_an_ordinary_day_stays_in_the_normal_range(
    ordinary_day: tuple[np.ndarray, np.ndarray], catalog: Catalog
) -> None:
    """No kind leaves its normal range by itself for longer than a limit's hold: faults and incidents do."""
    kinds, values = ordinary_day
    for kind in catalog.by_name.values():
        if kind.layer == 1:
            continue  # a worker's speed and place come from walking
        for p in kind.properties:
            mine = values[:, kinds == kind.name, p.slot]
            assert np.isfinite(mine).all(), f"{kind.name}.{p.name}"
            assert mine.mean() >= p.minimum
            assert (mine <= p.maximum).all()
            for limit in p.limits:
                out = mine >= limit.above if limit.above is not None else mine <= limit.below
                steps = 1 + math.ceil(limit.hold_s / 120.0)
                held = np.lib.stride_tricks.sliding_window_view(out, steps, axis=0).all(axis=-1)
                # A door may stand open for five minutes once in a long while; nothing else may.
                assert held.mean() < (0.001 if kind.name == "door" else 1e-9), f"{kind.name}.{p.name}"


def test_values_are_smooth_not_white_noise(ordinary_day: tuple[np.ndarray, np.ndarray]) -> None:
    kinds, values = ordinary_day
    for kind, slot in [("water_level", 0), ("air_quality", 0), ("smoke", 1), ("noise", 0), ("electrical", 1)]:
        mine = values[:, kinds == kind, slot]
        step = np.diff(mine, axis=0).std()
        assert step < 0.6 * mine.std(axis=0).mean() * math.sqrt(2.0), kind


def test_two_state_things_are_on_as_often_as_said(parameters: Parameters, catalog: Catalog) -> None:
    kinds, values = day(parameters, catalog, 4, step_s=300.0, hours=48.0)
    for kind, name in [("parking", "occupied"), ("gate", "open")]:
        rule = parameters.signals[kind][name]
        share = values[:, kinds == kind, 0].mean()
        assert share == pytest.approx((rule.busy + rule.quiet) / 2, abs=0.05), kind


def test_parking_bays_do_not_flicker(parameters: Parameters, catalog: Catalog) -> None:
    kinds, values = day(parameters, catalog, 4, step_s=60.0, hours=12.0)
    changes = np.abs(np.diff(values[:, kinds == "parking", 0], axis=0)).sum(axis=0)
    assert 6.0 < changes.mean() < 20.0, "a bay changes hands a few times in twelve hours"


def test_lamps_burn_at_night_and_bins_are_emptied(ordinary_day: tuple[np.ndarray, np.ndarray]) -> None:
    kinds, values = ordinary_day
    hours = ((START_S + np.arange(len(values)) * 120.0) / 3600.0 + 104.06 / 15.0) % 24.0
    lamps = values[:, kinds == "lamp", 0]
    assert (lamps[(hours > 10) & (hours < 15)] == 0).all()
    assert (lamps[(hours > 22) | (hours < 4)] > 80).all()
    fill = values[:, kinds == "bin", 0]
    assert (np.diff(fill, axis=0) < -5).sum() >= EACH, "each is emptied at least once a day"


def test_the_same_seed_gives_the_same_values(parameters: Parameters, catalog: Catalog) -> None:
    one, same, other = (day(parameters, catalog, seed, hours=1)[1] for seed in (9, 9, 10))
    assert np.array_equal(one, same, equal_nan=True)
    assert not np.array_equal(one, other, equal_nan=True)


def test_rain_raises_water_and_runs_off(parameters: Parameters) -> None:
    weather = Weather(parameters.rain, 5)
    times = START_S + np.arange(0, 36 * 3600, 60.0)
    rain = weather.intensity(times)
    assert 0.0 < (rain > 0).mean() < 0.5
    assert rain.max() <= parameters.rain.strength[1]
    wet = np.array([weather.at(t)[1] for t in times])
    assert (wet > 0.02).mean() > (rain > 0.02).mean(), "ground stays wet after rain"
    assert np.abs(np.diff(wet)).max() < 0.1


def test_a_real_series_is_replayed_with_its_gaps(
    tmp_path: Path, parameters: Parameters, catalog: Catalog
) -> None:
    file = tmp_path / "pm.csv.gz"
    head = "No,year,month,day,hour,season,PM_US Post\n"
    lines = [f"1,2014,11,18,{h},4,{'NA' if h in (10, 11, 12) else 50 + h}\n" for h in range(24)]
    with gzip.open(file, "wt") as out:
        out.write(head + "".join(lines) + "9,2013,11,18,0,4,999\n")
    series = read_uci_pm25(file)
    assert len(series) == 21
    midnight = 1_794_931_200.0  # 2026-11-18 00:00 +08:00
    assert series.at(midnight + 5.5 * 3600) == pytest.approx(55.5)
    assert math.isnan(series.at(midnight + 11 * 3600))
    signals = Signals(
        ["air_quality"] * 3,
        catalog,
        parameters.signals,
        Weather(parameters.rain, 1),
        lon=104.0,
        seed=1,
        series={("air_quality", "pm25"): series},
    )
    here = signals.values(np.arange(3), midnight + 5 * 3600)
    assert np.abs(here[:, 0] - 55.0).max() < 4.0 * parameters.signals["air_quality"]["pm25"].spread
    gap = signals.values(np.arange(3), midnight + 11 * 3600)
    assert np.isnan(gap[:, 0]).all()
    assert np.isfinite(gap[:, 1]).all(), "only the replayed property is silent"


@pytest.mark.parametrize(
    "content", [b"", b"a,b\n1,2\n", b"\xff\xfe\x00", b"year,month,day,hour,PM_US Post\nx,1,1,1,5\n"]
)
def test_a_file_that_is_no_series_is_refused_with_its_name(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "pm.csv"
    file.write_bytes(content)
    with pytest.raises(FileFormatError) as error:
        read_uci_pm25(file)
    assert str(file) in str(error.value)


def test_the_real_series_of_chengdu_where_it_is_there() -> None:
    file = Path(__file__).parents[4] / "shared/data/pm_chengdu/ChengduPM20100101_20151231.csv.gz"
    if not file.exists():
        pytest.skip("shared/data/pm_chengdu is not on this machine")
    series: HourlySeries = read_uci_pm25(file, year=2014)
    assert 7000 < len(series) <= 8760


def test_a_wrong_parameter_file_says_where(tmp_path: Path) -> None:
    file = tmp_path / "simulation.toml"
    file.write_text("[siting]\nnonsense = 1\n")
    with pytest.raises(InvalidError) as error:
        load_parameters(file)
    assert str(file) in str(error.value)
