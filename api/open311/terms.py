"""State where the GeoReport interface lies and how much of anything it takes."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Final, Literal
from urllib.parse import parse_qs

from fastapi import Path
from starlette.types import Scope

PREFIX: Final = "/open311/"
BASE: Final = "/open311/v2"

Form = Annotated[Literal["json", "xml"], Path(description="json or xml")]

FORM_TYPE: Final = "application/x-www-form-urlencoded"
MOST_FIELDS: Final = 100
"""Fields of one form; a report has some twenty."""
LONGEST_DESCRIPTION: Final = 4_000
"""Letters, by the specification."""
LONGEST_ADDRESS: Final = 500
LONGEST_NAME: Final = 100
LONGEST_MAIL: Final = 254
LONGEST_MEDIA_URL: Final = 500
LONGEST_ANSWER: Final = 1_000
"""Letters of the answer to one question of a category."""
LONGEST_KEY: Final = 200
"""Letters of an Idempotency-Key."""

SPAN: Final = timedelta(days=90)
"""Longest time that one list of reports covers, by the specification."""
MOST_LISTED: Final = 1_000
"""Reports of one answer, by the specification."""

NO_KEY: Final = 401
"""Our status where nobody is known by what was sent."""
STATUS: Final = {NO_KEY: 403, 422: 400}
"""Statuses of the specification in place of ours: it knows a missing key as 403 and a wrong value as 400."""

_LONGEST_SECRET: Final = 200


def key_in_query(scope: Scope) -> str | None:
    """Return the ``api_key`` in the address of a request, None where there is none."""
    if not scope["path"].startswith(PREFIX) or b"api_key=" not in scope["query_string"]:
        return None
    try:
        query = parse_qs(scope["query_string"].decode("latin-1"), max_num_fields=MOST_FIELDS)
    except ValueError:  # the route says that there are too many
        return None
    given = query.get("api_key", [""])[0][:_LONGEST_SECRET]
    return given or None
