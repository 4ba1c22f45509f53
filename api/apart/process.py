"""Keep one warm process apart, hand it one job after the other, and end it when it takes too much."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from pathlib import Path
from typing import Any, Final

import orjson

from api.apart.framing import ANSWERED, ASKED, JPEG_BEGINS, MOST_FACTS, MOST_PICTURE, READY
from twin.errors import UnavailableError

_ROOT: Final = Path(__file__).resolve().parents[2]
_START_S: Final = 20.0

Answer = tuple[dict[str, Any], bytes, bytes]
"""Facts, and two pictures of JPEG, either of which may be empty."""


class LostError(Exception):
    """The process ended, was too slow, or says what it never would; it is gone, the next job gets another."""


class Apart:
    """One process of a program that serves by `api.apart.confined`, started with the first job.

    Jobs wait for one another. The process is killed when a job takes longer than it may, or when whoever
    waits goes away, and a new one is started for the next. It runs out of memory or of the processor's time
    by its own limits.

    Parameters
    ----------
    module
        The program, run with ``python -m``.
    """

    def __init__(self, module: str) -> None:
        self._module = module
        self._turn = asyncio.Lock()
        self._process: Process | None = None

    @property
    def pid(self) -> int | None:
        """Number of the process while there is one."""
        return None if self._process is None else self._process.pid

    async def ask(self, body: bytes, terms: dict[str, Any], wall_s: float) -> Answer:
        """Hand over a job and return what was made of it: a refusal, or at least the first picture.

        Parameters
        ----------
        body
            What nobody vouches for.
        terms
            ``memory_bytes``, ``cpu_s`` and ``edge_px`` (the longest side of a picture), and what the program
            asks besides.
        wall_s
            Seconds after which it is killed.

        Raises
        ------
        LostError
            See there.
        UnavailableError
            The process cannot be started.
        """
        async with self._turn:
            process = self._process = await self._warm()
            answered = False
            try:
                async with asyncio.timeout(wall_s):
                    answer = await _exchange(process, body, terms)
                # What ran out of memory may still hold it, and ends by itself: nobody else is sent to it.
                answered = answer[0].get("refused") != "too_costly"
            except (TimeoutError, OSError, EOFError, LookupError, TypeError, ValueError) as error:
                raise LostError from error
            finally:
                if not answered:
                    await self._end()
        return answer

    async def close(self) -> None:
        """End the process."""
        async with self._turn:
            await self._end()

    async def _warm(self) -> Process:
        if self._process is not None and self._process.returncode is None:
            return self._process
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-P", "-m", self._module),
            stdin=PIPE,
            stdout=PIPE,
            stderr=DEVNULL,
            env={"PYTHONPATH": str(_ROOT)},
            cwd="/",
        )
        self._process = process
        said = b""
        try:
            async with asyncio.timeout(_START_S):
                said = await _stdout(process).readexactly(len(READY))
        except (TimeoutError, EOFError):
            pass
        finally:
            if said != READY:
                await self._end()
        if said != READY:
            raise UnavailableError(
                "the process that opens pictures does not start",
                where=self._module,
                hint=f"run `python -m {self._module}` to see why",
            )
        return process

    async def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def _exchange(process: Process, body: bytes, terms: dict[str, Any]) -> Answer:
    asked = orjson.dumps(terms)
    assert process.stdin is not None
    process.stdin.write(ASKED.pack(len(asked), len(body)) + asked)
    process.stdin.write(body)
    await process.stdin.drain()
    out = _stdout(process)
    facts_length, *lengths = ANSWERED.unpack(await out.readexactly(ANSWERED.size))
    # What comes back is not believed: a body may have taken the process over.
    if facts_length > MOST_FACTS or max(lengths) > MOST_PICTURE:
        raise ValueError("an answer that is too long")
    facts = orjson.loads(await out.readexactly(facts_length))
    first, second = [await out.readexactly(length) for length in lengths]
    if not isinstance(facts, dict):
        raise ValueError("facts that are none")
    if any(picture and not picture.startswith(JPEG_BEGINS) for picture in (first, second)):
        raise ValueError("a picture that is none")
    if "refused" not in facts:
        _check_picture(facts, first, terms["edge_px"])
    return facts, first, second


def _check_picture(facts: dict[str, Any], picture: bytes, most_px: int) -> None:
    if not picture:
        raise ValueError("no picture")
    for side in ("width", "height"):
        if not 0 < int(facts[side]) <= most_px:
            raise ValueError("a size that is none")


def _stdout(process: Process) -> asyncio.StreamReader:
    assert process.stdout is not None
    return process.stdout
