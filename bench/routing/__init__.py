"""Measure ways on foot beside Valhalla, OSRM and pgRouting: whether times agree, what questions take."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Engine, text

from bench.importing import city_file, fresh_databases
from bench.report import Table, show
from bench.routing.agreement import MOVED_M, compare, differing
from bench.routing.contenders import (
    NAMES,
    OURS,
    PACKAGES,
    PGROUTING,
    Contender,
    Peers,
    find_peers,
    ours,
    peer,
)
from bench.routing.district import write_district
from bench.routing.pgrouting import PgRouting
from bench.routing.speed import Sizes, ask_in_turns, pairs_of, questions
from bench.routing.streets_of import StreetPieces
from bench.workplace import CommonOptions, option, workplace
from ingest.vector.osm import OsmOptions, import_osm
from ingest.vector.record import Rules
from twin.dispatch.network.profiles import FOOT, load_profiles
from twin.errors import InvalidError

_SEED: Final = 20_261_122
_LISTED: Final = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Options(CommonOptions):
    """Which roads, who answers, how much is asked."""

    file: str = option("", "an .osm.pbf or .osm file; central Helsinki when not given")
    nodes: int = option(100_000, "crossings of the generated city; 0 leaves it out")
    contenders: str = option(",".join(NAMES), "who answers; ours always does")
    pairs: int = option(1000, "random pairs whose times are compared")
    rounds: int = option(9, "times each question is asked, each time for other places")
    workers: int = option(500, "goals of one to many, within 15 minutes")
    rows: int = option(200, "starts of the matrix, within 30 minutes")
    columns: int = option(300, "goals of the matrix")

    def __post_init__(self) -> None:
        for name in ("pairs", "rounds", "workers", "rows", "columns"):
            if getattr(self, name) < 1:
                raise InvalidError(f"--{name} must be at least 1")
        unknown = sorted(set(self.names) - set(NAMES))
        if unknown:
            raise InvalidError(f"--contenders has {', '.join(unknown)}", hint=f"they are {', '.join(NAMES)}")

    @property
    def names(self) -> tuple[str, ...]:
        """Who answers, ours first."""
        return (OURS, *(name for name in self.contenders.split(",") if name not in {"", OURS}))


def run(options: Options, progress: Callable[[str], None]) -> dict[str, Any]:
    """Import each city into a database, let everybody build, compare, ask in turns."""
    with contextlib.ExitStack() as stack:
        base = stack.enter_context(workplace(options))
        folder = base / "routing"
        folder.mkdir(exist_ok=True)
        folder.chmod(0o755)
        peers = find_peers(options.names, base, progress)
        files = {"file": city_file(options.file, folder)}
        if options.nodes:
            files["generated"] = folder / "generated.osm.pbf"
            write_district(files["generated"], options.nodes, _SEED)
        fresh = stack.enter_context(fresh_databases(folder))
        cities = {}
        for name, file in files.items():
            with fresh() as engine:
                cities[name] = _measure(engine, file, folder / name, peers, options, progress)
    return {
        "cities": cities,
        "missing": peers.missing,
        "versions": dict(PACKAGES),
        "aims": _aims(cities["file"]["agreement"]),
    }


def _measure(
    engine: Engine,
    file: Path,
    folder: Path,
    peers: Peers,
    options: Options,
    progress: Callable[[str], None],
) -> dict[str, Any]:
    folder.mkdir(exist_ok=True)
    progress(f"routing: {file.name}")
    import_osm(engine, file, options=OsmOptions(rules=Rules(make_grids=False, see=False)))
    url = engine.url.render_as_string(hide_password=False)
    kmh = load_profiles()[FOOT].speed_kmh
    with contextlib.ExitStack() as stack:
        own = stack.enter_context(ours(folder))
        contenders: dict[str, Contender] = {OURS: own}
        built = {OURS: _said(own.ask("build", url=url.replace("+psycopg", "+asyncpg")))}
        for name, python in peers.python.items():
            progress(f"routing: {name} builds")
            worker = stack.enter_context(peer(name, python, folder))
            built[name] = _said(worker.ask("build", file=str(file), folder=str(folder / name), kmh=kmh))
            contenders[name] = worker
        agreement = _agreement(engine, contenders, options.pairs, progress)
        if PGROUTING in options.names:
            _said(own.ask("edges", file=str(folder / "edges.npz")))
            contenders[PGROUTING] = stack.enter_context(
                contextlib.closing(PgRouting(url, lambda places: own.ask("nodes_of", lon_lat=places)["node"]))
            )
            built[PGROUTING] = contenders[PGROUTING].ask("build", edges=folder / "edges.npz", kmh=kmh)
        sizes = Sizes(options.rounds, options.workers, options.rows, options.columns)
        contenders = {name: contenders[name] for name in NAMES if name in contenders}
        speed = ask_in_turns(contenders, questions(own, StreetPieces(file), sizes, _SEED), progress)
        for name, one in contenders.items():
            built[name]["memory_mib"] = round(_said(one.ask("memory"))["mib"], 1)
    return {"file": file.name, "built": built, "agreement": agreement, "speed": speed}


def _said(answer: dict[str, Any]) -> dict[str, Any]:
    """Return an answer that must be there."""
    if "error" in answer:
        raise InvalidError(f"no answer: {answer['error']}")
    return answer


def _agreement(
    engine: Engine, contenders: Mapping[str, Contender], count: int, progress: Callable[[str], None]
) -> dict[str, Any]:
    """Compare our seconds with each peer's between the same places on streets, with and without joints."""
    own = contenders[OURS]
    drawn = _said(own.ask("places", count=2 * count, seed=_SEED, main=False))
    pairs = pairs_of(drawn["lon_lat"])
    mine = {
        joints: _said(own.ask("pairs", edge=drawn["edge"], along=drawn["along"], joints=joints))["found"]
        for joints in (False, True)
    }
    with engine.connect() as connection:
        rows = connection.execute(text("SELECT id, source_ref, road_class FROM road")).all()
    names = {row.id: f"{row.source_ref} {row.road_class}" for row in rows}
    out: dict[str, Any] = {}
    for name in contenders:
        if name == OURS:
            continue
        progress(f"routing: {count:,} pairs with {name}")
        for neutral in (True, False) if name == "valhalla" else (True,):
            theirs = _said(contenders[name].ask("pairs", pairs=pairs, neutral=neutral))["found"]
            out[name if neutral else f"{name}, its penalties"] = {
                "joints_off": compare(pairs, mine[False], theirs),
                "joints_on": compare(pairs, mine[True], theirs),
                "differing": differing(pairs, mine[False], theirs, names),
            }
    return out


