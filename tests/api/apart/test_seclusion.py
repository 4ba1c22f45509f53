from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

# Each would be the way out of somebody who took the process over.
WAYS_OUT = {
    "open": "os.open('/etc/passwd', os.O_RDONLY)",
    "create": "os.open('/tmp/x', os.O_CREAT | os.O_WRONLY)",
    "list": "os.listdir('/')",
    "socket": "socket.socket()",
    "pair": "socket.socketpair()",
    "fork": "os.fork()",
    "exec": "os.execv('/bin/true', ['true'])",
    "kill": "os.kill(os.getppid(), 0)",
    "memory of others": "ctypes_errno(ctypes.CDLL(None, use_errno=True).ptrace(16, os.getppid(), 0, 0))",
    "rename": "os.rename('/tmp/a', '/tmp/b')",
    "root": "os.setuid(0)",
}

PROGRAM = """
import ctypes, errno, os, socket, sys
def ctypes_errno(answer):
    if answer < 0: raise OSError(ctypes.get_errno(), 'refused')
from api.apart.seclusion import seclude
if {secluded}: assert seclude()
try:
    {way}
except OSError as error:
    sys.stdout.write(errno.errorcode[error.errno])
else:
    sys.stdout.write('done')
sys.stdout.flush()
os._exit(0)
"""


def attempt(way: str, *, secluded: bool) -> str:
    done = subprocess.run(
        [sys.executable, "-P", "-c", PROGRAM.format(way=WAYS_OUT[way], secluded=secluded)],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("way", WAYS_OUT)
def test_no_way_leads_out(way):
    assert attempt(way, secluded=True) == "EPERM"


def test_the_ways_lead_out_where_nothing_is_filtered():
    assert attempt("open", secluded=False) == attempt("socket", secluded=False) == "done"
