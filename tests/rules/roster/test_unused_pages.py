"""Pages of chapters 20 and 21 where they are not used, and why (R0.5b)."""

from __future__ import annotations

import pytest

import app.jobs.imports.student  # noqa: F401 - declares the import
from app.database.policy import become
from app.database.session import KaowuSession
from app.metadata.vocabulary import Level
from app.rules import availability
from app.rules.policy import OnlyInCurrentExam
from tests import factories
from tests.factories import Tree
from tests.rules.roster.roster_world import set_policy


@pytest.fixture
def tree(session: KaowuSession) -> Tree:
    """A site that does not use the roster."""
    tree = factories.make_tree(session)
    set_policy(session, tree, tree.site, enabled=False)
    return tree


@pytest.mark.parametrize("name", ["student_record", "student_record_import"])
def test_r0_5b_chapters_20_and_21_are_not_used_without_the_roster(
    session: KaowuSession, tree: Tree, name: str
) -> None:
    actor = tree.actor()
    become(session, actor)
    assert "未启用学籍库" in (availability.reason_for(session, name, actor) or "")
    set_policy(session, tree, tree.site)
    session.info.pop("kaowu_roster_enabled")
    assert availability.reason_for(session, name, actor) is None
    province = tree.actor(Level.PROVINCE)
    become(session, province)
    assert availability.reason_for(session, name, province) is None


def test_r0_4_r0_5b_records_are_imported_in_the_current_session_only(
    session: KaowuSession,
) -> None:
    """Said on the page, before a file is uploaded."""
    coming = factories.make_tree(session, number=59, state="preparing")
    actor = coming.actor(Level.PROVINCE)
    become(session, actor)
    reason = availability.reason_for(session, "student_record_import", actor)
    assert reason == OnlyInCurrentExam.template
