"""The reader of statements finds what is not constant, also round corners, and lets constants through."""

from __future__ import annotations

import pytest

from tests.constant_sql import Constancy

# ruff: noqa: E501

HEAD = "from sqlalchemy import text\nTABLES = ('a', 'b')\n"

BAD = {
    "a value in an f-string": "async def f(c, q): await c.execute(text(f'SELECT {q}'))\nasync def g(c, request): await f(c, request.q)",
    "added": "def f(c):\n    c.execute('SELECT ' + input())",
    "formatted": "def f(c):\n    c.execute('SELECT {}'.format(input()))",
    "by per cent": "def f(c):\n    c.execute('SELECT %s' % input())",
    "joined": "def f(c):\n    words = []\n    words.append(input())\n    c.execute(' OR '.join(words))",
    "a statement of somebody": "def f(c, statement):\n    c.fetch(statement)",
    "by one of two calls": "def f(c, t):\n    c.execute(f'SELECT {t}')\ndef g(c):\n    f(c, 'a')\ndef h(c):\n    f(c, input())",
    "by a second name": "def f(c):\n    a = input()\n    b = a\n    c.execute(f'SELECT {b}')",
    "in one branch": "def f(c, x):\n    s = 'a'\n    if x:\n        s = input()\n    c.execute(s)",
    "of an answer": "def g(): return input()\ndef f(c):\n    c.execute(f'SELECT {g()}')",
    "of an attribute": "class A:\n    def __init__(self):\n        self.s = input()\n    def f(self, c):\n        c.execute(self.s)",
    "of a row": "def f(c):\n    for row in c.execute('SELECT name FROM t'):\n        c.execute(f'SELECT {row.name}')",
    "in a loop": "def f(c):\n    for t in input().split():\n        c.execute(f'SELECT {t}')",
    "in a comprehension": "def f(c):\n    c.execute(','.join(f'{t}' for t in input()))",
    "a key of what came": "def f(c, body):\n    c.execute('SET ' + ','.join(f'{k} = 1' for k in body))\ndef g(c): f(c, dict(input()))",
    "a text that psycopg is told is one": "from psycopg import sql\ndef f(c):\n    c.execute(sql.SQL(input()))",
    "handed on by a callback": "def f(c, t):\n    c.execute(f'SELECT {t}')\nrun = [f]",
    "put into a dict": "def f(c):\n    d = {}\n    d['a'] = input()\n    c.execute(d['a'])",
    "a key of a dict": "def f(c):\n    d = {}\n    d[input()] = 'a'\n    c.execute(','.join(d))",
    "of a lambda": "MAKERS = [lambda: input()]\ndef f(c):\n    c.execute(MAKERS[0]())",
    "of a function that a row holds": "class Row:\n    name: str\n    made: object\ndef m(q): return input()\nROWS = [Row('a', m)]\ndef f(c):\n    for row in ROWS:\n        c.execute(row.made(1))",
    "unpacked": "def f(c, t):\n    c.execute(f'SELECT {t}')\ndef g(c, a): f(c, *a)",
    "a number that is none": "def f(c, n: str):\n    c.execute(f'LIMIT {n}')\ndef g(c): f(c, input())",
}
GOOD = {
    "written": "def f(c):\n    c.execute(text('SELECT :a'), {'a': input()})",
    "of constants": "def f(c):\n    for t in TABLES:\n        c.execute(f'SELECT count(*) FROM {t}')",
    "one of constants": "COLUMNS = {'a': 'x'}\ndef f(c):\n    c.execute(f'SELECT {COLUMNS[input()]}')",
    "numbers": "def f(c, n: int):\n    c.execute(f'SELECT 1 LIMIT {n} OFFSET {int(input())}')\ndef g(c): f(c, input())",
    "by all calls": "def f(c, t):\n    c.execute(f'SELECT {t}')\ndef g(c):\n    f(c, 'a')\ndef h(c):\n    f(c, TABLES[0])",
    "of an answer": "def g(z: int):\n    return 'a' if z else 'b'\ndef f(c):\n    c.execute(f'SELECT {g(1)}')",
    "beside a function that a row holds": "class Row:\n    sql: str\n    cells: object\ndef m(q): return input()\nROWS = [Row('a', cells=m)]\ndef f(c):\n    for row in ROWS:\n        c.execute(row.sql)",
    "a quoted name": "from psycopg import sql\ndef f(c):\n    c.execute(sql.SQL('DROP TABLE {}').format(sql.Identifier(input())))",
    "a chosen word": "def f(c):\n    c.execute('SELECT 1' + (' DESC' if input() else ''))",
    "another module's method": "import shutil\ndef f():\n    shutil.copy(input(), input())",
}  # fmt: skip


@pytest.mark.parametrize("source", BAD.values(), ids=BAD)
def test_what_is_not_constant_is_found(source):
    assert Constancy({"house/room.py": HEAD + source}).findings()


@pytest.mark.parametrize("source", GOOD.values(), ids=GOOD)
def test_constants_are_let_through(source):
    assert Constancy({"house/room.py": HEAD + source}).findings() == []


def test_a_constant_is_followed_into_its_module():
    wall = "from house.room import WORD, say\ndef f(c):\n    c.execute(WORD)\n    c.execute(say())\n"
    assert (
        Constancy({"house/room.py": "WORD = 'a'\ndef say(): return WORD", "house/wall.py": wall}).findings()
        == []
    )
    bad = Constancy(
        {"house/room.py": "WORD = input()\ndef say(): return WORD", "house/wall.py": wall}
    ).findings()
    assert [finding.line for finding in bad] == [3, 4]


def test_a_function_may_be_trusted_by_name():
    source = "def made(): return input()\ndef f(c):\n    c.execute(made())"
    assert Constancy({"house/room.py": source}).findings()
    assert Constancy({"house/room.py": source}, ["house.room.made"]).findings() == []
