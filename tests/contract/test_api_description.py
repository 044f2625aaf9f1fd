"""The description of REST: valid, complete, for its reader alone, and true."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped] # it ships no types
from sqlalchemy import select
from werkzeug.routing import Map

from app.metadata import registry
from app.metadata.actor import Actor
from app.metadata.declarations import Document, Grid, Import, Operation, Resource, Statistic
from app.metadata.vocabulary import ADMINISTRATORS, Level, Verb
from app.models.organisation import Organisation
from app.rules import policy
from app.views.engine import api_work_schemas, import_rest
from tests.contract.world import World, text_of

DOCUMENT = "/openapi.json"
LEVELS = pytest.mark.parametrize("level", ADMINISTRATORS)
METHODS = ("get", "post", "patch", "delete")
STATUSES = {"200", "201", "202", "204"} | {
    *("400", "401", "403", "404", "409", "413", "415", "422"),
}
#: what OpenAPI 3.1 knows where we use it
MEMBERS = {
    "": {"openapi", "info", "servers", "security", "paths", "components"},
    "call": {
        "operationId",
        "tags",
        "summary",
        "description",
        "parameters",
        "requestBody",
        "responses",
        "security",
    },
    "response": {"description", "headers", "content"},
    "parameter": {"name", "in", "required", "schema", "description"},
}


def _document(world: World, level: Level) -> dict[str, Any]:
    answer = world.browser(level).rest("GET", DOCUMENT)
    assert answer.status_code == 200
    found: dict[str, Any] = answer.get_json()
    return found


def _calls(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, place in document["paths"].items():
        for method in METHODS:
            if method in place:
                yield path, method, place[method]


def _schemas(value: Any) -> Iterator[Any]:
    """Every schema: in bodies, answers, parameters and components."""
    if isinstance(value, dict):
        for name, member in value.items():
            if name == "schema":
                yield member
            else:
                yield from _schemas(member)
    elif isinstance(value, list):
        for member in value:
            yield from _schemas(member)


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for member in value.values():
            yield from _references(member)
    elif isinstance(value, list):
        for member in value:
            yield from _references(member)


def _at(document: dict[str, Any], reference: str) -> Any:
    found: Any = document
    for name in reference.removeprefix("#/").split("/"):
        found = found[name]
    return found


def _check_call(path: str, place: dict[str, Any], call: dict[str, Any]) -> None:
    assert set(call) <= MEMBERS["call"]
    assert set(call["responses"]) <= STATUSES
    for answer in call["responses"].values():
        assert "$ref" in answer or (answer["description"] and set(answer) <= MEMBERS["response"])
        for content in answer.get("content", {}).values():
            assert set(content) <= {"schema"}
    parameters = [*place.get("parameters", ()), *call.get("parameters", ())]
    named = [(one["in"], one["name"]) for one in parameters]
    assert len(named) == len(set(named))
    assert {name for kind, name in named if kind == "path"} == set(re.findall(r"{(\w+)}", path))
    for one in parameters:
        assert set(one) <= MEMBERS["parameter"]
        assert one["in"] in ("path", "query")
        assert one.get("required", False) is (one["in"] == "path")
    if "requestBody" in call:
        assert set(call["requestBody"]) == {"required", "content"}
        for content in call["requestBody"]["content"].values():
            assert set(content) <= {"schema", "example"}
            if "example" in content:
                assert Draft202012Validator(content["schema"]).is_valid(content["example"])


@LEVELS
def test_the_document_is_openapi_3_1(world: World, level: Level) -> None:
    document = _document(world, level)
    assert set(document) == MEMBERS[""]
    assert document["openapi"].startswith("3.1.")
    assert set(document["info"]) == {"title", "version", "description"}
    assert document["servers"] == [{"url": "/admin/58/api/v1"}]
    assert all(path.startswith("/") for path in document["paths"])
    for path, _method, call in _calls(document):
        _check_call(path, document["paths"][path], call)
    identifiers = [call["operationId"] for *_, call in _calls(document)]
    assert len(identifiers) == len(set(identifiers))
    for reference in _references(document):
        assert _at(document, reference)
    for schema in [*_schemas(document), *document["components"]["schemas"].values()]:
        Draft202012Validator.check_schema(schema)
    known = set(document["components"]["securitySchemes"])
    for *_, call in _calls(document):
        for one in call.get("security", ()):
            assert set(one) <= known


def _described(world: World, level: Level) -> set[tuple[str, str]]:
    return {(path, method) for path, method, _ in _calls(_document(world, level))}


def _expected(world: World, level: Level) -> set[tuple[str, str]]:
    """What the registry and the matrix say that REST has for a level."""
    actor = world.actor(level)
    found = _expected_work(actor)
    for resource in registry.declared(Resource):
        tails = {
            Verb.LIST: ("/", "get"),
            Verb.ADD: ("/", "post"),
            Verb.SHOW: ("/{id}", "get"),
            Verb.EDIT: ("/{id}", "patch"),
            Verb.DELETE: ("/{id}", "delete"),
        }
        for verb, (tail, method) in tails.items():
            if resource.api and policy.granted(resource, verb, actor):
                found.add((f"/{resource.name}{tail}", method))
    for operation in registry.declared(Operation):
        if policy.granted(operation, Verb.RUN, actor) and not operation.reauthenticate:
            found.add((f"/operation/{operation.name}/", "post"))
    for statistic in registry.declared(Statistic):
        if policy.granted(statistic, Verb.VIEW, actor):
            found.add((f"/statistic/{statistic.name}/", "get"))
    return found


def _expected_work(actor: Actor) -> set[tuple[str, str]]:
    """Jobs for everybody; imports, documents and grids by their verbs."""
    found = {("/job/", "get"), ("/job/{id}", "get"), ("/job/{id}/errors", "get")}
    found |= {
        ("/job/{id}/report", "get"),
        ("/job/{id}/cancel", "post"),
        ("/job/{id}/retry", "post"),
    }
    calls: tuple[tuple[Any, str, Verb], ...] = (
        (Import, "import", Verb.RUN),
        (Document, "document", Verb.GENERATE),
        (Grid, "grid", Verb.EDIT),
    )
    for kind, part, writes in calls:
        for declaration in registry.declared(kind):
            path = f"/{part}/{declaration.name}/"
            if policy.granted(declaration, Verb.VIEW, actor):
                found |= {(f"/{part}/", "get"), (path, "get")}
                if kind is Import:
                    found.add((f"{path}template", "get"))
            if policy.granted(declaration, writes, actor):
                found.add((path, "post"))
                if kind is Import:
                    found.add(("/job/{id}/submit", "post"))
            if kind is Document and policy.granted(declaration, Verb.DOWNLOAD, actor):
                found.add(("/document/file/{id}", "get"))
    return found


@LEVELS
def test_it_holds_exactly_what_the_reader_may_call(world: World, level: Level) -> None:
    assert _described(world, level) == _expected(world, level)


def test_every_resource_and_operation_of_rest_is_in_somebody_s_document(world: World) -> None:
    described = {
        path.rstrip("/") for level in ADMINISTRATORS for path, _ in _described(world, level)
    }
    for resource in registry.declared(Resource):
        assert not resource.api or f"/{resource.name}" in described
    for operation in registry.declared(Operation):
        assert operation.reauthenticate or f"/operation/{operation.name}" in described
    for statistic in registry.declared(Statistic):
        assert f"/statistic/{statistic.name}" in described
    for kind, part in ((Import, "import"), (Document, "document"), (Grid, "grid")):
        for declaration in registry.declared(kind):
            assert f"/{part}/{declaration.name}" in described


def test_every_call_has_an_address_and_every_address_a_call(world: World) -> None:
    rules: Map = world.app.url_map
    served = set()
    for rule in rules.iter_rules():
        if rule.rule.startswith("/api/v1/") and rule.rule != f"/api/v1{DOCUMENT}":
            path = re.sub(r"<[^>]*:row_id>", "{id}", rule.rule.removeprefix("/api/v1"))
            methods = (rule.methods or set()) & {name.upper() for name in METHODS}
            served |= {(path, method.lower()) for method in methods}
    described = {one for level in ADMINISTRATORS for one in _described(world, level)}
    assert described <= served
    closed = {f"/operation/{item.name}/" for item in registry.declared(Operation)}
    unused = {(path, method) for path, method in served - described if path not in closed}
    verbs = {"post": Verb.ADD, "patch": Verb.EDIT, "delete": Verb.DELETE, "get": Verb.LIST}
    for path, method in unused:  # a resource that nobody may change in that way
        resource = registry.find(path.split("/")[1], Resource)
        assert resource is not None
        assert not any(verbs[method] in verbs_ for verbs_ in resource.verbs.values())


def _valid(document: dict[str, Any], schema: dict[str, Any], value: Any) -> None:
    """The value fits a schema whose references point into the document."""
    whole = schema | {"components": document["components"]}
    errors = [
        f"{error.json_path}: {error.message}"
        for error in Draft202012Validator(whole).iter_errors(value)
    ]
    assert errors == []


def _answer(document: dict[str, Any], path: str, method: str, status: int) -> dict[str, Any]:
    told = document["paths"][path][method]["responses"][str(status)]
    if "$ref" in told:
        told = _at(document, told["$ref"])
    schema: dict[str, Any] = told["content"]["application/json"]["schema"]
    return schema


def test_answers_are_as_described(world: World) -> None:
    document = _document(world, Level.SITE)
    row = world.hall("述一", price=7250, open=True, remark="x")
    browser = world.browser()

    def check(method: str, path: str, described: str, body: Any = None) -> Any:
        answer = browser.rest(method.upper(), path, body)
        found = answer.get_json()
        _valid(document, _answer(document, described, method, answer.status_code), found)
        return found

    check("get", "/test_hall/?name=述", "/test_hall/")
    check("get", "/test_hall/?_order=nonsense", "/test_hall/")
    check("get", f"/test_hall/{row.id}", "/test_hall/{id}")
    check("get", "/test_hall/123", "/test_hall/{id}")
    check("post", "/test_hall/", "/test_hall/", {"name": "述二", "seats": 3, "colour": "red"})
    check("post", "/test_hall/", "/test_hall/", {})
    close = "/operation/test_hall_close/"
    query = {"query": {"filters": {"name": "述"}}, "dry_run": True}
    seen = check("post", close, close, query)
    check("post", close, close, {"query": seen["query"]})
    check("post", close, close, {})
    statistic = "/statistic/capacity_statistics/"
    check("get", statistic, statistic)


@LEVELS
def test_rows_of_the_product_are_as_described(world: World, level: Level) -> None:
    document = _document(world, level)
    browser = world.browser(level)
    for path, method, _call in _calls(document):
        if method == "get" and path.endswith("/"):
            answer = browser.rest("GET", path)
            if answer.status_code == 200:
                _valid(document, _answer(document, path, "get", 200), answer.get_json())


def test_bodies_are_as_described(world: World) -> None:
    """What the description accepts is accepted, what it refuses is refused."""
    document = _document(world, Level.CITY)
    call = document["paths"]["/test_hall/"]["post"]
    schema = call["requestBody"]["content"]["application/json"]["schema"]
    validator = Draft202012Validator(schema)
    assert "quota" in schema["properties"]
    assert "site_id" not in schema["properties"]
    for wrong in ({}, {"name": "x", "seats": 0}, {"name": "x" * 31, "seats": 3}, {"seats": "3"}):
        assert not validator.is_valid(wrong)
        assert world.browser(Level.CITY).rest("POST", "/test_hall/", wrong).status_code == 422
    site = _document(world, Level.SITE)["paths"]["/test_hall/"]["post"]
    mine = site["requestBody"]["content"]["application/json"]["schema"]
    assert "quota" not in mine["properties"]


def test_every_member_of_a_body_is_known_to_the_code(world: World) -> None:
    """The page's names and those that the code reads are the same."""
    from app.views.engine import operation_rest

    for level in ADMINISTRATORS:
        for path, _, call in _calls(_document(world, level)):
            if path.startswith("/operation/"):
                body = call["requestBody"]["content"]["application/json"]["schema"]
                assert set(body["properties"]) <= operation_rest.BODY
                query = body["properties"].get("query", {"properties": operation_rest.QUERY})
                assert set(query["properties"]) == operation_rest.QUERY


