"""Get one picture of a camera, however it is asked."""

from __future__ import annotations

import asyncio

from ingest.cameras.address import CameraAddress
from ingest.cameras.errors import Reason, StreamError
from ingest.cameras.footage import Footage
from ingest.cameras.http import fetch_picture
from ingest.cameras.rtsp import playing
from twin.address_ranges import Ranges


async def glance(address: CameraAddress, ranges: Ranges, patience_s: float) -> Footage:
    """Connect, take the first picture that can be decoded, and go.

    Raises
    ------
    StreamError
        There is none within ``patience_s`` seconds, or the reason why not is known sooner.
    """
    try:
        async with asyncio.timeout(patience_s):
            if address.scheme.startswith("http"):
                return await fetch_picture(address, ranges)
            async with playing(address, ranges) as stream:
                while (footage := stream.film.footage) is None:
                    await stream.next_picture()
                return footage
    except TimeoutError as error:
        raise StreamError(Reason.TIMEOUT) from error
