"""Every described call answers odd input: what is wrong is told, and nothing is an error of ours.

The calls, their parameters and the members of their bodies are read from the description.
"""

from __future__ import annotations

import io
import itertools
import json
from collections.abc import Iterator
from typing import Any

import pytest
from werkzeug.test import TestResponse

from app.metadata.vocabulary import Level
from tests.contract.world import ADDRESS, AGENT, World

Schema = dict[str, Any]
#: what a member may be given: of the wrong type, far too large, of no language
ODD: list[Any] = [None, True, 1e400, 10**30, "\x00", "\ud83d", "长" * 5_000, [[1]], {"": {}}]
#: bodies that are no object, or no JSON
BODIES = ["", "null", "[]", '"x"', "NaN", "{", "[" * 50_000]
QUERIES = ["\x00", "9" * 40, "٣", ".."]
KEYS = ("0", "9" * 19)
#: the stricter of the two databases: it takes no NUL, and no text that is too long
pytestmark = pytest.mark.one_database("postgresql")
WHOLE = pytest.mark.parametrize("level", [Level.PROVINCE, Level.SITE])


def _open(world: World, level: Level, method: str, path: str, **options: Any) -> TestResponse:
    browser = world.browser(level)
    return browser.client.open(
        f"{browser.prefix}/api/v1{path}",
        method=method.upper(),
        headers={"User-Agent": AGENT, "X-CSRFToken": world.csrf()},
        environ_overrides=ADDRESS,
        buffered=True,
        **options,
    )


def _calls(world: World, level: Level) -> Iterator[tuple[str, str, Schema, Schema]]:
    """(method, path, call, place) of everything that the reader may call."""
    document = world.browser(level).rest("GET", "/openapi.json").get_json()
    for path, place in document["paths"].items():
        for method in ("get", "post", "patch", "delete"):
            if method in place:
                yield method, path, place[method], place


def _content(call: Schema) -> tuple[str, Schema] | None:
    """(media type, schema) of its body."""
    content = call.get("requestBody", {}).get("content", {})
    return next(((media, told["schema"]) for media, told in content.items()), None)


def _bodies(schema: Schema) -> Iterator[Any]:
    """An object whose described members are all odd in the same way, at the top or one below.
    What can be tried is only tried: the world stays as it is."""
    names = schema["properties"]
    tried = {"dry_run": True} if "dry_run" in names else {}
    for value in ODD:
        yield dict.fromkeys(names, value) | tried
        for name, member in names.items():
            inner = member.get("properties") or member.get("items", {}).get("properties")
            if inner:
                odd = dict.fromkeys(inner, value)
                whole = odd if "properties" in member else [odd]
                yield {name: whole} | tried


def _is_told(answer: TestResponse, asked: Any) -> None:
    assert answer.status_code < 500, asked
    if answer.status_code >= 400:
        found = answer.get_json()
        assert found["code"], asked
        assert found["message"], asked


@WHOLE
def test_odd_addresses_are_answered(world: World, level: Level) -> None:
    for method, path, call, _ in _calls(world, level):
        if method != "get":
            continue
        for key in KEYS:
            _is_told(_open(world, level, "get", path.replace("{id}", key)), path)
        names = [one["name"] for one in call.get("parameters", ()) if one["in"] == "query"]
        place = path.replace("{id}", "123")
        for name, text in itertools.product(names, QUERIES):
            query = {name: text.encode("utf-8", "replace")}
            _is_told(_open(world, level, "get", place, query_string=query), (place, query))


@WHOLE
def test_odd_bodies_are_answered(world: World, level: Level) -> None:
    for method, path, call, _ in _calls(world, level):
        content = _content(call)
        place = path.replace("{id}", "123")
        if method == "get" or (content and content[0] != "application/json"):
            continue
        for text in BODIES if content else BODIES[1:]:
            answer = _open(world, level, method, place, data=text, content_type="application/json")
            _is_told(answer, (path, text[:40]))
            assert answer.status_code >= 400, (path, text[:40])
        for body in _bodies(content[1]) if content else ():
            data = json.dumps(body)
            answer = _open(world, level, method, place, data=data, content_type="application/json")
            _is_told(answer, (path, data[:200]))


@WHOLE
def test_odd_uploads_are_answered(world: World, level: Level) -> None:
    for method, path, call, _ in _calls(world, level):
        content = _content(call)
        if content is None or content[0] != "multipart/form-data":
            continue
        names = set(content[1]["properties"]) - {"file"}
        for text in [*QUERIES, "", "长" * 5_000]:
            data: dict[str, Any] = dict.fromkeys(names, text.encode("utf-8", "replace"))
            data["file"] = (io.BytesIO(b"PK\x03\x04" + text.encode("utf-8", "replace")), "a.xlsx")
            _is_told(_open(world, level, method, path, data=data), (path, text[:40]))
        for body in (b"", b"--x\r\n", b"--x\r\nContent-Disposition: form-data; name=file\r\n\r\n"):
            media = "multipart/form-data; boundary=x"
            answer = _open(world, level, method, path, data=body, content_type=media)
            _is_told(answer, (path, body))
            assert answer.status_code >= 400
        for file in ("\x00.xlsx", "../../a.xlsx", "长" * 300 + ".xlsx", ".xlsx", "a"):
            data = {"file": (io.BytesIO(b"PK\x03\x04"), file), "dry_run": "true"}
            _is_told(_open(world, level, method, path, data=data), (path, file[:40]))
