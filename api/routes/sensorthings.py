"""Answer `/sta/v1.1`: the OGC SensorThings API over what is installed and what it observes."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Annotated, Any, Final

import orjson
from fastapi import APIRouter, Path, Request, Response
from fastapi.routing import APIRoute
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from api.access.caller import Caller
from api.access.permissions import does, needs, needs_either, reads
from api.errors import CONFLICT, NOT_FOUND, PROBLEM_CONTENT, problem
from api.runtime import Runtime
from api.sensorthings.answers import json_answer, part_answer, service_root, set_answer
from api.sensorthings.arrivals import BY_HTTP, Arrival
from api.sensorthings.batch import answer_batch
from api.sensorthings.bodies import read_body, read_json
from api.sensorthings.changing import Changer
from api.sensorthings.lasting import is_too_long, too_long
from api.sensorthings.options import Options, parse_options
from api.sensorthings.patching import patched
from api.sensorthings.paths import Resource, Step, parse_path
from api.sensorthings.reading import Reader, address
from api.sensorthings.shape import Entity
from api.sensorthings.writing import Writer
from ingest.intake import Sender
from twin.access.record import Entry, write
from twin.access.roles import Act, DataClass
from twin.errors import ForbiddenError, InvalidError, UnavailableError

ROOT: Final = "/sta/v1.1"

_JSON: Final[dict[str, Any]] = {"schema": {"anyOf": [{"type": "object"}, {"type": "array"}]}}
_BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "description": "An entity of OGC 18-088 as JSON.",
        "content": {"application/json": _JSON},
    }
}
_PATCH_BODY: Final[dict[str, Any]] = {
    "requestBody": {
        **_BODY["requestBody"],
        "content": {"application/json": _JSON, "application/json-patch+json": _JSON},
    }
}
_CANNOT_READ: Final[dict[int | str, dict[str, Any]]] = {
    400: {
        **PROBLEM_CONTENT,
        "description": "The request cannot be understood (OGC 18-088, 9.3.2), or takes too long.",
    }
}
_READ: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "A set, an entity, a property or an address; bare values are text.",
        "content": {"application/json": {}, "text/plain": {}},
    },
    204: {"description": "The property has no value."},
}
_MADE: Final[dict[int | str, dict[str, Any]]] = {
    201: {
        "description": "What was made; the header Location says where.",
        "content": {"application/json": {}},
    }
}
_DONE: Final[dict[int | str, dict[str, Any]]] = {200: {"description": "It is gone."}}
_BATCH: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "The answers to the requests of a `$batch`, in their order.",
        "content": {"application/json": {}},
    }
}

Handler = Callable[[Request], Coroutine[Any, Any, Response]]
Seeing = Annotated[Caller, needs(reads(DataClass.PLACE))]
Managing = Annotated[Caller, needs(does(Act.MANAGE_DEVICES))]
Bringing = Annotated[Caller | Sender, needs_either(does(Act.MANAGE_DEVICES))]
Resources = Annotated[
    str, Path(description="resource path of OGC 18-088, for example Things(1)/Datastreams", max_length=2000)
]


class _Route(APIRoute):
    """Answers what cannot be understood with 400, as the standard says; elsewhere here that is 422."""

    def get_route_handler(self) -> Handler:
        handler = super().get_route_handler()

        async def answered(request: Request) -> Response:
            try:
                return await handler(request)
            except InvalidError as error:
                return problem(400, error.what, kind="invalid", where=error.where, hint=error.hint)
            except DBAPIError as error:
                if not str(getattr(error.orig, "sqlstate", "")).startswith("22"):
                    raise
                return problem(400, "a value of this request leaves its range", kind="invalid", where="query")

        return answered


router = APIRouter(tags=["sensorthings"], route_class=_Route, responses=NOT_FOUND | _CANNOT_READ)


@router.get(ROOT)
async def get_service_root(request: Request, _caller: Seeing) -> Response:
    """Return the sets of entities, and which parts of OGC 18-088 are kept."""
    return json_answer(service_root(root_of(request)))


@router.get(ROOT + "/{path:path}", responses=_READ)
async def get_resource(request: Request, path: Resources, caller: Seeing) -> Response:
    """Return a set of entities, one of them, a property or an address (OGC 18-088, 9).

    Options in the query: `$filter`, `$expand`, `$select`, `$orderby`, `$top` (at most 1,000), `$skip`,
    `$count`, `$resultFormat=dataArray`.
    """
    if not path.strip("/"):
        return json_answer(service_root(root_of(request)))
    resource = parse_path(path)
    options = parse_options(request.url.query, resource.entity)
    try:
        return await _read(request, path, caller, resource, options)
    except (DBAPIError, UnavailableError) as error:
        why = too_long(resource, options) if is_too_long(error) else None
        if why is None:
            raise
        return problem(400, why.what, kind="too-long", where=why.where, hint=why.hint)


@router.post(ROOT + "/{path:path}", status_code=201, openapi_extra=_BODY, responses=_MADE | CONFLICT | _BATCH)
async def create_entity(request: Request, path: Resources, who: Bringing) -> Response:
    """Make an entity, with those it holds (OGC 18-088, 10.2); the header `Location` says where it is.

    To `CreateObservations` go tables of observations (13.2): for each the address it has now, or `error`.
    To `$batch` goes a list of requests (OData JSON Format 4.01, 19), each answered as if it had come alone.
    """
    running: Runtime = request.app.state.runtime
    if path == "CreateObservations":
        return await _create_observations(request, running, who)
    if path == "$batch":
        go_on = "continue-on-error" in request.headers.get("prefer", "")
        given = read_json(await request.body())
        return json_answer(await answer_batch(request.app, request.scope, ROOT, given, go_on=go_on))
    resource = parse_path(path)
    if resource.is_one or resource.part:
        raise InvalidError("something is made by a POST to a set", where=path[:200])
    content, entity = await request.body(), resource.entity
    if entity.name == "Observations":
        arrival = Arrival(running, BY_HTTP, who)
        (became,) = await arrival.take([await arrival.read_one(content, resource.steps)], content)
        if not isinstance(became, str):
            raise became
        made: int | str = became
    else:
        caller = _demand_caller(who)
        given = read_json(content)
        async with caller.transaction() as connection:
            writer = Writer(reader_of(request, caller, connection))
            made = await writer.create(entity, read_body(given, entity.name), resource.steps)
            await _record(caller, connection, writer)
            # Where nothing is taken now, nothing of it is made either.
            coming = Arrival(running, BY_HTTP, caller) if writer.observations else None
        await _finish(running, writer, coming)
    link = f"{root_of(request)}/{address(entity, made)}"
    if not isinstance(who, Caller):
        return json_answer({"@iot.selfLink": link, "@iot.id": made}, 201, {"location": link})
    return await _told(request, who, entity, made, status=201)


@router.patch(ROOT + "/{path:path}", openapi_extra=_PATCH_BODY, responses=CONFLICT)
async def change_entity(request: Request, path: Resources, caller: Managing) -> Response:
    """Change some properties of an entity: by an object of them, or by a JSON Patch (RFC 6902)."""
    given = read_json(await request.body())
    is_patch = (
        request.headers.get("content-type", "").partition(";")[0].strip() == "application/json-patch+json"
    )
    return await _change(request, path, caller, given, is_patch=is_patch, whole=False)


@router.put(ROOT + "/{path:path}", openapi_extra=_BODY, responses=CONFLICT)
async def replace_entity(request: Request, path: Resources, caller: Managing) -> Response:
    """Give an entity other properties; those that are left out and may be are taken away."""
    given = read_json(await request.body())
    return await _change(request, path, caller, given, is_patch=False, whole=True)


@router.delete(ROOT + "/{path:path}", response_class=Response, responses=_DONE | CONFLICT)
async def delete_entity(request: Request, path: Resources, caller: Managing) -> Response:
    """Delete an entity and what cannot be without it; a Thing is closed and stays in the history."""
    resource = _demand_one(path)
    async with caller.transaction() as connection:
        changer = Changer(reader_of(request, caller, connection))
        found = await changer.reader.one(resource, Options(select=["id"]))
        await changer.delete(resource.entity, found.id)
        await _record(caller, connection, changer)
    await _finish(caller.running, changer)
    return Response(status_code=200)


async def _read(
    request: Request, path: str, caller: Caller, resource: Resource, options: Options
) -> Response:
    """Read what a path and its options mean, in one transaction."""
    async with caller.transaction() as connection:
        reader = reader_of(request, caller, connection)
        if resource.part == "$count":
            page = await reader.page(resource, Options(filter=options.filter, top=0, count=True))
            return Response(str(page.count), media_type="text/plain; charset=utf-8")
        if not resource.is_one:
            page = await reader.page(resource, options)
            return json_answer(set_answer(reader, path.strip("/"), resource, options, page))
        if resource.part:
            options.select = [name for name in (resource.part,) if name in resource.entity.properties] or [
                "id"
            ]
        found = await reader.one(resource, options)
        if resource.part:
            return part_answer(reader, resource, found.told, found.id)
        return json_answer(found.told)


async def _create_observations(request: Request, running: Runtime, who: Caller | Sender) -> Response:
    """Take tables of observations; answered once they are committed."""
    content, arrival = await request.body(), Arrival(running, BY_HTTP, who)
    outcome = await arrival.take(await arrival.read_tables(content), content)
    root = root_of(request)
    told = [f"{root}/Observations('{one}')" if isinstance(one, str) else "error" for one in outcome]
    return json_answer(told, 201)


async def _change(
    request: Request, path: str, caller: Caller, given: Any, *, is_patch: bool, whole: bool
) -> Response:
    resource = _demand_one(path)
    entity = resource.entity
    async with caller.transaction() as connection:
        changer = Changer(reader_of(request, caller, connection))
        options = Options() if is_patch else Options(select=["id"])
        found = await changer.reader.one(resource, options)
        if is_patch:
            before = orjson.loads(orjson.dumps(found.told))
            after = patched(before, given)
            changed = {name for name in {*before, *after} if before.get(name) != after.get(name)}
            given = {name: after.get(name) for name in changed}
        body = read_body(given, entity.name, partial=not whole)
        if whole:
            for name in entity.properties:
                if name in ("properties", "parameters", "resultQuality", "validTime"):
                    body.fields.setdefault(name, None)
        await changer.change(entity, found.id, body)
        await _record(caller, connection, changer)
    await _finish(caller.running, changer)
    return await _told(request, caller, entity, found.id, status=200)


def _demand_one(path: str) -> Resource:
    resource = parse_path(path)
    if not resource.is_one or resource.part:
        raise InvalidError("this names no single entity", where=path[:200])
    return resource


def _demand_caller(who: Caller | Sender) -> Caller:
    if isinstance(who, Caller):
        return who
    raise ForbiddenError("a device or gateway brings observations and makes nothing else", where=who.name)


async def _record(caller: Caller, connection: AsyncConnection, writer: Writer) -> None:
    """Put what was done on the record, in its own transaction."""
    for done in writer.changed:
        what, _, subject = done.partition(" ")
        await write(connection, caller.actor, Entry(f"device.{what}", subject))


async def _finish(running: Runtime, writer: Writer, coming: Arrival | None = None) -> None:
    """Tell who follows, bring the board in step, and then what came along to be observed.

    Raises
    ------
    InvalidError
        An observation was refused; what it hangs on is there.
    """
    running.followers.changed(writer.touched)
    if writer.devices_changed:
        await running.twin.refresh_devices()
    if coming is not None:
        for became in await coming.take(writer.observations):
            if not isinstance(became, str):
                raise became


async def _told(
    request: Request, caller: Caller, entity: Entity, given: int | str, *, status: int
) -> Response:
    """Return an entity as it is now."""
    resource = Resource((Step(entity, "", given, many=True),))
    async with caller.transaction() as connection:
        reader = reader_of(request, caller, connection)
        found = await reader.one(resource, Options())
    headers = {"location": reader.link_to(entity, given)} if status == 201 else None
    return json_answer(found.told, status, headers)


def root_of(request: Request) -> str:
    """Return the address of the service as the request calls it."""
    host = request.headers.get("host", "")
    return f"{request.url.scheme}://{host}{ROOT}"


def reader_of(request: Request, caller: Caller, connection: Any) -> Reader:
    """Return the reader of one request."""
    catalog = caller.running.twin.catalog
    return Reader(connection, catalog, root_of(request))
