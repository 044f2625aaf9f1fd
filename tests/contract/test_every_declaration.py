"""What holds for every declaration, read from the registry: new ones are covered by themselves."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import select

from app.database import base
from app.metadata import registry
from app.metadata.declarations import Declaration, Grid, On, Operation, Resource
from app.metadata.vocabulary import ADMINISTRATORS, Level, Verb
from app.rules import availability, policy
from app.runtime import load_declarations
from tests.contract.models import DECLARATIONS
from tests.contract.world import World, text_of

load_declarations()
_TESTED = [*registry.declared(Resource), *(d for d in DECLARATIONS if isinstance(d, Resource))]
RESOURCES = {item.name: item for item in _TESTED}
OPERATIONS = {
    item.name: item
    for item in [
        *registry.declared(Operation),
        *(d for d in DECLARATIONS if isinstance(d, Operation)),
    ]
}
GRIDS = {item.name: item for item in registry.declared(Grid)}
EVERY = pytest.mark.parametrize("name", sorted(RESOURCES))
EVERY_OPERATION = pytest.mark.parametrize("name", sorted(OPERATIONS))
EVERY_GRID = pytest.mark.parametrize("name", sorted(GRIDS))
LEVELS = pytest.mark.parametrize("level", ADMINISTRATORS)
#: sentences and marks of the stock framework
FOREIGN_WORDS = (
    "data-toggle=",
    'class="panel"',
    "glyphicon",
    "No records found",
    "Record Count",
    "Are you sure",
    "Access is Denied",
    "Back to",
    "This field is required",
)


def _path(declaration: Declaration) -> str:
    return f"/{declaration.name.replace('_', '-')}/"


def _granted(world: World, declaration: Declaration, verb: Verb, level: Level) -> bool:
    return policy.granted(declaration, verb, world.actor(level))


@contextmanager
def _no_verbs(world: World, monkeypatch: pytest.MonkeyPatch, declaration: Any) -> Iterator[None]:
    with monkeypatch.context() as patch:
        for target in ("app.rules.policy.granted", "app.views.security.granted"):
            patch.setattr(target, lambda d, *_: d is not declaration and True)
        yield


@EVERY
@LEVELS
def test_a_list_opens_where_the_matrix_grants_it(world: World, name: str, level: Level) -> None:
    resource = RESOURCES[name]
    answer = world.browser(level).get(_path(resource))
    page = answer.get_data(as_text=True)
    if _granted(world, resource, Verb.LIST, level):
        assert answer.status_code == 200, text_of(answer)[:300]
        assert resource.label in page
    else:
        assert answer.status_code == 403
    for word in FOREIGN_WORDS:
        assert word not in page


@EVERY
@LEVELS
@pytest.mark.parametrize("verb", [Verb.SHOW, Verb.EDIT, Verb.DELETE])
def test_a_row_that_is_not_there_is_404_and_without_the_verb_403(
    world: World, name: str, level: Level, verb: Verb
) -> None:
    resource = RESOURCES[name]
    if verb not in resource.legal_verbs:
        pytest.skip("not a verb of this resource")
    may = _granted(world, resource, verb, level)
    path = f"{_path(resource)}{verb.value}/123"
    browser = world.browser(level)
    assert browser.get(path).status_code == (404 if may else 403)
    if verb is not Verb.SHOW:
        assert browser.post(path).status_code == (404 if may else 403)


@EVERY
def test_p2_rows_of_another_site_are_not_found(world: World, name: str) -> None:
    resource = RESOURCES[name]
    if not hasattr(resource.model, "site_id"):
        pytest.skip("its rows belong to no site")
    theirs = resource.model.site_id == world.tree.sites[1].id
    with world.looking() as session:
        row = session.scalars(select(resource.model).where(theirs).limit(1)).one_or_none()
    if row is None:
        pytest.skip("the other site has no such row")
    browser = world.browser()
    for verb in (Verb.SHOW, Verb.EDIT, Verb.DELETE):
        expected = 404 if _granted(world, resource, verb, Level.SITE) else 403
        path = f"{_path(resource)}{verb.value}/{row.id}"
        assert browser.get(path).status_code == expected
        if verb is not Verb.SHOW:
            assert browser.post(path).status_code == expected
    if _granted(world, resource, Verb.LIST, Level.SITE):
        page = browser.get(f"{_path(resource)}?_size=200").get_data(as_text=True)
        assert str(row.id) not in page


@EVERY
@LEVELS
def test_the_form_to_add_opens_where_it_is_granted(world: World, name: str, level: Level) -> None:
    resource = RESOURCES[name]
    answer = world.browser(level).get(f"{_path(resource)}add")
    page = answer.get_data(as_text=True)
    if not _granted(world, resource, Verb.ADD, level):
        assert answer.status_code == 403
        return
    with world.looking() as session:
        reason = availability.reason_for(session, name, world.actor(level))
    assert answer.status_code == (403 if reason else 200), text_of(answer)[:300]
    for word in FOREIGN_WORDS:
        assert word not in page


@EVERY
@LEVELS
def test_an_export_is_given_where_it_is_granted(world: World, name: str, level: Level) -> None:
    resource = RESOURCES[name]
    with world.browser(level).get(f"{_path(resource)}export") as answer:
        may = _granted(world, resource, Verb.EXPORT, level)
        if may and answer.status_code == 403:  # the page is not used here (R0.5b)
            assert availability._reasons.get(name) is not None
        else:
            assert answer.status_code == (200 if may else 403)


@EVERY
@LEVELS
def test_r0_4_no_form_opens_in_a_history_session(world: World, name: str, level: Level) -> None:
    resource = RESOURCES[name]
    if resource.in_history or not resource.per_exam:
        pytest.skip("its rows belong to no session")
    assert world.browser(level, exam=57).get(f"{_path(resource)}add").status_code == 403


@EVERY_OPERATION
@LEVELS
def test_an_operation_asks_where_it_is_granted(world: World, name: str, level: Level) -> None:
    operation = OPERATIONS[name]
    page_only = operation.on == frozenset({On.PAGE})
    path = _path(operation) + ("" if page_only else "?ids=123")
    answer = world.browser(level).get(path)
    if not _granted(world, operation, Verb.RUN, level):
        assert answer.status_code == 403
    elif page_only:
        assert answer.status_code in (200, 403, 422)
    else:
        assert answer.status_code in (404, 403, 422)
    assert answer.status_code != 500


@EVERY_OPERATION
def test_a_link_to_an_operation_changes_nothing(world: World, name: str) -> None:
    operation = OPERATIONS[name]
    before = len(world.entries())
    world.browser().get(_path(operation))
    assert len(world.entries()) == before


@EVERY
@LEVELS
@pytest.mark.parametrize("method", ["GET", "POST", "PATCH", "DELETE"])
def test_rest_is_there_only_where_asked_for(
    world: World, name: str, level: Level, method: str
) -> None:
    resource = RESOURCES[name]
    path = f"/{name}/" if method in ("GET", "POST") else f"/{name}/123"
    body: dict[str, Any] | None = {} if method in ("POST", "PATCH") else None
    status = world.browser(level).rest(method, path, body).status_code
    if not resource.api:
        assert status == 404
        return
    verb = {"GET": Verb.LIST, "POST": Verb.ADD, "PATCH": Verb.EDIT, "DELETE": Verb.DELETE}[method]
    if not _granted(world, resource, verb, level):
        assert status == 403
    else:
        assert status == {"GET": 200, "POST": 422}.get(method, status)
        assert status in (200, 404, 422)


@EVERY_OPERATION
def test_an_operation_over_rest_is_allowed_once_and_refused_once(world: World, name: str) -> None:
    """One level that the matrix grants it to, one that it does not; a row that is not there."""
    operation = OPERATIONS[name]
    path = f"/operation/{name}/"
    body: dict[str, Any] = {"dry_run": True}
    if operation.on != frozenset({On.PAGE}):
        one: dict[str, Any] = {"ids": ["123"]}
        body |= one if operation.on - {On.QUERY} else {"query": {}}
    levels = {_granted(world, operation, Verb.RUN, level): level for level in ADMINISTRATORS}
    before = len(world.entries())
    refused = world.browser(levels[False]).rest("POST", path, body)
    assert (refused.status_code, refused.get_json()["code"]) == (403, "policy.no_verb")
    answer = world.browser(levels[True]).rest("POST", path, body)
    found = answer.get_json()
    if operation.reauthenticate:
        assert (answer.status_code, found["code"]) == (403, "operation.only_on_page")
    elif answer.status_code != 200:
        assert answer.status_code in (403, 404, 409, 422)
        assert found["code"] not in ("policy.no_verb", "http.403", "http.404")
    assert len(world.entries()) == before


# ---------------------------------------------------------------- grids

_GRID_POSTS = ("preview", "save", "fill", "copy", "import", "edit/990701")


@EVERY_GRID
@LEVELS
def test_a_grid_opens_and_is_exported_where_the_matrix_grants_it(
    world: World, name: str, level: Level
) -> None:
    grid = GRIDS[name]
    answer = world.browser(level).get(_path(grid))
    assert answer.status_code == (200 if _granted(world, grid, Verb.VIEW, level) else 403)
    page = answer.get_data(as_text=True)
    may = _granted(world, grid, Verb.EDIT, level)
    assert may or "data-kw-grid" not in page
    for word in FOREIGN_WORDS:
        assert word not in page
    with world.browser(level).get(f"{_path(grid)}export") as file:
        assert file.status_code == (200 if _granted(world, grid, Verb.EXPORT, level) else 403)


@EVERY_GRID
@LEVELS
@pytest.mark.parametrize("step", _GRID_POSTS)
def test_a_grid_is_written_only_where_the_matrix_grants_it(
    world: World, name: str, level: Level, step: str
) -> None:
    """Empty forms: they are answered with the cells, never carried out."""
    grid = GRIDS[name]
    before = len(world.entries())
    status = world.browser(level).post(f"{_path(grid)}{step}").status_code
    if not _granted(world, grid, Verb.EDIT, level):
        assert status == 403
    else:
        assert status in (200, 302, 422)
    assert len(world.entries()) == before


@EVERY_GRID
@LEVELS
def test_r0_4_a_grid_of_a_history_session_is_only_read(
    world: World, name: str, level: Level
) -> None:
    grid = GRIDS[name]
    browser = world.browser(level, exam=57)
    answer = browser.get(_path(grid))
    assert answer.status_code == (200 if _granted(world, grid, Verb.VIEW, level) else 403)
    assert "data-kw-grid" not in answer.get_data(as_text=True)
    assert browser.post(f"{_path(grid)}preview").status_code in (403, 422)


@EVERY_GRID
def test_p2_a_grid_shows_and_takes_the_own_rows_only(world: World, name: str) -> None:
    grid = GRIDS[name]
    other = world.tree.sites[1]
    browser = world.browser()
    page = browser.get(f"{_path(grid)}?_q={other.code}").get_data(as_text=True)
    assert other.name not in page
    if _granted(world, grid, Verb.EDIT, Level.SITE):
        assert browser.get(f"{_path(grid)}edit/{other.code}").status_code == 404
        cells = {f"v:{other.code}:TOTAL": "500"}
        answer = browser.post(f"{_path(grid)}preview", cells)
        assert answer.status_code == 422
        assert "不在您的管辖范围内" in text_of(answer)


# ---------------------------------------------------------------- the declarations themselves


def test_every_page_of_the_menu_has_an_address(world: World) -> None:
    missing = [
        page.name
        for _, pages in registry.menu()
        for page in pages
        if f"{page.name}.index" not in world.app.view_functions
    ]
    assert missing == []


@EVERY
def test_rows_of_a_resource_are_bounded(name: str) -> None:
    """A scope mixin, a row filter, or a code table that only the centre changes."""
    resource = RESOURCES[name]
    scoped = issubclass(
        resource.model, (base.ExamScoped, base.SiteCodeScoped, base.OwnedByPassport)
    )
    if scoped or resource.row_filter is not None:
        return
    for level in (Level.CITY, Level.SITE, Level.CANDIDATE):
        writes = resource.verbs.get(level, frozenset()) - {Verb.LIST, Verb.SHOW, Verb.EXPORT}
        assert not writes, f"{name}: {level} writes rows that nothing bounds"


def test_every_table_of_a_session_says_what_candidates_see() -> None:
    open_to_all = [
        mapper.class_.__name__
        for mapper in base.Base.registry.mappers
        if issubclass(mapper.class_, base.ExamScoped)
        and mapper.class_.__module__.startswith("app.")
        and not issubclass(
            mapper.class_, (base.OwnedByPassport, base.PublicInExam, base.AdministratorsOnly)
        )
    ]
    assert open_to_all == []


# ---------------------------------------------------------------- masks and texts of pages


@EVERY
def test_no_sensitive_value_is_in_clear_on_a_list(world: World, name: str) -> None:
    resource = RESOURCES[name]
    level = next(iter(resource.verbs), None)
    if level is None or level is Level.CANDIDATE:
        pytest.skip("no level looks at it")
    with world.looking() as session:
        rows = session.scalars(select(resource.model).limit(50)).all()
    page = world.browser(level).get(_path(resource)).get_data(as_text=True)
    from app.metadata.fields import fields_of

    hidden = [field.name for field in fields_of(resource.model).values() if field.mask]
    body = re.sub(r"<script.*?</script>", "", page, flags=re.S)
    for row in rows:
        for field in hidden:
            value = getattr(row, field)
            assert not value or len(str(value)) < 6 or str(value) not in body