def _aims(agreement: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Hold the ratios with Valhalla against what was aimed for; nothing without it."""
    if "valhalla" not in agreement:
        return {}
    found = agreement["valhalla"]["joints_off"]
    one_sided = found["only_ours"] + found["only_theirs"]
    off = abs(found["median"] - 1)
    span = max(abs(found["p5"] - 1), abs(found["p95"] - 1))
    return {
        "median ratio, off by": {"value": round(off, 4), "aim": 0.02, "met": off <= 0.02},
        "p5 to p95, off by": {"value": round(span, 4), "aim": 0.10, "met": span <= 0.10},
        "pairs with a way on one side only": {"value": one_sided, "aim": 0, "met": one_sided == 0},
    }


_WORDS: Final = {
    "one_to_many": "one to many",
    "matrix": "matrix",
    "route": "route with line",
    "isochrone": "isochrones of 5, 10, 15 min",
    "closure": "closure until a way avoids it",
}


def tables(result: Mapping[str, Any]) -> list[Table]:
    """Give the agreement, what each question takes, what building takes, and the ways that differ."""
    out = []
    for city in result["cities"].values():
        title = f"{city['file']}, {city['built'][OURS]['nodes']:,} nodes"
        if city["agreement"]:
            out.append(_agreement_table(title, city["agreement"]))
        out += [_speed_table(title, city["speed"], part) for part in ("", "cpu_")]
        out.append(_built_table(title, city["built"]))
    listed = _differing_table(result["cities"]["file"])
    if listed.rows:
        out.append(listed)
    if result["missing"]:
        rows = [(name, why) for name, why in result["missing"].items()]
        out.append(Table("Not measured", ("peer", "why"), rows))
    return out


def _agreement_table(title: str, agreement: Mapping[str, Any]) -> Table:
    rows = []
    for name, found in agreement.items():
        for joints in ("joints_off", "joints_on"):
            one = found[joints]
            rows.append(
                (
                    f"{name}; {joints.replace('_', ' ')}",
                    *(show(one[part], 3) for part in ("median", "p5", "p95")),
                    f"{one['within_tenth']:.1%}" if one["within_tenth"] is not None else "–",
                    *(show(one[part]) for part in ("both", "neither", "only_ours", "only_theirs", "moved")),
                )
            )
    header = (
        "peer",
        "median",
        "p5",
        "p95",
        "within 10 %",
        "both",
        "neither",
        "only ours",
        "only theirs",
        "moved",
    )
    notes = (
        "Our seconds by theirs, where both find a way; joints: links over gaps up to 30 m that nobody drew;",
        "moved: the peer began or ended elsewhere than it was asked to; these are in no other column.",
    )
    return Table(f"Agreement on foot: {title}", header, rows, notes)


_APART: Final = {
    "one_to_many": "one to many, places on streets",
    "matrix": "matrix, places on streets",
    "closure": "closure in memory only",
}


def _speed_table(title: str, speed: Mapping[str, Any], part: str) -> Table:
    names = list(next(iter(speed.values())))
    rows = []
    for question, by_name in speed.items():
        cells = [_WORDS[question], show(by_name[OURS][f"{part}median_ms"], 2)]
        for name in names[1:]:
            one = by_name[name]
            cells += [
                "–"
                if "error" in one
                else f"{show(one[f'{part}median_ms'], 2)} ({show(one[f'{part}ratio'])}×)"
            ]
        rows.append(tuple(cells))
        if "apart" in by_name[OURS]:
            apart = show(by_name[OURS]["apart"][f"{part}median_ms"], 2)
            rows.append((_APART[question], apart, *["–"] * (len(names) - 1)))
    notes = (
        "Medians of the rounds; in brackets times ours, median of the rounds. pgRouting is given nodes.",
        *(("Without that of the database for ours: it has a part in closures only.",) if part else ()),
    )
    what = "Processor time of a question" if part else "What a question takes"
    return Table(f"{what}, ms: {title}", ("question", *names), rows, notes)


def _built_table(title: str, built: Mapping[str, Any]) -> Table:
    rows = [
        (
            name,
            show(round(one["seconds"], 2), 2),
            show(round(one["cpu_s"], 2), 2),
            show(one.get("memory_mib")),
            show(round(one["files_mib"], 1) if "files_mib" in one else None),
        )
        for name, one in built.items()
    ]
    notes = (
        "Ours from the database, pgRouting from our edges, OSRM contracted. Memory after all questions, more",
        "than before a process built or opened its files; of pgRouting its table with indexes.",
    )
    return Table(f"Building: {title}", ("", "seconds", "processor s", "memory MiB", "files MiB"), rows, notes)


def _differing_table(city: Mapping[str, Any]) -> Table:
    rows = []
    for name, found in city["agreement"].items():
        if "," in name:
            continue
        for one in [one for one in found["differing"] if one["moved_m"] <= MOVED_M][:_LISTED]:
            streets = one.get("only_ours")
            rows.append(
                (
                    name,
                    show(one["ours_s"], 0),
                    show(one["theirs_s"], 0),
                    show(one.get("ours_m")),
                    show(one.get("theirs_m")),
                    show(one.get("stairs_m")),
                    ", ".join(streets[:6]) if streets else str(one["why"] or "the same streets"),
                )
            )
    header = ("peer", "ours s", "theirs s", "ours m", "theirs m", "stairs m", "streets only ours uses")
    return Table("Pairs that differ by more than a tenth, joints off", header, rows)
