"""Answer `/sta/v1.1`: the OGC SensorThings API over what is installed and what it observes."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Request, Response
from fastapi.routing import APIRoute
from sqlalchemy.exc import DBAPIError

from api.access.caller import Caller
from api.access.permissions import needs, reads
from api.errors import NOT_FOUND, problem
from api.sensorthings.answers import json_answer, part_answer, service_root, set_answer
from api.sensorthings.options import Options, parse_options
from api.sensorthings.paths import parse_path
from api.sensorthings.reading import Reader
from twin.access.roles import DataClass
from twin.errors import InvalidError

ROOT: Final = "/sta/v1.1"

Handler = Callable[[Request], Coroutine[Any, Any, Response]]
Seeing = Annotated[Caller, needs(reads(DataClass.PLACE))]
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


router = APIRouter(tags=["sensorthings"], route_class=_Route, responses=NOT_FOUND)


@router.get(ROOT)
async def get_service_root(request: Request, _caller: Seeing) -> Response:
    """Return the sets of entities, and which parts of OGC 18-088 are kept."""
    return json_answer(service_root(root_of(request)))


@router.get(ROOT + "/{path:path}")
async def get_resource(request: Request, path: Resources, caller: Seeing) -> Response:
    """Return a set of entities, one of them, a property or an address (OGC 18-088, 9).

    Options in the query: `$filter`, `$expand`, `$select`, `$orderby`, `$top` (at most 1,000), `$skip`,
    `$count`, `$resultFormat=dataArray`.
    """
    if not path.strip("/"):
        return json_answer(service_root(root_of(request)))
    resource = parse_path(path)
    options = parse_options(request.url.query, resource.entity)
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


def root_of(request: Request) -> str:
    """Return the address of the service as the request calls it."""
    host = request.headers.get("host", "")
    return f"{request.url.scheme}://{host}{ROOT}"


def reader_of(request: Request, caller: Caller, connection: Any) -> Reader:
    """Return the reader of one request."""
    catalog = caller.running.twin.catalog
    return Reader(connection, catalog, root_of(request))
