"""Tell a partner of cases as requests of Open311 GeoReport v2, and ask it how they are doing.

http://wiki.open311.org/GeoReport_v2
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import quote, urlencode

import orjson

from api.exchange.posting import Answered, Line
from api.exchange.ways import Database
from twin.access.sealing import Sealer
from twin.cases.categories import name_of
from twin.exchange import requests, telling
from twin.exchange.owing import Failed
from twin.exchange.partners import Partner
from twin.exchange.requests import Request
from twin.exchange.retrying import Failure
from twin.exchange.telling import Owed

ASK_EVERY: Final = timedelta(minutes=10)
"""How often a partner is asked how the requests that are open there are doing."""

_LOOK_S: Final = 60.0
_AT_ONCE: Final = 50
"""Requests asked for by one address."""
_FORM: Final = "application/x-www-form-urlencoded"


class GeoReport:
    """A partner that speaks GeoReport; errors of the key as of `Sealer.open`."""

    def __init__(self, partner: Partner, line: Line, sealer: Sealer, database: Database) -> None:
        self._partner = partner
        self._line = line
        self._key = partner.secret(sealer)
        self._database = database
        self._asked_at = partner.asked_at
        self._base = partner.address.rstrip("/")

    @property
    def look_s(self) -> float:
        """How often to look whether it is time to ask."""
        return min(_LOOK_S, ASK_EVERY.total_seconds())

    async def tell(self, owed: Owed) -> Failed | None:
        """Make a request of the first event of a case that the partner is owed; others have no place there.

        A partner that knows `Idempotency-Key` makes one request of a case, however often it is sent.
        """
        data = owed.data
        service = requests.service_of(self._partner, data.get("category"))
        if service is None or data.get("lat") is None:
            return None
        async with self._database() as connection:
            if await requests.is_known(connection, self._partner, owed.case_id):
                return None
        form = {
            "api_key": self._key,
            "service_code": service,
            "lat": f"{data['lat']:.7f}",
            "long": f"{data['lon']:.7f}",
            "description": _description(data),
        }
        if self._partner.jurisdiction:
            form["jurisdiction_id"] = self._partner.jurisdiction
        answered = await self._line.ask(
            "POST",
            f"{self._base}/requests.json",
            {"content-type": _FORM, "idempotency-key": telling.message_id(self._partner.id, owed.case_id)},
            urlencode(form).encode(),
            reads=True,
        )
        if isinstance(answered, Failed):
            return answered
        for row in _rows(answered):
            request_id, token = (requests.clean(row.get(key), 200) for key in ("service_request_id", "token"))
            if request_id or token:
                async with self._database() as connection:
                    await requests.add(connection, self._partner, owed.case_id, request_id, token)
                return None
        return Failed(Failure.NOT_UNDERSTOOD, answered.status)

    async def try_out(self) -> Failed | None:
        """Ask for the services."""
        answered = await self._get("services.json")
        return answered if isinstance(answered, Failed) else None

    async def look(self) -> None:
        """Ask how the open requests are doing, where it is time to; what fails is asked the next time."""
        now = datetime.now(UTC)
        if self._asked_at is not None and now - self._asked_at < ASK_EVERY:
            return
        self._asked_at = now
        async with self._database() as connection:
            await requests.note_asked(connection, self._partner, now)
        after = 0
        while True:
            async with self._database() as connection:
                page = await requests.list_open(connection, self._partner, after, _AT_ONCE)
            if not page:
                return
            after = page[-1].case_id
            if not await self._ask(page):
                return

    async def _ask(self, page: list[Request]) -> bool:
        """Ask for some requests; say whether the partner answers."""
        numbered = {request.request_id: request for request in page if request.request_id}
        for request in page:
            if request.request_id is None and not await self._ask_number(request):
                return False
        if not numbered:
            return True
        wanted = ",".join(quote(number, safe="") for number in numbered if number)
        answered = await self._get("requests.json", f"service_request_id={wanted}")
        if isinstance(answered, Failed):
            return False
        for row in _rows(answered):
            known = numbered.get(str(row.get("service_request_id")))
            status = str(row.get("status")).lower()
            if known is None or status not in ("open", "closed"):
                continue
            async with self._database() as connection:
                notes = requests.clean(row.get("status_notes"))
                await requests.note_status(connection, self._partner, known, status, notes, datetime.now(UTC))
        return True

    async def _ask_number(self, request: Request) -> bool:
        answered = await self._get(f"tokens/{quote(request.token or '', safe='')}.json")
        if isinstance(answered, Failed):
            return False
        for row in _rows(answered):
            number = requests.clean(row.get("service_request_id"), 200)
            if number:
                async with self._database() as connection:
                    await requests.name(connection, self._partner, request.case_id, number)
        return True

    async def _get(self, what: str, query: str = "") -> Answered | Failed:
        if self._partner.jurisdiction:
            place = urlencode({"jurisdiction_id": self._partner.jurisdiction})
            query = f"{query}&{place}" if query else place
        address = f"{self._base}/{what}{f'?{query}' if query else ''}"
        # Not in the address, which ends in logs.
        return await self._line.ask(
            "GET", address, {"authorization": f"Bearer {self._key}"}, None, reads=True
        )


def _description(data: dict[str, Any]) -> str:
    """Say what a case is about, without a word of whoever reported it."""
    name = name_of(data["category"])
    about = f"{name.zh} / {name.en}" if name else data["category"]
    made_up = "【模拟数据 simulated】" if data.get("simulated") else ""
    return f"{made_up}{about} · 案件 case {data.get('number')}"


def _rows(answered: Answered) -> list[dict[str, Any]]:
    """Return the rows of an answer, none where it is not a list of objects."""
    try:
        read = orjson.loads(answered.body)
    except orjson.JSONDecodeError:
        return []
    return [row for row in read if isinstance(row, dict)] if isinstance(read, list) else []
