"""R10.4a, R0.2: what was decided while a choice of subjects waited for its registration holds."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from app.database.session import KaowuSession
from app.database.unit_of_work import unit_of_work
from app.metadata.actor import system
from app.metadata.errors import KaowuError
from app.metadata.vocabulary import ExamState, Window
from app.models.exam import Exam
from app.models.registration import Registration
from app.models.settings import SiteSettings
from app.rules import general_settings
from app.rules.offer import Offer
from app.rules.policy import NotVisibleExam
from app.rules.registration import states, subjects
from app.rules.registration.holding import hold_at_site
from app.rules.registration.states import HeldValues
from app.rules.registration.subjects import Choices
from app.rules.site import OutsideOnlineTime, Site, SiteClosed, SiteSuspended
from app.runtime import load_declarations
from tests import factories
from tests.concurrency.clients import Crowd, crowd, together, wait_for_waiter
from tests.factories import Tree, choose, seeding

load_declarations()
HOUR = dt.timedelta(hours=1)


def stop(session: KaowuSession, _tree: Tree) -> None:
    """停考 by the province."""
    with seeding(session):
        general_settings.suspend(session, session.scalars(select(SiteSettings)).one(), "停电")


def close(session: KaowuSession, _tree: Tree) -> None:
    with seeding(session):
        session.scalars(select(SiteSettings)).one().open = False


def end_window(session: KaowuSession, tree: Tree) -> None:
    """W4 of the site is over."""
    factories.set_window(session, tree.site, Window.ONLINE, tree.now - 2 * HOUR, tree.now - HOUR)


def archive(session: KaowuSession, tree: Tree) -> None:
    with seeding(session):
        exam = session.get(Exam, tree.exam.id)
        assert exam is not None
        exam.state = ExamState.HISTORY.value


def change_meanwhile(
    clients: Crowd, row: Registration, change: Callable[[KaowuSession, Tree], None]
) -> object:
    """A choice waits for the registration; until it gets it, `change` is committed."""
    tree = clients.tree
    chosen = partial(choose, tree=tree, row=row, subjects=["14"])
    with ThreadPoolExecutor(1) as pool:

        def holding(session: KaowuSession) -> object:
            states.lock_registration(session, row.id)
            answer = pool.submit(together, [partial(clients.as_owner, 1, row, chosen)])
            wait_for_waiter(session)
            clients.as_system(2, lambda session: change(session, tree))
            return answer

        answer = clients.as_system(0, holding)
        (found,) = answer.result()  # type: ignore[attr-defined]
        return found


@pytest.mark.postgres
@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        (stop, SiteSuspended),
        (close, SiteClosed),
        (end_window, OutsideOnlineTime),
        (archive, NotVisibleExam),
    ],
)
def test_r10_4a_r0_2_a_choice_that_waited_is_decided_by_what_holds_now(
    fresh_database: str,
    change: Callable[[KaowuSession, Tree], None],
    refusal: type[KaowuError],
) -> None:
    with crowd(fresh_database, 3, sites=1) as clients:
        (row,) = clients.drafts(1)
        assert isinstance(change_meanwhile(clients, row, change), refusal)
        assert clients.held() == 0
        assert clients.used("TOTAL") == 0
        clients.assert_books_agree()


@pytest.mark.postgres
def test_r10_4a_a_site_is_not_stopped_in_the_middle_of_a_choice(
    fresh_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever stops it waits until the seat is taken."""
    refused: list[str] = []
    with crowd(fresh_database, 2, sites=1) as clients:
        (row,) = clients.drafts(1)

        def stop_now(session: KaowuSession) -> None:
            session.execute(text("SET LOCAL lock_timeout = '50ms'"))
            stop(session, clients.tree)

        def held(
            session: Session, number: int | None, choices: Choices
        ) -> tuple[HeldValues, Site, Offer]:
            found = hold_at_site(session, number, choices)
            with (
                pytest.raises(OperationalError) as error,
                unit_of_work(clients.factory(1), system("test")) as other,
            ):
                stop_now(other)
            refused.append(str(error.value))
            return found

        monkeypatch.setattr(subjects, "hold_at_site", held)
        clients.as_owner(0, row, lambda session: choose(session, clients.tree, row, ["14"]))
        assert clients.used("TOTAL") == 1
    assert len(refused) == 1
    assert "lock timeout" in refused[0]
