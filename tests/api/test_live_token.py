from __future__ import annotations

import pytest
from websockets.exceptions import InvalidStatus

from api.live.client import LiveClient
from tests.api.conftest import LAT, LON
from twin.access.credentials import CredentialKind
from twin.access.scope import WHOLE_CODE

pytestmark = pytest.mark.postgis


async def test_a_program_looks_with_its_token_in_a_header(served):
    token = await served.secret(("operator", WHOLE_CODE), kind=CredentialKind.TOKEN)
    live = LiveClient(served.live, token=token)
    await live.connect()
    await live.look((LON - 0.01, LAT - 0.01, LON + 0.01, LAT + 0.01), 16)
    await live.until(lambda: len(live.state) > 0)
    await live.close()
    assert token not in live.url


@pytest.mark.parametrize("token", [None, "", "no-such-token"])
async def test_nobody_looks_without_one(served, token):
    with pytest.raises(InvalidStatus) as caught:
        await LiveClient(served.live, token=token).connect()
    assert caught.value.response.status_code == 403
