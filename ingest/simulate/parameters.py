"""Read ``data/simulation.toml``: how many devices of which kind go where, how values run, what moves."""

from __future__ import annotations

from pathlib import Path

import msgspec

from twin.data_tables import DATA_FOLDER, read_table

DEFAULT_PATH = DATA_FOLDER / "simulation.toml"


class SitingRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where devices of one kind go. ``place`` names a function of ``ingest.simulate.placements``.

    ``share`` is the part of all devices this kind aims at; a kind that finds fewer places leaves the rest
    to the others, at last to the kind with ``fills``. ``cap`` bounds the kind however many are asked for.
    """

    place: str
    share: float
    zh: str
    en: str
    fills: bool = False
    cap: int | None = None
    spacing_m: float = 0.0
    offset_m: float = 0.0
    height_m: float = 0.0
    storey_offset_m: float = 0.0
    levels_min: int = 1
    building_kinds: tuple[str, ...] = ()
    road_classes: tuple[str, ...] = ()
    group: int = 1
    group_gap_m: float = 0.0
    first: str = ""


class WorkerRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How many workers there are and what they are called; one leader to ``leader_every``."""

    per_grid: float
    minimum: int
    maximum: int
    leader_every: int
    surnames_zh: tuple[str, ...]
    given_zh: tuple[str, ...]
    surnames_en: tuple[str, ...]
    given_en: tuple[str, ...]


class VehicleKind(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What vehicles of a kind are called."""

    zh: str
    en: str


class VehicleRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How many vehicles there are, by the length of the roads; their kinds take turns."""

    per_road_km: float
    minimum: int
    maximum: int
    kinds: dict[str, VehicleKind]


class CaseTemplate(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One kind of simulated case: its GB/T 47678.5 code, words, where it lies and how long it may take.

    It goes to the worker of its grid, or ``by_department`` to the department that answers for its kind.
    """

    category_code: str
    zh: str
    en: str
    source: str
    priority: int
    near: str
    due_h: float
    by_department: bool = False


class CaseRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How many simulated cases are open."""

    count: int
    templates: tuple[CaseTemplate, ...]


class SitingParameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """All of siting; without a wish the total follows from the city, up to ``default_total``."""

    default_total: int
    per_building: float
    per_road_km: float
    maximum_total: int
    kinds: dict[str, SitingRule]
    workers: WorkerRule
    vehicles: VehicleRule
    cases: CaseRule


class TravelParameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How workers walk or vehicles drive, and what their receivers get wrong; ``noise_m`` is per axis."""

    report_interval_s: float
    speed_mps: float
    speed_deviation_mps: float
    speed_range_mps: tuple[float, float]
    speed_memory_s: float
    stop_s: tuple[float, float]
    pause_per_hour: float
    pause_s: tuple[float, float]
    indoors_share: float
    noise_m: float
    noise_memory_s: float
    longest_way_m: float
    neighbourhood_m: float


class OffenceParameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which kinds of vehicles park where it is forbidden, how often and for how long."""

    kinds: tuple[str, ...]
    first_after_min: float
    every_min: float
    stay_min: tuple[float, float]


class Signal(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How one property of one kind runs. ``model`` names a row of ``ingest.simulate.signals.MODELS``.

    ``mean`` and ``swing`` are in the property's unit: the daily curve runs around the mean by half the
    swing and peaks at ``peak_h`` local time; ``spread`` is how much devices differ from each other;
    ``noise`` the deviation of the AR(1) noise with memory ``memory_s``; ``rain`` what one unit of rain
    (heavy rain = 1) adds. ``busy`` and ``quiet`` are shares of time a two-state thing is on at its busiest
    and quietest hour, ``dwell_s`` how long it stays so; ``rise_per_h`` fills a bin or empties a battery.
    """

    model: str
    mean: float = 0.0
    swing: float = 0.0
    peak_h: float = 15.0
    spread: float = 0.0
    noise: float = 0.0
    memory_s: float = 600.0
    rain: float = 0.0
    busy: float = 0.0
    quiet: float = 0.0
    dwell_s: float = 600.0
    rise_per_h: float = 0.0
    reset_h: tuple[float, ...] = ()
    follows: str = ""


class RainParameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Showers: how often, how long, how strong (heavy rain = 1), and how long water takes to run off."""

    every_h: float
    duration_h: tuple[float, float]
    strength: tuple[float, float]
    drain_h: float


class FaultParameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What part of all devices is silent or beyond a limit at a time, and for how long."""

    silent_share: float
    abnormal_share: float
    duration_min: tuple[float, float]
    ramp_s: tuple[float, float]
    severity: dict[str, float]
    never: tuple[str, ...] = ()


class IncidentScript(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A slow incident: what it is, whom it reaches and how fast.

    ``reaches`` maps kind to the property that rises, beyond its limits or to ``up_to`` at the centre; the
    front runs at ``front_mps`` from there.
    """

    zh: str
    en: str
    center: tuple[str, ...]
    reaches: dict[str, str]
    radius_m: float
    most: int
    front_mps: float
    rise_s: float
    hold_s: float
    fall_s: float
    same_building: bool = False
    up_to: float | None = None


class IncidentParameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """When incidents happen and the scripts they follow, in turn."""

    first_after_min: float
    every_min: float
    report_interval_s: float
    scripts: dict[str, IncidentScript]


class TrafficParameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How devices send: jitter of the interval, when the first report comes, gateways and their sizes."""

    jitter: float
    first_report_s: float
    devices_per_gateway: int
    flush_s: float
    single_share: float
    single_most: int
    window: int
    outbox: int
    tick_s: float


class Parameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Everything in the file."""

    siting: SitingParameters
    walk: TravelParameters
    drive: dict[str, TravelParameters]
    offences: OffenceParameters
    signals: dict[str, dict[str, Signal]]
    rain: RainParameters
    faults: FaultParameters
    incidents: IncidentParameters
    gatherings: IncidentParameters
    traffic: TrafficParameters


def load_parameters(path: Path = DEFAULT_PATH) -> Parameters:
    """Read and check the file.

    Raises
    ------
    FileFormatError
        The file is not there or is not TOML.
    InvalidError
        A field is missing, unknown or of the wrong type.
    """
    return read_table(path, "the simulation parameters", Parameters)
