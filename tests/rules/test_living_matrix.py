"""Who holds a verb by the matrix as it is lived by, in words."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from app.database.policy import become
from app.database.session import KaowuSession
from app.metadata import registry
from app.metadata.declarations import FILL_IN, Declaration
from app.metadata.vocabulary import WRITING, Level, Verb
from app.models.account import Role
from app.rules import living_matrix, permissions
from app.rules.living_matrix import holders
from tests.factories import plant
from tests.rules.permission_world import TASK, by_hand, sync

PAGE = "test_held"


@pytest.fixture
def page() -> Iterator[Declaration]:
    """Filled in by sites, and by cities whose province says so."""
    made = Declaration(
        name=PAGE,
        label="测试填写",
        verbs={Level.PROVINCE: frozenset({Verb.VIEW}), Level.SITE: FILL_IN},
        super_verbs=FILL_IN,
        entrusted=frozenset({Verb.EDIT}),
        legal_verbs=FILL_IN,
        per_exam=False,
    )
    registry.register(made)
    yield made
    del registry._declarations[PAGE]


def held(session: KaowuSession, page: Declaration) -> list[str]:
    """As a request that comes now is told."""
    become(session, TASK)
    permissions.bump_version(session)
    living_matrix.read(session)
    return holders(session, page, WRITING)


def test_before_the_matrix_is_written_what_is_declared_holds(
    session: KaowuSession, page: Declaration
) -> None:
    become(session, TASK)
    assert living_matrix.read(session) is None
    declared = ["系统管理员", "受省委托的地市管理员", "考点管理员"]
    assert holders(session, page, WRITING) == declared
    sync(session)
    assert held(session, page) == declared


def test_what_superusers_changed_holds(session: KaowuSession, page: Declaration) -> None:
    sync(session)
    by_hand(session, ("site", PAGE, Verb.EDIT), False)
    by_hand(session, ("super", PAGE, Verb.EDIT), False)
    by_hand(session, ("province", PAGE, Verb.EDIT), True)
    assert held(session, page) == ["省管理员", "受省委托的地市管理员"]
    assert holders(session, page, {Verb.VIEW}) == ["系统管理员", "省管理员", "考点管理员"]
    assert holders(session, page, {Verb.RUN}) == []


def test_a_role_is_named_where_its_level_has_nothing(
    session: KaowuSession, page: Declaration
) -> None:
    sync(session)
    plant(session, Role(name="writer", label="填报员", level="site", built_in=False))
    by_hand(session, ("writer", PAGE, Verb.EDIT), True)
    assert held(session, page)[-1] == "考点管理员"
    by_hand(session, ("site", PAGE, Verb.EDIT), False)
    assert held(session, page)[-1] == "填报员"
    by_hand(session, ("city", PAGE, Verb.EDIT), True)
    assert held(session, page) == ["系统管理员", "地市管理员", "填报员"]


def test_candidates_are_not_in_the_matrix(session: KaowuSession) -> None:
    page = Declaration(
        name="test_of_candidates", label="测试", verbs={Level.CANDIDATE: frozenset({Verb.EDIT})}
    )
    sync(session)
    assert held(session, page) == ["考生"]
