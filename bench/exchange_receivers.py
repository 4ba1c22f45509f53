"""Stand for systems of partners in a process of its own: some are well, one hangs, one drips."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import sys
from pathlib import Path
from typing import IO, Any, Final

import uvloop

_ANSWER: Final = b"HTTP/1.1 204 No Content\r\n\r\n"
_DRIP_S: Final = 0.2


async def _read(reader: asyncio.StreamReader) -> tuple[dict[str, str], bytes]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
    return headers, await reader.readexactly(int(headers.get("content-length", 0)))


def _well(name: str, file: IO[str]) -> Any:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                headers, body = await _read(reader)
                told = json.loads(body)["data"]
                row = (
                    name,
                    headers["webhook-id"],
                    told["sequence"],
                    told["case"]["number"],
                    hashlib.sha256(body).hexdigest(),
                )
                file.write(json.dumps(row) + "\n")
                file.flush()
                writer.write(_ANSWER)
        writer.close()

    return serve


async def _hang(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(86_400)


async def _drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
        await _read(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nX: ")
        while True:
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(_DRIP_S)


async def serve(well: int, file: IO[str]) -> None:
    """Listen, say at which ports, and write what comes into a file until the standard input ends."""
    handlers = [_well(f"well-{n}", file) for n in range(well)]
    servers = [await asyncio.start_server(one, "127.0.0.1", 0) for one in (*handlers, _hang, _drip)]
    print(json.dumps([one.sockets[0].getsockname()[1] for one in servers]), flush=True)
    await asyncio.to_thread(sys.stdin.readline)


def main() -> None:
    """Serve what the file named by the first argument says."""
    specification = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    path = Path(specification["file"])
    with path.open("w", encoding="utf-8") as file, contextlib.suppress(KeyboardInterrupt):
        uvloop.run(serve(specification["well"], file))


if __name__ == "__main__":
    main()
