"""Let a process make no system calls but those that compute: whoever takes it over can reach nothing.

A filter of the kernel (seccomp, Linux) answers every other call with EPERM, for the rest of the process's
life. Where the kernel or the processor is none that is known here there is no filter, and the caller is told.
"""

from __future__ import annotations

import ctypes
import platform
from typing import Final

_ARCHITECTURES: Final = {"x86_64": (0xC000003E, 0), "aarch64": (0xC00000B7, 1)}
"""Number of the processor's kind (linux/audit.h) and its column in `_CALLS`."""

# Numbers of asm/unistd.h. Memory, reading and writing what is open, time, limits of the own process, its end.
_CALLS: Final = {
    "read": (0, 63),
    "write": (1, 64),
    "close": (3, 57),
    "fstat": (5, 80),
    "lseek": (8, 62),
    "mmap": (9, 222),
    "mprotect": (10, 226),
    "munmap": (11, 215),
    "brk": (12, 214),
    "rt_sigaction": (13, 134),
    "rt_sigprocmask": (14, 135),
    "rt_sigreturn": (15, 139),
    "mremap": (25, 216),
    "madvise": (28, 233),
    "exit": (60, 93),
    "gettimeofday": (96, 169),
    "getrusage": (98, 165),
    "sigaltstack": (131, 132),
    "futex": (202, 98),
    "clock_gettime": (228, 113),
    "exit_group": (231, 94),
    "prlimit64": (302, 261),
    "getrandom": (318, 278),
}

_NO_NEW_PRIVILEGES: Final = 38  # PR_SET_NO_NEW_PRIVS of linux/prctl.h
_SET_SECCOMP: Final = 22
_FILTER: Final = 2
_LOAD: Final = 0x20  # BPF_LD | BPF_W | BPF_ABS
_EQUAL: Final = 0x15  # BPF_JMP | BPF_JEQ | BPF_K
_RETURN: Final = 0x06  # BPF_RET | BPF_K
_ALLOW: Final = 0x7FFF0000
_REFUSE: Final = 0x00050001  # SECCOMP_RET_ERRNO | EPERM
_AT_CALL, _AT_ARCHITECTURE = 0, 4  # places in struct seccomp_data


class _Step(ctypes.Structure):
    _fields_ = (
        ("code", ctypes.c_uint16),
        ("yes", ctypes.c_uint8),
        ("no", ctypes.c_uint8),
        ("k", ctypes.c_uint32),
    )


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_uint16), ("steps", ctypes.POINTER(_Step)))


def seclude() -> bool:
    """Filter the system calls of this process from now on; say whether the kernel does."""
    known = _ARCHITECTURES.get(platform.machine())
    prctl = getattr(ctypes.CDLL(None), "prctl", None)
    if known is None or prctl is None:
        return False
    architecture, column = known
    numbers = [call[column] for call in _CALLS.values()]
    steps = [
        (_LOAD, 0, 0, _AT_ARCHITECTURE),
        (_EQUAL, 1, 0, architecture),
        (_RETURN, 0, 0, _REFUSE),
        (_LOAD, 0, 0, _AT_CALL),
        # Each jumps over those after it and the refusal.
        *((_EQUAL, len(numbers) - at, 0, number) for at, number in enumerate(numbers)),
        (_RETURN, 0, 0, _REFUSE),
        (_RETURN, 0, 0, _ALLOW),
    ]
    program = _Program(len(steps), (_Step * len(steps))(*(_Step(*step) for step in steps)))
    if prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0):
        return False
    refused: int = prctl(_SET_SECCOMP, _FILTER, ctypes.byref(program))
    return refused == 0
