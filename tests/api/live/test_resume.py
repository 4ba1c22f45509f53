"""Who comes back after a cut or a restart misses nothing."""

import asyncio

from stirring import events, fill
from tests_live import HERE, looking, staged

from api.live.client import LiveClient


async def test_a_restarted_server_is_noticed_and_answers_with_a_snapshot() -> None:
    async with staged() as first:
        fill(first, 30)
        client = await looking(first)
        await client.until(lambda: len(client.state) == 30)
        await client.close()
    async with staged() as second:
        fill(second, 20, seed=5)
        client.url = second.url
        client.subscribed = None
        await client.connect()
        await client.look(HERE, 16.0)
        await client.until(lambda: client.subscribed is not None)
        assert client.subscribed["resumed"] is False
        await client.until(lambda: len(client.state) == 20)
        await client.close()


async def test_resume_without_the_place_held_is_answered_with_a_snapshot() -> None:
    async with staged() as stage:
        fill(stage, 10)
        client = await looking(stage)
        await client.until(lambda: len(client.state) == 10)
        await client.close()
        await client.connect()
        client.subscribed = None
        resume = {"epoch": client.epoch, "tick": client.tick, "journal": 0}
        client._asked.append((HERE, 16.0))
        await client.send({"op": "subscribe", "bbox": list(HERE), "zoom": 16, "resume": resume})
        await client.until(lambda: client.subscribed is not None)
        assert client.subscribed["resumed"] is False
        await client.until(lambda: len(client.state) == 10)
        await client.close()


# the journal


async def test_events_come_in_order_and_resume_leaves_none_out() -> None:
    async with staged() as stage:
        client = await looking(stage)
        stage.hub.publish(events(1, 5))
        await client.until(lambda: len(client.events) == 5)
        client.abort()
        while stage.hub.viewers:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
        stage.hub.publish(events(6, 200))
        await client.connect()
        stage.hub.publish(events(201, 210))  # between the greeting and the subscription
        await client.look(HERE, 16.0)
        await client.until(lambda: len(client.events) >= 210)
        stage.hub.publish(events(211, 212))
        await client.until(lambda: client.journal == 212)
        assert [event["journal"] for event in client.events] == list(range(1, 213))
        assert client.gaps == []
        await client.close()


async def test_more_missed_events_than_are_kept_is_a_gap() -> None:
    async with staged() as stage:
        stage.hub.publish(events(1, 10))
        client = await looking(stage)
        client.abort()
        while stage.hub.viewers:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
        stage.hub.publish(events(11, 400))
        await client.connect()
        await client.look(HERE, 16.0)
        await client.until(lambda: client.gaps)
        assert client.gaps == [400]
        stage.hub.publish(events(401, 401))
        await client.until(lambda: client.events)
        assert [event["journal"] for event in client.events] == [401]
        await client.close()


async def test_exactly_as_many_as_are_kept_is_no_gap() -> None:
    async with staged() as stage:
        stage.hub.publish(events(1, 1))
        client = await looking(stage)
        client.abort()
        stage.hub.publish(events(2, 301))
        await client.connect()
        await client.look(HERE, 16.0)
        await client.until(lambda: len(client.events) == 300)
        assert client.gaps == []
        await client.close()


async def test_a_journal_number_from_the_future_is_a_gap() -> None:
    async with staged() as stage:
        stage.hub.publish(events(1, 3))
        client = LiveClient(stage.url)
        client.journal = 99
        await client.connect()
        await client.look(HERE, 16.0)
        await client.until(lambda: client.gaps)
        assert client.gaps == [3]
        await client.close()
