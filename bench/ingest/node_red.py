"""Run Node-RED as a peer: MQTT and HTTP into PostgreSQL, each message one commit, as its users build it.

Its MQTT node acknowledges to the broker when a message arrives, not when it is stored; its HTTP answer waits
for the commit, as the product's does. It asks nobody who they are.
"""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, Final

import psycopg

from bench.live.child import Child
from bench.live.database import connect
from bench.npm import install_packages, node_program
from ingest.transports.broker import Broker
from twin.errors import UnavailableError
from twin.store.cluster import PrivateCluster
from twin.store.cluster_folder import ROLE
from twin.store.sockets import free_tcp_port

DATABASE: Final = "node_red"
_PEERS: Final = Path(__file__).resolve().parent / "peers"
_READY_S: Final = 60.0
_TABLE: Final = """
CREATE TABLE IF NOT EXISTS observation (
    device text, property text, phenomenon_time timestamptz, value float8, lon float8, lat float8,
    received_at timestamptz DEFAULT now(), PRIMARY KEY (device, property, phenomenon_time))
"""
_STORE: Final = """
const rows = read(msg), pool = global.get("pool");
pool.query("INSERT INTO observation (device, property, phenomenon_time, value, lon, lat) " +
    "SELECT d, p, to_timestamp(t / 1000.0), v, lon, lat FROM unnest($1::text[], $2::text[], $3::float8[], " +
    "$4::float8[], $5::float8[], $6::float8[]) AS r (d, p, t, v, lon, lat) ON CONFLICT DO NOTHING",
    [0, 1, 2, 3, 4, 5].map((i) => rows.map((row) => row[i])))
    .then(() => { msg.statusCode = 200; msg.payload = {}; node.send(msg); node.done(); })
    .catch((error) => { msg.statusCode = 503; msg.payload = {}; node.send(msg); node.done(error); });
return null;
"""
_SCHEMA: Final = """
function read(msg) {
    const own = msg.req ? msg.req.params.uid : msg.topic.split("/")[3];
    const said = typeof msg.payload === "object" && !Buffer.isBuffer(msg.payload) ? msg.payload
        : JSON.parse(msg.payload.toString());
    if (Array.isArray(said)) return said.map((r) => [r.d || own, r.p, r.t, r.v, null, null]);
    if (!Array.isArray(said.v)) return [[said.d || own, said.p, said.t, said.v, null, null]];
    return said.v.map((v, i) => [Array.isArray(said.d) ? said.d[i] : own, said.p,
        Array.isArray(said.t) ? said.t[i] : said.t, v, null, null]);
}
"""
_OWNTRACKS: Final = """
function read(msg) {
    const m = msg.payload, own = msg.req.params.uid, at = [m.lon, m.lat];
    const t = m.tst * 1000;
    return [[own, "fix", t, 1, ...at], [own, "speed", t, m.vel / 3.6, ...at],
        [own, "battery", t, m.batt, ...at]];
}
"""
_OSMAND: Final = """
function read(msg) {
    const m = msg.payload, own = msg.req.params.uid, at = [Number(m.lon), Number(m.lat)];
    const t = Number(m.timestamp);
    return [[own, "fix", t, 1, ...at], [own, "speed", t, m.speed * 0.514444, ...at],
        [own, "battery", t, Number(m.batt), ...at]];
}
"""


