import httpx
import pytest

pytestmark = pytest.mark.postgis


@pytest.mark.parametrize(
    "path",
    [
        "/api/health",
        "/api/scene",
        "/api/catalog",
        "/api/layers",
        "/api/devices/1",
        "/api/devices/1/history",
        "/api/devices/1/neighbours",
        "/api/devices/1/events",
        "/api/workers/5",
        "/api/trails",
        "/api/buildings/1",
        "/api/areas/2",
        "/api/alarms",
        "/api/cases",
        "/api/cases/points",
        "/api/stats",
        "/api/timeline",
        "/api/heat",
        "/api/search?q=water",
        "/docs",
        "/docs/live-protocol.md",
        "/api/openapi.json",
        "/tiles/building,road,green,water,area,area_label,place_label,camera_field,unit_grid/16/51711/26899.mvt",
    ],
)
async def test_every_route_answers(reader: httpx.AsyncClient, path: str) -> None:
    answer = await reader.get(path)
    assert answer.status_code == 200, answer.text
