"""学籍自动载入 (R19.3a): what is never filled in, and how often a person may be asked for."""

from __future__ import annotations

import pytest

from app.database.policy import become
from app.database.session import KaowuSession
from app.models.settings import ClassOption
from app.rules.roster import attempts
from app.rules.roster.attempts import Asking, TooManyNames, Typed
from app.rules.roster.autoload import autoload
from app.rules.site import load_site
from tests import factories
from tests.factories import id_number
from tests.rules.roster.roster_world import add_record, set_policy


def test_r19_3a_contacts_stay_out(session: KaowuSession) -> None:
    tree = factories.make_tree(session)
    set_policy(session, tree, tree.site)
    record = add_record(session, tree, mobile="13812345678", email="a@example.com")
    typed = Typed(record.name, record.id_type, record.id_number)

    def loaded() -> set[str]:
        become(session, tree.candidate(factories.make_passport(session)))
        counted = attempts.count(session, typed, Asking.AUTOLOAD)
        site = load_site(session, tree.site.id)
        return set(autoload(session, site, typed, counted=counted) or ())

    first = loaded()
    assert {"department", "class_name"} <= first
    assert not {"mobile", "email"} & first
    path = tree.path(tree.site)
    factories.plant(session, ClassOption(**path, name="会计一班", position=1))
    assert loaded() == first - {"class_name"}  # R18.2: not one of the site's classes


def test_r19_3a_a_passport_tries_few_names_for_a_person(session: KaowuSession) -> None:
    """However they are written and whatever is asked; other people and other passports are apart,
    and what was given back was not tried."""
    tree = factories.make_tree(session)
    number, other = id_number(), id_number()
    become(session, tree.candidate(factories.make_passport(session)))

    def ask(name: str, number: str = number, asking: Asking = Asking.ADMISSION) -> attempts.Counted:
        return attempts.count(session, Typed(name, "1", number), asking)

    twice, again = ask("陈利"), ask("陈利")
    attempts.give_back(session, twice)
    attempts.give_back(session, again)
    for name in ("陈莉", " 陈 莉 ", "陈丽", "陈黎", "陈丽"):
        ask(name, asking=Asking.AUTOLOAD)
    with pytest.raises(TooManyNames):
        ask("陈立")
    ask("陈莉")
    ask("陈立", other)
    become(session, tree.candidate(factories.make_passport(session)))
    ask("陈立")


def test_r19_3a_a_name_that_was_looked_for_stays_counted(session: KaowuSession) -> None:
    """Though another request with the same name came first, and was mistyped."""
    tree = factories.make_tree(session)
    become(session, tree.candidate(factories.make_passport(session)))
    number = id_number()
    for name in ("陈利", "陈莉", "陈黎"):
        mistyped = attempts.count(session, Typed(name, "1", number))
        attempts.count(session, Typed(name, "1", number)).looked = True
        attempts.give_back(session, mistyped)
    with pytest.raises(TooManyNames):
        attempts.count(session, Typed("陈丽", "1", number))
