"""Cut vector tiles from PostGIS and keep them until the database says that they changed."""

from __future__ import annotations

import asyncio
import gzip
import math
import re
import time
from collections import OrderedDict, deque
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Final

import asyncpg

from api.errors import is_unreachable
from layers.tiles import MAX_ZOOM, TILE_LAYER_BY_NAME, TILE_LAYERS, TileLayer, tile_sql
from twin.access.grants import Grants
from twin.access.roles import DataClass
from twin.access.scope import Scope
from twin.errors import InvalidError, NotFoundError, UnavailableError
from twin.store.scoped import set_scope_sql

Bbox = tuple[float, float, float, float]

PREFIX: Final = "/tiles/"
LONGEST_LAYERS: Final = len(",".join(TILE_LAYER_BY_NAME))
"""Letters of the part of an address that names every layer once."""

_NUMBERS: Final = r"(0|[1-9]\d?)/(0|[1-9]\d{0,7})/(0|[1-9]\d{0,7})"
_PATH: Final = re.compile(rf"/tiles/([a-z_,]{{1,{LONGEST_LAYERS}}})/{_NUMBERS}\.mvt")
_WORLD: Final[Bbox] = (-180.0, -90.0, 180.0, 90.0)
_PUBLIC_LAYERS: Final = frozenset(layer.name for layer in TILE_LAYERS if layer.public)
_REMEMBERED_CHANGES: Final = 1_000
_LONGEST_QUEUE: Final = 400
_MEDIA_TYPE: Final = b"application/vnd.mapbox-vector-tile"
_GZIP_LEVEL: Final = 5


@dataclass(frozen=True, slots=True)
class TileAddress:
    """Which layers of which tile."""

    layers: tuple[TileLayer, ...]
    z: int
    x: int
    y: int

    @property
    def bbox(self) -> Bbox:
        """West, south, east, north in degrees, with the buffer that is drawn around the tile."""
        side = 1 << self.z
        margin = 1 / 32  # twice the drawn buffer: a little more is thrown away than must be
        return (
            (self.x - margin) / side * 360.0 - 180.0,
            _latitude((self.y + 1 + margin) / side),
            (self.x + 1 + margin) / side * 360.0 - 180.0,
            _latitude((self.y - margin) / side),
        )


@dataclass(frozen=True, slots=True)
class Tile:
    """A finished tile: gzipped once, with its ETag and the headers of both answers."""

    address: TileAddress
    bbox: Bbox
    body: bytes
    etag: bytes
    headers: tuple[tuple[bytes, bytes], ...]
    headers_304: tuple[tuple[bytes, bytes], ...]


def _latitude(y: float) -> float:
    return math.degrees(math.atan(math.sinh(math.pi * (1.0 - 2.0 * y))))


def _touch(a: Bbox, b: Bbox) -> bool:
    return a[0] <= b[2] and b[0] <= a[2] and a[1] <= b[3] and b[1] <= a[3]


def parse_tile_path(path: str) -> TileAddress:
    """Read ``/tiles/{layer,layer}/{z}/{x}/{y}.mvt``.

    Raises
    ------
    NotFoundError
        No such layer, or no such tile in the pyramid.
    InvalidError
        The path has another shape.
    """
    match = _PATH.fullmatch(path)
    if match is None:
        raise InvalidError(
            "this is not the address of a tile",
            where=path[:120],
            hint="write /tiles/building/15/25860/13390.mvt",
        )
    names = match[1].split(",")
    z, x, y = int(match[2]), int(match[3]), int(match[4])
    unknown = [name for name in names if name not in TILE_LAYER_BY_NAME]
    if unknown or len(set(names)) != len(names):
        what = f"there is no tile layer “{unknown[0]}”" if unknown else "a layer is named twice"
        raise NotFoundError(what, where=path[:120], hint=f"layers: {', '.join(TILE_LAYER_BY_NAME)}")
    if z > MAX_ZOOM or x >= 1 << z or y >= 1 << z:
        raise NotFoundError(
            f"there is no tile {z}/{x}/{y}",
            where=path[:120],
            hint=f"zoom is 0 to {MAX_ZOOM}, x and y are below 2^zoom",
        )
    return TileAddress(tuple(TILE_LAYER_BY_NAME[name] for name in names), z, x, y)


