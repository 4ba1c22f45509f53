"""PostgreSQL's binary COPY format, read back by PostgreSQL itself."""

from __future__ import annotations

import numpy as np
import psycopg
import pytest

from twin.store import pgcopy


def test_what_is_written_is_read_back() -> None:
    columns = [(">i4", np.array([1, -2, 2**31 - 1])), (">f8", np.array([0.5, -1e300, np.nan]))]
    a, b = pgcopy.read(pgcopy.stream(pgcopy.rows(columns, 3)), (">i4", ">f8"))
    assert a.tolist() == [1, -2, 2**31 - 1]
    assert np.array_equal(b, columns[1][1], equal_nan=True)
    assert [c.tolist() for c in pgcopy.read(pgcopy.stream(), (">i4", ">f8"))] == [[], []]


@pytest.mark.postgis
def test_postgresql_takes_it_nulls_and_times_included(database) -> None:
    moment = 1_784_220_128_250_000
    part = pgcopy.rows(
        [(">i4", np.array([7])), (">i8", np.array([moment - pgcopy.EPOCH_US])), (">f8", None)], 1
    )
    other = pgcopy.rows(
        [(">i4", np.array([8])), (">i8", np.array([1 - pgcopy.EPOCH_US])), (">f8", np.array([31.4]))], 1
    )
    with psycopg.connect(database.url.replace("+psycopg", "")) as connection:
        connection.execute("CREATE TEMP TABLE t (id int4, at timestamptz, v float8)")
        with connection.cursor().copy("COPY t FROM STDIN (FORMAT binary)") as copy:
            copy.write(pgcopy.stream(part, other))
        found = connection.execute(
            "SELECT id, (extract(epoch FROM at) * 1000000)::int8, v FROM t ORDER BY id"
        )
        assert found.fetchall() == [(7, moment, None), (8, 1, 31.4)]
