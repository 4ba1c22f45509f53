"""Write answers as JSON or XML, in the element names of GeoReport v2."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from xml.etree.ElementTree import Element, SubElement, tostring  # nosec B405  # written, never read

import orjson
from starlette.responses import Response

XML_TYPE: Final = "text/xml; charset=utf-8"
JSON_TYPE: Final = "application/json; charset=utf-8"

ITEM_OF: Final = {
    "services": "service",
    "attributes": "attribute",
    "values": "value",
    "service_requests": "request",
    "errors": "error",
    "endpoints": "endpoint",
    "formats": "format",
}
"""Name of the elements inside each list."""

_UNSPEAKABLE: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def speakable(text: str) -> str:
    """Put a blank for each sign that XML 1.0 cannot hold: control signs, halves of surrogates."""
    return _UNSPEAKABLE.sub(" ", text)


def written(form: str, name: str, content: Any, status: int = 200) -> Response:
    """Answer with content in a form.

    Parameters
    ----------
    form
        ``xml``, or anything else for JSON.
    name
        Name of the root element of XML; JSON has none.
    content
        Dictionaries, lists of them, and values: text, number, boolean, moment or None.
    status
        Of HTTP.
    """
    if form == "xml":
        root = Element(name)
        _fill(root, name, content)
        body = b'<?xml version="1.0" encoding="utf-8"?>\n' + tostring(root, encoding="utf-8")
        return Response(body, status, media_type=XML_TYPE)
    return Response(orjson.dumps(content, default=str), status, media_type=JSON_TYPE)


def _fill(element: Element, name: str, content: Any) -> None:
    if isinstance(content, Mapping):
        for key, value in content.items():
            _fill(SubElement(element, key), key, value)
    elif isinstance(content, Sequence) and not isinstance(content, str):
        for item in content:
            _fill(SubElement(element, ITEM_OF[name]), ITEM_OF[name], item)
    elif isinstance(content, bool):
        element.text = "true" if content else "false"
    elif isinstance(content, datetime):
        element.text = content.isoformat()
    elif content is not None:
        element.text = speakable(str(content))
