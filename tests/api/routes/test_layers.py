from __future__ import annotations

import pytest

from layers import LAYERS

pytestmark = pytest.mark.postgis


@pytest.mark.parametrize(
    ("role", "closed"),
    [
        ("manager", set()),
        ("department", {"/api/trails"}),
        ("integrator", {"/api/trails", "/api/cases/points"}),
    ],
)
async def test_only_layers_whose_data_may_be_read_are_declared(signed_in, role, closed):
    who = await signed_in(role)
    answer = (await who.get("/api/layers")).json()
    told = [layer["id"] for layer in answer["layers"]]
    assert told == [layer.id for layer in LAYERS if layer.data.partition("?")[0] not in closed]
    assert {entry["key"] for entry in answer["legend"]} >= {"normal"}
    assert ("trail" in {entry["key"] for entry in answer["legend"]}) == ("/api/trails" not in closed)
    for address in {layer.data for layer in LAYERS if layer.data.startswith("/api/")}:
        allowed = address.partition("?")[0] not in closed
        assert (await who.get(address)).status_code == (200 if allowed else 403), address
