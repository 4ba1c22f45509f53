"""Keep one warm process in which pictures from outside are opened, and end it when it takes too much."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import orjson

from api.photographs.framing import ANSWERED, ASKED, READY
from api.photographs.terms import Kind, Terms, refusal
from twin.errors import UnavailableError

_log = logging.getLogger("gridtwin.photographs")

_ROOT: Final = Path(__file__).resolve().parents[2]
_START_S: Final = 20.0
_MOST_FACTS: Final = 4 << 10
_MOST_PICTURE: Final = 16 << 20
_JPEG_BEGINS: Final = b"\xff\xd8\xff"


@dataclass(frozen=True, slots=True)
class Print:
    """A clean picture and its thumbnail, JPEG without metadata, and what the file said of itself."""

    picture: bytes
    thumbnail: bytes
    facts: dict[str, Any]


class Darkroom:
    """One process apart, started with the first picture; pictures wait for one another.

    The process is killed when a picture takes longer than it may, or when whoever waits goes away, and a new
    one is started for the next. It runs out of memory or of the processor's time by its own limits.

    Parameters
    ----------
    terms
        What one picture may take and what becomes of it.
    """

    def __init__(self, terms: Terms | None = None) -> None:
        self._terms = terms or Terms()
        self._turn = asyncio.Lock()
        self._process: Process | None = None

    @property
    def pid(self) -> int | None:
        """Number of the process while there is one."""
        return None if self._process is None else self._process.pid

    async def develop(self, body: bytes, kind: Kind) -> Print:
        """Make a clean picture and its thumbnail of a file.

        Raises
        ------
        InvalidError
            The file is refused; in words for a person.
        UnavailableError
            The process cannot be started.
        """
        async with self._turn:
            process = self._process = await self._warm()
            answered = False
            try:
                async with asyncio.timeout(self._terms.wall_s):
                    made = await self._ask(process, body, kind)
                # What ran out of memory may still hold it, and ends by itself: nobody else is sent to it.
                answered = made.facts.get("refused") != "too_costly"
            except (TimeoutError, OSError, EOFError, LookupError, TypeError, ValueError):
                # It was killed by a limit, or says what it never would: neither happens to a photograph.
                _log.warning("a picture of %d bytes ended the process that opened it", len(body))
                raise refusal("too_costly") from None
            finally:
                if not answered:
                    await self._end()
        if "refused" in made.facts:
            raise refusal(str(made.facts["refused"]))
        return made

    async def close(self) -> None:
        """End the process."""
        async with self._turn:
            await self._end()

    async def _warm(self) -> Process:
        if self._process is not None and self._process.returncode is None:
            return self._process
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-P", "-m", "api.photographs.developing"),
            stdin=PIPE,
            stdout=PIPE,
            stderr=DEVNULL,
            env={"PYTHONPATH": str(_ROOT)},
            cwd="/",
        )
        self._process = process
        try:
            async with asyncio.timeout(_START_S):
                said = await _stdout(process).readexactly(len(READY))
        except (TimeoutError, EOFError):
            said = b""
        if said != READY:
            await self._end()
            raise UnavailableError(
                "the process that opens pictures does not start",
                where="photographs",
                hint="run `python -m api.photographs.developing` to see why",
            )
        return process

    async def _ask(self, process: Process, body: bytes, kind: Kind) -> Print:
        terms = orjson.dumps(
            asdict(self._terms) | {"opened_as": kind.opened_as, "max_pixels": kind.max_pixels}
        )
        assert process.stdin is not None
        process.stdin.write(ASKED.pack(len(terms), len(body)) + terms)
        process.stdin.write(body)
        await process.stdin.drain()
        out = _stdout(process)
        facts_length, *lengths = ANSWERED.unpack(await out.readexactly(ANSWERED.size))
        # What comes back is not believed: a picture may have taken the process over.
        if facts_length > _MOST_FACTS or max(lengths) > _MOST_PICTURE:
            raise ValueError("an answer that is too long")
        facts = orjson.loads(await out.readexactly(facts_length))
        picture, thumbnail = [await out.readexactly(length) for length in lengths]
        if not isinstance(facts, dict):
            raise ValueError("facts that are none")
        if "refused" not in facts:
            for made in (picture, thumbnail):
                if not made.startswith(_JPEG_BEGINS):
                    raise ValueError("a picture that is none")
            for side in ("width", "height"):
                if not 0 < int(facts[side]) <= self._terms.edge_px:
                    raise ValueError("a size that is none")
        return Print(picture, thumbnail, facts)

    async def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def _stdout(process: Process) -> asyncio.StreamReader:
    assert process.stdout is not None
    return process.stdout
