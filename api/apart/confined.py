"""Serve jobs from standard input to standard output under limits: the inner side of a process apart.

Once it has begun it can open no file, no socket and no program (`api.apart.seclusion`). Each job brings what
it may take of memory and of the processor's time. Whoever started it kills it when it takes too long.
"""

from __future__ import annotations

import json
import math
import os
import resource
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, BinaryIO, Final

from api.apart.framing import ANSWERED, ASKED, READY
from api.apart.seclusion import seclude

_NOBODY: Final = 65534


class RefusedError(Exception):
    """The body is not taken; says why in one word."""


@dataclass(frozen=True, slots=True)
class Done:
    """What was made of a body: facts for JSON, and up to two pictures."""

    facts: dict[str, Any]
    first: bytes = b""
    second: bytes = b""


def serve(work: Callable[[bytes, dict[str, Any]], Done]) -> None:
    """Give up all rights and do jobs until the input ends.

    Parameters
    ----------
    work
        Makes something of a body on terms, which hold ``memory_bytes`` and ``cpu_s`` too. It may raise
        `RefusedError`; everything it needs from the disk must be loaded already.
    """
    taken, given = sys.stdin.buffer, sys.stdout.buffer
    _give_up_rights()
    given.write(READY)
    given.flush()
    while (head := taken.read(ASKED.size)) and len(head) == ASKED.size:
        terms_length, body_length = ASKED.unpack(head)
        terms = json.loads(taken.read(terms_length))
        _limit(terms["memory_bytes"], terms["cpu_s"])
        body = taken.read(body_length)
        try:
            done = work(body, terms)
        except RefusedError as refused:
            done = Done({"refused": str(refused)})
        except MemoryError:
            _answer(given, Done({"refused": "too_costly"}))
            return  # what is left of it may hold memory: the next one begins anew
        _answer(given, done)


def _answer(given: BinaryIO, done: Done) -> None:
    facts = json.dumps(done.facts).encode()
    given.write(ANSWERED.pack(len(facts), len(done.first), len(done.second)))
    given.write(facts + done.first + done.second)
    given.flush()


def _give_up_rights() -> None:
    """Give up what computing does not need; nothing of it can be had back."""
    if os.geteuid() == 0:
        os.setgroups([])
        os.setresgid(_NOBODY, _NOBODY, _NOBODY)
        os.setresuid(_NOBODY, _NOBODY, _NOBODY)
    for limit, most in (
        (resource.RLIMIT_NOFILE, 3),  # the three there are
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NPROC, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(limit, (most, most))
    seclude()  # where the kernel cannot, the limits above hold


def _limit(memory_bytes: int, cpu_s: int) -> None:
    """Bound memory, and the processor's time from now on."""
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, resource.getrlimit(resource.RLIMIT_AS)[1]))
    used = resource.getrusage(resource.RUSAGE_SELF)
    until = math.ceil(used.ru_utime + used.ru_stime) + cpu_s
    resource.setrlimit(resource.RLIMIT_CPU, (until, resource.getrlimit(resource.RLIMIT_CPU)[1]))