def _key(path: str, scope: Scope) -> str:
    """Return what a finished tile is kept by: public layers are the same for all who are signed in."""
    names = path[len(PREFIX) :].partition("/")[0]
    if all(name in _PUBLIC_LAYERS for name in names.split(",")):
        return path
    return f"{path} {scope.multirange}"


def _begin(scope: Scope) -> str:
    """Return what opens a transaction that sees places of a scope and nothing else."""
    grants = Grants(reads={DataClass.PLACE: scope}, roles=("tiles",))
    return f"BEGIN READ ONLY; {set_scope_sql(grants)}"


async def _nothing_to_reset(_: object) -> None:
    """Keep a connection as it is: cutting sets nothing, and the usual reset costs one more query a tile."""


def _make_tile(address: TileAddress, raw: bytes) -> Tile:
    body = gzip.compress(raw, _GZIP_LEVEL, mtime=0)
    etag = b'"' + blake2b(raw, digest_size=12).hexdigest().encode() + b'"'
    common = ((b"etag", etag), (b"cache-control", b"no-cache"), (b"vary", b"accept-encoding"))
    headers = (
        (b"content-type", _MEDIA_TYPE),
        (b"content-encoding", b"gzip"),
        (b"content-length", str(len(body)).encode()),
        *common,
    )
    return Tile(address, address.bbox, body, etag, headers, common)