class NodeRed:
    """The peer, running; use it as a context manager.

    Parameters
    ----------
    folder
        Where its packages and flows are kept.
    cluster, broker
        The database server and the broker, which are the product's.
    """

    def __init__(self, folder: Path, cluster: PrivateCluster, broker: Broker) -> None:
        self.port = free_tcp_port()
        self.url = cluster.database_url(DATABASE)
        self._folder = install_packages(_PEERS, folder / "packages")
        self._cluster = cluster
        self._broker = broker
        self._child: Child | None = None
        self._make_database()
        self._write_flows()

    def __enter__(self) -> NodeRed:
        folder = self._folder
        environment = {
            "PEER_PORT": str(self.port),
            "PEER_FOLDER": str(folder),
            "PEER_PGHOST": str(self._cluster.socket_dir),
            "PEER_PGPORT": str(self._cluster.port),
            "PEER_PGUSER": ROLE,
            "PEER_PGDATABASE": DATABASE,
            "NODE_PATH": str(folder / "node_modules"),
        }
        command = [
            node_program(),
            str(folder / "node_modules" / "node-red" / "red.js"),
            "--settings",
            str(_PEERS / "settings.cjs"),
        ]
        self._child = Child("node-red", command, folder, environment)
        deadline = time.monotonic() + _READY_S
        while time.monotonic() < deadline:
            if self._answers():
                time.sleep(1.0)  # its MQTT node connects beside
                return self
            if not self._child.alive:
                break
            time.sleep(0.1)
        self.__exit__()
        raise UnavailableError("Node-RED did not start", where=str(folder / "node-red.log"))

    def __exit__(self, *_exception: object) -> None:
        if self._child is not None:
            self._child.stop()

    def _answers(self) -> bool:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{self.port}/ready", timeout=2).close()  # nosec B310
        except (OSError, urllib.error.HTTPError):
            return False
        return True

    def _make_database(self) -> None:
        with psycopg.connect(
            host=str(self._cluster.socket_dir),
            port=self._cluster.port,
            user=ROLE,
            dbname="postgres",
            autocommit=True,
        ) as connection:
            if (
                connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone()
                is None
            ):
                connection.execute(f"CREATE DATABASE {DATABASE}")
        with connect(self.url) as own:
            own.execute(_TABLE)

    def _write_flows(self) -> None:
        nodes: list[dict[str, Any]] = [
            {"id": "tab", "type": "tab", "label": "ingest", "disabled": False, "info": ""},
            {
                "id": "broker", "type": "mqtt-broker", "name": "", "broker": "127.0.0.1",
                "port": str(self._broker.port), "clientid": "node-red", "autoConnect": True, "usetls": False,
                "protocolVersion": "4", "keepalive": "60", "cleansession": False,
            },
            {
                "id": "from-mqtt", "type": "mqtt in", "z": "tab", "name": "", "broker": "broker",
                "topic": "gt/v1/+/+/observations", "qos": "1", "datatype": "buffer", "nl": False, "rap": True,
                "rh": 0, "inputs": 0, "x": 100, "y": 100, "wires": [["store-mqtt"]],
            },
            _function("store-mqtt", _SCHEMA + _STORE, []),
            {
                "id": "answer", "type": "http response", "z": "tab", "name": "", "x": 500, "y": 200,
                "wires": [],
            },
            *_way("ready", "get", "/ready", "msg.payload = {}; return msg;"),
            *_way("schema", "post", "/devices/:uid/observations", _SCHEMA + _STORE),
            *_way("owntracks", "post", "/owntracks/:uid", _OWNTRACKS + _STORE),
            *_way("osmand", "post", "/osmand/:uid", _OSMAND + _STORE),
        ]  # fmt: skip
        (self._folder / "flows.json").write_text(json.dumps(nodes), encoding="utf-8")
        credentials = {"broker": {"user": self._broker.username, "password": self._broker.password}}
        (self._folder / "flows_cred.json").write_text(json.dumps(credentials), encoding="utf-8")


def _function(name: str, code: str, to: list[str]) -> dict[str, Any]:
    return {
        "id": name, "type": "function", "z": "tab", "name": name, "func": code, "outputs": 1, "timeout": 0,
        "noerr": 0, "initialize": "", "finalize": "", "libs": [], "x": 300, "y": 200, "wires": [to],
    }  # fmt: skip


def _way(name: str, method: str, path: str, code: str) -> list[dict[str, Any]]:
    return [
        {
            "id": f"in-{name}", "type": "http in", "z": "tab", "name": "", "url": path, "method": method,
            "upload": False, "swaggerDoc": "", "x": 100, "y": 200, "wires": [[f"store-{name}"]],
        },
        _function(f"store-{name}", code, ["answer"]),
    ]  # fmt: skip
