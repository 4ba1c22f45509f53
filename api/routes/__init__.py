"""Answer the questions of pages, one file a resource."""

from __future__ import annotations

from fastapi import APIRouter

from api.routes import (
    account,
    accounts,
    alarms,
    areas,
    buildings,
    cases,
    catalog,
    devices,
    groups,
    health,
    heat,
    journal,
    layers,
    manual,
    observations,
    record,
    scene,
    search,
    sign_in,
    stats,
    tiles,
    timeline,
    trails,
    workers,
)

ROUTERS: tuple[APIRouter, ...] = (
    health.router,
    sign_in.router,
    account.router,
    accounts.router,
    record.router,
    scene.router,
    catalog.router,
    layers.router,
    devices.router,
    workers.router,
    trails.router,
    buildings.router,
    areas.router,
    alarms.router,
    cases.router,
    stats.router,
    groups.router,
    journal.router,
    timeline.router,
    heat.router,
    search.router,
    tiles.router,
    manual.router,
    observations.router,
)