def test_what_asks_for_the_password_again_is_left_out(world: World) -> None:
    assert "/operation/test_hall_purge/" not in _document(world, Level.SITE)["paths"]


def test_nothing_personal_and_no_living_choice_is_told(world: World) -> None:
    """The choices of references are rows: people, organisations."""
    hall = world.hall("述秘邻")
    with world.looking() as session:
        places = select(Organisation.name).where(Organisation.level != Level.CENTER.value)
        names = session.scalars(places).all()
    document = str(_document(world, Level.PROVINCE)) + str(_document(world, Level.SITE))
    assert hall.name not in document
    assert not any(name in document for name in names)


def test_nobody_reads_it(world: World) -> None:
    answer = world.nobody().rest("GET", DOCUMENT)
    assert (answer.status_code, answer.get_json()["code"]) == (401, "http.401")
    assert world.nobody().get("/api-description/").status_code == 302


def test_no_declaration_stands_in_the_way_of_the_others() -> None:
    """Names of resources are the first part of an address, beside those of the other calls."""
    taken = {"operation", "statistic", "job", "import", "document", "grid", "openapi.json"}
    assert not taken & {resource.name for resource in registry.declared(Resource)}
    assert registry.find("file", Document) is None  # /document/file/<id> are the files of all
    own = {resource.name for resource in registry.declared(Resource)}
    assert not own & {"error", "report", "accepted", "table", *api_work_schemas.components()}
    for declaration in registry.declared(Import):
        assert not set(import_rest.PARTS) & {option.name for option in declaration.options}


@LEVELS
def test_the_page_lists_the_same(world: World, level: Level) -> None:
    answer = world.browser(level).get("/api-description/")
    page = answer.get_data(as_text=True)
    assert answer.status_code == 200
    listed = re.findall(r'kw-tag-\w+">(\w+)</span> <code>([^<]+)</code>', page)
    assert {(path, method.lower()) for method, path in listed} == _described(world, level)
    assert "接口说明" in text_of(answer)
    assert "/admin/58/api/v1/openapi.json" in page
    scripts = re.findall(r"<script[^>]*src=\"([^\"]+)\"", page)
    assert all(source.startswith("/static/") for source in scripts)
