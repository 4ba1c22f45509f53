import asyncio

import pytest
from websockets.exceptions import ConnectionClosed

from api.live.client import LiveClient
from api.live.hub import CLOSE_RIGHTS_CHANGED
from twin.access.credentials import CredentialKind
from twin.access.scope import WHOLE_CODE

pytestmark = pytest.mark.postgis

_CUT = """SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
          WHERE datname = current_database() AND pid <> pg_backend_pid()"""
_APPEND = """
WITH added AS (
    INSERT INTO journal (seq, kind, subject, actor, data)
    SELECT (SELECT coalesce(max(seq), 0) FROM journal) + n, 'alarm.raised', 'device/1', 'test', '{}'
    FROM generate_series(1, %s) AS n RETURNING seq)
SELECT pg_notify('journal', max(seq)::text) FROM added"""


async def signed_in(served) -> LiveClient:
    """A live client with a token of the manager of everything."""
    token = await served.secret(("manager", WHOLE_CODE), kind=CredentialKind.TOKEN)
    return LiveClient(served.live, token=token)


async def test_no_event_is_lost_when_the_database_cuts_every_connection(served) -> None:
    live = await signed_in(served)
    await live.connect()
    await live.look((104.0, 30.6, 104.1, 30.7), 16.0)
    await served.run_sql(_APPEND, 3)
    await live.until(lambda: len(live.events) == 3)
    await served.run_sql(_CUT)
    await served.run_sql(_APPEND, 700)  # said while nobody listens, and more than is read at once
    await live.until(lambda: len(live.events) == 703, timeout_s=15.0)
    await served.run_sql(_APPEND, 2)
    await live.until(lambda: len(live.events) == 705, timeout_s=5.0)
    assert [event["journal"] for event in live.events] == list(range(1, 706))
    await live.close()


async def test_rights_that_were_withdrawn_while_nobody_listened_hold_no_more(served) -> None:
    manager = await signed_in(served)
    token = await served.secret(("operator", WHOLE_CODE), kind=CredentialKind.TOKEN)
    operator = LiveClient(served.live, token=token)
    await manager.connect()
    await operator.connect()
    withdraw = "UPDATE membership SET valid_to = now() WHERE role = 'manager' RETURNING account_id"
    [(gone,)] = await served.run_sql(
        f"WITH cut AS ({_CUT}), done AS ({withdraw}) SELECT done.account_id FROM done, cut"
    )
    with pytest.raises(ConnectionClosed) as closed:
        await manager.until(lambda: False, timeout_s=10.0)
    assert closed.value.rcvd.code == CLOSE_RIGHTS_CHANGED
    viewers = served.runtime.hub.viewers
    assert len(viewers) == 1, "whose rights are the same stays"
    assert gone not in {viewer.account_id for viewer in viewers}
    await operator.close()


async def test_tiles_are_cut_anew_after_a_time_of_not_listening(served) -> None:
    live = await signed_in(served)
    await live.connect()
    await served.run_sql(_CUT)
    await live.until(lambda: live.tiles, timeout_s=10.0)
    layers = {told["layer"] for told in live.tiles}
    async with asyncio.timeout(5.0):
        while len(layers) < len(served.runtime.tiles.versions):
            await live.receive()
            layers = {told["layer"] for told in live.tiles}
    assert all(told["bbox"] == [-180.0, -90.0, 180.0, 90.0] for told in live.tiles)
    await live.close()


async def test_events_of_before_the_start_can_be_resumed(serve, fresh_city, tmp_path) -> None:
    async with serve(fresh_city, tmp_path) as first:
        await first.run_sql(_APPEND, 12)
        while first.runtime.hub.journal < 12:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        live = await signed_in(first)
        live.journal = 4
        await live.connect()
        await live.look((104.0, 30.6, 104.1, 30.7), 16.0)
        await live.until(lambda: len(live.events) == 8, timeout_s=5.0)
        epoch = live.epoch
        await live.close()
    async with serve(fresh_city, tmp_path) as second:
        await second.run_sql(_APPEND, 2)
        live.url = second.live
        await live.connect()
        assert live.epoch != epoch
        await live.look((104.0, 30.6, 104.1, 30.7), 16.0)
        await live.until(lambda: len(live.events) == 10, timeout_s=5.0)
        assert [event["journal"] for event in live.events] == list(range(5, 15))
        await live.close()
