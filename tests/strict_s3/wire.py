"""S3's XML, both ways."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from urllib.parse import quote
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from tests.strict_s3.errors import S3Error
from tests.strict_s3.http import Response

_NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
_CONTROL = re.compile("[\x00-\x1f\x7f]")


def text(value: str) -> str:
    """Character data. Control characters become references as S3 writes them, even those that
    XML 1.0 has not: a client that does not ask for `encoding-type=url` cannot read them."""
    return _CONTROL.sub(lambda found: f"&#x{ord(found[0]):x};", escape(value))


def tag(name: str, value: object) -> str:
    """One element with text."""
    return f"<{name}>{text(str(value))}</{name}>"


def group(name: str, *children: str) -> str:
    """One element with elements inside."""
    return f"<{name}>{''.join(children)}</{name}>"


def document(root: str, *children: str) -> Response:
    """A 200 whose body is a document."""
    body = (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<{root} xmlns="{_NAMESPACE}">'
        f"{''.join(children)}</{root}>"
    )
    return Response(200, [("Content-Type", "application/xml")], body.encode())


def encoder(query: Mapping[str, str]) -> Callable[[str], str]:
    """How a listing writes keys: as they are, or by `encoding-type=url`."""
    kind = query.get("encoding-type")
    if kind is None:
        return str
    if kind != "url":
        raise S3Error("InvalidArgument", "Invalid Encoding Method specified in Request")
    return lambda key: quote(key, safe="/")


def parse(body: bytes, root: str) -> ElementTree.Element:
    """The root element, all names without their namespace. Raises S3Error MalformedXML."""
    try:
        element = ElementTree.fromstring(body)
    except ElementTree.ParseError:
        raise S3Error("MalformedXML") from None
    for each in element.iter():
        each.tag = each.tag.rpartition("}")[2]
    if element.tag != root:
        raise S3Error("MalformedXML")
    return element


def child(element: ElementTree.Element, name: str) -> str | None:
    """The text of a child, None if there is no such child."""
    found = element.find(name)
    return None if found is None else found.text or ""


def required(element: ElementTree.Element, name: str) -> str:
    """The text of a child that must be there. Raises S3Error MalformedXML."""
    value = child(element, name)
    if value is None:
        raise S3Error("MalformedXML")
    return value


def count(query: Mapping[str, str], name: str, most: int) -> int:
    """A page size from the query, at most `most`. Raises S3Error InvalidArgument."""
    value = query.get(name, "")
    if not value:
        return most
    if not value.isdigit():
        raise S3Error("InvalidArgument", f"Provided {name} not an integer or within range")
    return min(int(value), most)


def prefixes(names: Iterable[str], encode: Callable[[str], str]) -> str:
    """CommonPrefixes elements."""
    return "".join(group("CommonPrefixes", tag("Prefix", encode(name))) for name in names)
