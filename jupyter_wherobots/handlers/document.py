"""The OpenAPI document, and requests judged by it.

``openapi.yaml`` is the law: what a handler takes is read from there, so that the two cannot drift apart.
Everything that comes out of here has the type and the bounds that the document promises; what does not fit is
an `InvalidRequest` that names the parameter or field.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import InvalidPath, InvalidRequest

METHODS = ("get", "head", "put", "post", "patch", "delete")

_SOURCE = Path(__file__).parent.parent / "openapi.yaml"
_PATH_PATTERN = "^/"
_SHOWN = 500


@dataclass(frozen=True)
class Parameter:
    """One parameter of an operation, wherever it travels (``query``, ``path``, ``header``)."""

    name: str
    where: str
    required: bool
    schema: Mapping[str, Any]


class Operation:
    """One verb on one route, as the document describes it."""

    def __init__(self, document: Document, path_item: Mapping[str, Any], verb: str) -> None:
        self._document = document
        operation = path_item[verb]
        self.parameters = tuple(
            Parameter(
                found["name"],
                found["in"],
                found.get("required", False),
                document.resolve(found["schema"]),
            )
            for found in map(
                document.resolve,
                [*path_item.get("parameters", ()), *operation.get("parameters", ())],
            )
        )
        content = operation.get("requestBody", {}).get("content", {})
        self.body_required: bool = operation.get("requestBody", {}).get("required", False)
        self.body_schema: Mapping[str, Any] = document.resolve(
            content.get("application/json", {}).get("schema", {})
        )

    def arguments(
        self,
        query: Mapping[str, Sequence[bytes]],
        path: Mapping[str, str],
        headers: Mapping[str, str],
    ) -> dict[str, Any]:
        """Every parameter by its name, in its type, absent ones by their default or as None.

        The raw bytes of the query are asked for, because tornado's own accessors strip spaces and control
        characters, which keys may have. Parameters that the document does not know are ignored: the frontend
        adds some of its own. Raises InvalidRequest, InvalidPath.
        """
        found: dict[str, Any] = {}
        for parameter in self.parameters:
            name, is_list = parameter.name, parameter.schema.get("type") == "array"
            if parameter.where == "query":
                texts = [_text(name, value) for value in query.get(name, ())]
            else:
                source = path if parameter.where == "path" else headers
                texts = [source[name]] if name in source else []
            if not texts:
                if parameter.required:
                    raise InvalidRequest(f"The parameter {name!r} is missing.")
                found[name] = parameter.schema.get("default")
                continue
            if len(texts) > 1 and not is_list:
                raise InvalidRequest(f"The parameter {name!r} is given {len(texts)} times.")
            schema = (
                self._document.resolve(parameter.schema["items"]) if is_list else parameter.schema
            )
            values = [_typed(text, schema) for text in texts]
            self._document.check(name, values if is_list else values[0], parameter.schema)
            found[name] = values if is_list else values[0]
        return found

    def body(self, content: bytes) -> dict[str, Any]:
        """The JSON body, checked, with the defaults of its top level filled in. Raises InvalidRequest, InvalidPath."""
        if not content.strip() and not self.body_required:
            content = b"{}"
        try:
            value = json.loads(content.decode())
        except (ValueError, RecursionError) as error:
            raise InvalidRequest(f"The body is not JSON: {error}") from error
        schema = self._alternative(value)
        self._document.check("body", value, schema)
        for name, field in schema.get("properties", {}).items():
            default = self._document.resolve(field).get("default")
            if name not in value and default is not None:
                value[name] = default
        result: dict[str, Any] = value
        return result

    def _alternative(self, value: object) -> Mapping[str, Any]:
        """Of a schema with alternatives, the one of the body's ``kind``: its complaints are the ones a reader can use."""
        alternatives = self.body_schema.get("oneOf")
        if alternatives is None:
            return self.body_schema
        kinds: dict[str, Mapping[str, Any]] = {}
        for schema in alternatives:
            named = schema["properties"]["kind"]
            kinds.update(dict.fromkeys(named.get("enum") or [named["const"]], schema))
        kind = value.get("kind") if isinstance(value, dict) else None
        if not isinstance(kind, str) or kind not in kinds:
            raise InvalidRequest(f"body: 'kind' has to be one of {', '.join(kinds)}.")
        return kinds[kind]


class Document:
    """The document, resolved and ready to judge requests."""

    def __init__(self, source: Path = _SOURCE) -> None:
        import yaml

        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the C one is 15 times as fast
        with source.open(encoding="utf-8") as stream:
            self.content: dict[str, Any] = yaml.load(stream, Loader=loader)
        # The anchors of the source; every reader of the JSON gets what they stand for.
        self.content.pop("x-answers", None)
        self.operations = {
            (route, verb): Operation(self, item, verb)
            for route, item in self.content["paths"].items()
            for verb in METHODS
            if verb in item
        }

    @functools.cached_property
    def json(self) -> bytes:
        """The document as it is served."""
        return json.dumps(self.content).encode()

    def resolve(self, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        """What a ``$ref`` points to, together with what stands beside it."""
        if "$ref" not in schema:
            return schema
        target: Any = self.content
        for segment in schema["$ref"].lstrip("#/").split("/"):
            target = target[segment]
        return {**target, **{name: value for name, value in schema.items() if name != "$ref"}}

    def check(self, name: str, value: object, schema: Mapping[str, Any]) -> None:
        """Raise InvalidRequest (or InvalidPath) unless the value is what the schema allows."""
        import jsonschema

        # Beside the components, so that local references find them.
        validator = jsonschema.Draft202012Validator(
            {**schema, "components": self.content["components"]}
        )
        error = jsonschema.exceptions.best_match(validator.iter_errors(value))
        if error is None:
            return
        if isinstance(error.instance, str) and error.schema.get("pattern") == _PATH_PATTERN:
            fault = {"minLength": "is no path", "maxLength": "is too long"}.get(
                str(error.validator), "does not begin with a slash"
            )
            raise InvalidPath(f"{_short(error.instance)!r} {fault}.", path=error.instance)
        where = ".".join([name, *map(str, error.absolute_path)])
        raise InvalidRequest(f"{where}: {_short(error.message)}.")


@functools.cache
def document() -> Document:
    """The document of this version. Reads and parses a file: call it in a thread the first time."""
    return Document()


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _text(name: str, value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise InvalidRequest(f"The parameter {name!r} is not UTF-8.") from None


def _typed(text: str, schema: Mapping[str, Any]) -> str | int | bool:
    """A text of the URL in the type the schema wants, or as it is, for `Document.check` to refuse."""
    kind = schema.get("type")
    if kind == "integer" and re.fullmatch(r"-?[0-9]{1,20}", text):
        return int(text)
    if kind == "boolean" and text in ("true", "false"):
        return text == "true"
    return text