class TileStore:
    """Finished tiles by path and scope, bounded by bytes, the least recently asked thrown away first.

    The database shows each scope its own rows, so that a tile is cut once for all who may see the same; one
    of public layers once for everybody. A tile that was being cut while the database changed under it is
    answered but not kept.

    Parameters
    ----------
    dsn
        As asyncpg takes it, of the role that row-level security holds for.
    max_bytes
        Most bytes of finished tiles kept.
    connections
        Most tiles cut at the same time.
    timeout_s
        Longest time one tile may take in the database.
    """

    def __init__(
        self, dsn: str, *, max_bytes: int = 96 << 20, connections: int = 3, timeout_s: float = 8.0
    ) -> None:
        self._dsn = dsn
        self._max_bytes = max_bytes
        self._connections = connections
        self._timeout_s = timeout_s
        self._pool: asyncpg.Pool[Any] | None = None
        self._opening = asyncio.Lock()
        self._tiles: OrderedDict[str, Tile] = OrderedDict()
        self._bytes = 0
        self._flights: dict[str, asyncio.Task[Tile]] = {}
        self._change_number = 0
        self._changes: deque[tuple[int, frozenset[str], Bbox]] = deque(maxlen=_REMEMBERED_CHANGES)
        # Milliseconds of the clock: a version never comes back after a restart of the server.
        now = int(time.time() * 1000)
        self.versions: dict[str, int] = {layer.name: now for layer in TILE_LAYERS}
        self.hits = 0
        self.cut = 0

    @property
    def kept_bytes(self) -> int:
        """Bytes of the tiles that are kept now."""
        return self._bytes

    @property
    def kept_tiles(self) -> int:
        """Number of tiles that are kept now."""
        return len(self._tiles)

    def find(self, path: str, scope: Scope) -> Tile | None:
        """Return the finished tile of a path for a scope, or None when it must be cut."""
        key = _key(path, scope)
        tile = self._tiles.get(key)
        if tile is not None:
            self._tiles.move_to_end(key)
            self.hits += 1
        return tile

    async def get(self, path: str, scope: Scope) -> Tile:
        """Return the tile of a path; all of a scope who ask for the same one wait for one query.

        Parameters
        ----------
        path
            As `parse_tile_path` reads it.
        scope
            Where the caller sees places.

        Raises
        ------
        NotFoundError, InvalidError
            As `parse_tile_path`.
        UnavailableError
            The database does not answer, or too many tiles are waited for.
        """
        tile = self.find(path, scope)
        if tile is not None:
            return tile
        key = _key(path, scope)
        flight = self._flights.get(key)
        if flight is None:
            address = parse_tile_path(path)
            if len(self._flights) >= _LONGEST_QUEUE:
                raise UnavailableError("too many tiles are asked for at once", where=path, hint="ask again")
            flight = asyncio.get_running_loop().create_task(self._cut(key, address, scope))
            self._flights[key] = flight
            flight.add_done_callback(lambda done: self._landed(key, done))
        # One who goes away must not take the tile from the others.
        return await asyncio.shield(flight)

    def _landed(self, key: str, flight: asyncio.Task[Tile]) -> None:
        self._flights.pop(key, None)
        if not flight.cancelled():
            flight.exception()  # everyone may have gone: say that it was looked at

    async def _cut(self, key: str, address: TileAddress, scope: Scope) -> Tile:
        begun_at = self._change_number
        sql = tile_sql(address.layers, address.z)
        raw = await self._query(_begin(scope), sql, address.z, address.x, address.y)
        tile = _make_tile(address, raw)
        self.cut += 1
        if not self._changed_since(begun_at, tile):
            self._keep(key, tile)
        return tile

    async def _query(self, begin: str, sql: str, *parameters: int) -> bytes:
        for attempt in (1, 2):
            try:
                pool = await self._open()
                async with pool.acquire(timeout=self._timeout_s) as connection:
                    # One message each: a transaction made the usual way asks the database twice more.
                    await connection.execute(begin, timeout=self._timeout_s)
                    try:
                        return bytes(await connection.fetchval(sql, *parameters, timeout=self._timeout_s))
                    finally:
                        if not connection.is_closed():
                            await connection.execute("ROLLBACK", timeout=self._timeout_s)
            except Exception as error:
                # A restart of the database leaves dead connections in the pool: the second try is a new one.
                if not is_unreachable(error):
                    raise
                if attempt == 2:
                    raise UnavailableError(
                        "the database does not answer now", where="tiles", hint="ask again in a moment"
                    ) from error
                if self._pool is not None:
                    await self._pool.expire_connections()
        raise AssertionError

    async def _open(self) -> asyncpg.Pool[Any]:
        async with self._opening:
            if self._pool is None:
                self._pool = await asyncpg.create_pool(
                    self._dsn,
                    min_size=0,
                    max_size=self._connections,
                    timeout=5.0,
                    reset=_nothing_to_reset,
                    server_settings={"application_name": "gridtwin tiles", "jit": "off"},
                )
            return self._pool

    def _keep(self, key: str, tile: Tile) -> None:
        self._forget(key)
        self._tiles[key] = tile
        self._bytes += len(tile.body) + len(key)
        while self._bytes > self._max_bytes and self._tiles:
            self._forget(next(iter(self._tiles)))

    def _forget(self, key: str) -> None:
        old = self._tiles.pop(key, None)
        if old is not None:
            self._bytes -= len(old.body) + len(key)

    def _changed_since(self, number: int, tile: Tile) -> bool:
        if self._changes and self._changes[0][0] > number + 1:
            return True  # more changed meanwhile than is remembered
        names = {layer.name for layer in tile.address.layers}
        return any(
            n > number and names & layers and _touch(box, tile.bbox) for n, layers, box in self._changes
        )

    def invalidate(self, table: str, bbox: Sequence[float] | None) -> list[tuple[str, int, Bbox]]:
        """Forget the tiles that a change of a table touches.

        Parameters
        ----------
        table
            Table that changed.
        bbox
            West, south, east, north of the change in degrees; None when it is not known.

        Returns
        -------
        list of (layer, version, bbox)
            The layers that have a new version now.
        """
        layers = [layer.name for layer in TILE_LAYERS if table in layer.tables]
        return self._renew(layers, _box_of(bbox))

    def invalidate_all(self) -> list[tuple[str, int, Bbox]]:
        """Forget every tile, for when changes may have been missed; returns as `invalidate`."""
        return self._renew([layer.name for layer in TILE_LAYERS], _WORLD)

    def _renew(self, layers: list[str], box: Bbox) -> list[tuple[str, int, Bbox]]:
        if not layers:
            return []
        names = frozenset(layers)
        self._change_number += 1
        self._changes.append((self._change_number, names, box))
        old = [
            key
            for key, tile in self._tiles.items()
            if _touch(tile.bbox, box) and any(layer.name in names for layer in tile.address.layers)
        ]
        for key in old:
            self._forget(key)
        now = int(time.time() * 1000)
        for name in layers:
            self.versions[name] = max(now, self.versions[name] + 1)
        return [(name, self.versions[name], box) for name in layers]

    async def close(self) -> None:
        """Let go of the connections."""
        for flight in list(self._flights.values()):
            flight.cancel()
        if self._pool is not None:
            self._pool.terminate()


def _box_of(bbox: Sequence[float] | None) -> Bbox:
    if bbox is None or len(bbox) != 4 or not all(math.isfinite(value) for value in bbox):
        return _WORLD
    return (float(bbox[0]), float(bbox[1]), float(bbox[2]), float(bbox[3]))
