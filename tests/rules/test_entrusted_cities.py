"""§5 “V/E cfg”: a province lets its cities set what their sites may set, on behalf of them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from sqlalchemy import select

from app.database.policy import become
from app.database.session import KaowuSession
from app.metadata import registry
from app.metadata.actor import Actor, system
from app.metadata.declarations import Resource
from app.metadata.errors import InvalidInput, NotFound
from app.metadata.vocabulary import Level, Verb, Window
from app.models.account import Passport
from app.models.audit import AuditEntry
from app.models.default_settings import DefaultSettings
from app.models.exam import Exam
from app.models.settings import SiteSettings
from app.rules import actors, crud, effects, general_settings, grids, operations, permissions
from app.rules.capacity_grid import CAPACITY
from app.rules.default_settings import own_row
from app.rules.effects import Unconfirmed
from app.rules.exam_copying import copy_defaults
from app.rules.operations import Chosen
from app.rules.policy import NoVerb, WindowClosed
from app.rules.subject_setting import SITE_ADD
from app.runtime import load_declarations
from tests import factories
from tests.factories import Tree

load_declarations()
GENERAL: Resource = registry.find("site_settings", Resource)  # type: ignore[assignment]
DEFAULTS: Resource = registry.find("default_settings", Resource)  # type: ignore[assignment]
DAY = dt.timedelta(days=1)


@pytest.fixture
def tree(session: KaowuSession) -> Tree:
    return factories.make_tree(session)


@pytest.fixture
def owner(session: KaowuSession, tree: Tree) -> Passport:
    """An administrator of the city."""
    return factories.bind_administrator(session, tree, Level.CITY)[0]


def decide(session: KaowuSession, tree: Tree, level: Level, entrusted: bool) -> DefaultSettings:
    become(session, tree.actor(level))
    row = session.scalars(
        select(DefaultSettings).where(
            DefaultSettings.organisation_id == tree.organisation(level).id
        )
    ).first()
    values = {"cities_entrusted": "1" if entrusted else "0"}
    made: DefaultSettings = (
        crud.create(session, DEFAULTS, values)
        if row is None
        else crud.update(session, DEFAULTS, row.id, values)
    )
    return made


def city(session: KaowuSession, tree: Tree, owner: Passport) -> Actor:
    """The city's administrator as his next request knows him; the session is his."""
    become(session, system("log-in"))
    actor = actors.load_administrator(session, owner.id, session.get_one(Exam, tree.exam.id))
    become(session, actor)
    return actor


def change(session: KaowuSession, tree: Tree, number: int = 0, **values: str) -> Any:
    site = tree.sites[number].id
    row_id = session.scalar(select(SiteSettings.id).where(SiteSettings.site_id == site))
    return crud.update(session, GENERAL, row_id or 0, values)


def test_section_5_the_verbs_that_cities_can_be_entrusted_with() -> None:
    """Exactly the row “Site settings, subjects, capacity, quotas, 网报时间, 考点通告, 班级”."""
    found = {
        page.name: set(page.entrusted) for page in registry.all_declarations() if page.entrusted
    }
    pages = ("site_settings", "online_time", "site_notice", "class_option", "capacity")
    assert found == {
        **{name: {Verb.EDIT} for name in (*pages, "preference")},
        "site_subject": {Verb.ADD, Verb.DELETE},
        **{
            name: {Verb.RUN}
            for name in ("site_subject_add", "site_subject_copy", "online_time_set")
        },
    }


def test_section_5_a_city_looks_until_its_province_entrusts_it(
    session: KaowuSession, tree: Tree, owner: Passport
) -> None:
    city(session, tree, owner)
    with pytest.raises(NoVerb):
        change(session, tree, max_subjects="1")
    decide(session, tree, Level.PROVINCE, True)
    city(session, tree, owner)
    assert change(session, tree, max_subjects="1").max_subjects == 1
    entry = session.scalars(
        select(AuditEntry)
        .where(AuditEntry.object_type == "SiteSettings", AuditEntry.site_id == tree.site.id)
        .order_by(AuditEntry.id.desc())
    ).first()
    assert entry is not None
    assert (entry.organisation_code, entry.on_behalf_of) == ("9907", "990701")
    decide(session, tree, Level.PROVINCE, False)
    city(session, tree, owner)
    with pytest.raises(NoVerb):
        change(session, tree, max_subjects="2")


def test_section_5_an_entrusted_city_stays_in_its_bounds(
    session: KaowuSession, tree: Tree, owner: Passport
) -> None:
    """Its own sites, what the site itself could set, and its own W1 (P4)."""
    factories.add_site(session, tree, "998801", under_city=False)
    decide(session, tree, Level.PROVINCE, True)
    city(session, tree, owner)
    with pytest.raises(NotFound):
        change(session, tree, 2, max_subjects="1")
    with pytest.raises(InvalidInput, match="您不能填写它"):
        change(session, tree, preference_allowed="1")
    row = change(session, tree, max_subjects="2")
    with pytest.raises(NoVerb):
        operations.run(session, general_settings.SUSPEND, Chosen(ids=(row.id,)), {"_reason": "雨"})
    factories.set_window(session, tree.city, Window.SETUP, tree.now + DAY, tree.now + 2 * DAY)
    with pytest.raises(WindowClosed):
        change(session, tree, max_subjects="1")


def test_section_5_grids_and_operations_go_along(
    session: KaowuSession, tree: Tree, owner: Passport
) -> None:
    decide(session, tree, Level.PROVINCE, True)
    city(session, tree, owner)
    sent = {tree.site.code: {"S:14": "77"}}
    assert grids.save(session, CAPACITY, sent, {tree.site.code: {"S:14": "500"}}) == 1
    report = operations.run(
        session, SITE_ADD, Chosen(), {"_site": tree.site.code, "subjects": ["35"]}
    )
    assert report.done == 1
    grid_entry = session.scalars(
        select(AuditEntry).where(AuditEntry.object_type == "CapacityPool").order_by(AuditEntry.id)
    ).all()[-1]
    assert grid_entry.on_behalf_of == tree.site.code


def test_section_5_the_centre_decides_where_the_province_has_not(
    session: KaowuSession, tree: Tree, owner: Passport
) -> None:
    decide(session, tree, Level.CENTER, True)
    assert "entrusted_city" in city(session, tree, owner).roles
    decide(session, tree, Level.PROVINCE, False)
    assert "entrusted_city" not in city(session, tree, owner).roles


def told(change: Callable[[str], object]) -> list[str]:
    """The sentences of a change that nobody has confirmed; none where it was made."""
    try:
        change("")
    except Unconfirmed as asked:
        return asked.effects
    return []


@pytest.mark.parametrize("trusting", [True, False])
def test_section_5_who_gives_or_takes_the_trust_reads_it_before(
    session: KaowuSession, tree: Tree, owner: Passport, trusting: bool
) -> None:
    def make(confirmed: str, **values: str) -> object:
        return crud.create(session, DEFAULTS, values, confirmed=confirmed)

    def turn(confirmed: str, row: DefaultSettings, to: bool) -> object:
        values = {"cities_entrusted": str(int(to))}
        return crud.update(session, DEFAULTS, row.id, values, confirmed=confirmed)

    words = ("不能再代所辖考点", "将可以代所辖考点")
    centres = decide(session, tree, Level.CENTER, trusting)
    become(session, tree.actor(Level.PROVINCE))
    made = told(partial(make, cities_entrusted=str(int(trusting)), max_subjects="1"))
    assert made == []  # as it was
    assert ("entrusted_city" in city(session, tree, owner).roles) is trusting
    become(session, tree.actor(Level.CENTER))
    assert told(lambda confirmed: turn(confirmed, centres, not trusting)) == []  # nobody is served
    become(session, tree.actor(Level.PROVINCE))
    row = own_row(session, tree.actor(Level.PROVINCE))
    assert row is not None

    def delete(confirmed: str) -> None:
        crud.remove(session, DEFAULTS, row.id, confirmed=confirmed)

    (sentence,) = told(delete)
    assert "本省 1 个地市" in sentence
    assert words[not trusting] in sentence
    (sentence,) = told(lambda confirmed: turn(confirmed, row, not trusting))
    assert words[not trusting] in sentence
    session.expire_all()
    delete(effects.ALL)
    (sentence,) = told(partial(make, cities_entrusted=str(int(trusting))))
    assert words[trusting] in sentence
    become(session, tree.actor(Level.CENTER))
    (sentence,) = told(lambda confirmed: turn(confirmed, centres, trusting))
    assert "未设置默认值的各省共 1 个地市" in sentence
    assert words[trusting] in sentence


def test_section_5_the_living_matrix_holds_for_the_role(
    session: KaowuSession, tree: Tree, owner: Passport
) -> None:
    """Superusers may take a page out of what cities can be entrusted with."""
    become(session, system("permissions sync"))
    permissions.sync(session)
    decide(session, tree, Level.PROVINCE, True)
    city(session, tree, owner)
    assert change(session, tree, max_subjects="1").max_subjects == 1
    become(session, tree.actor(Level.CENTER, roles=frozenset({"center", "super"})))
    role = "entrusted_city"
    wanted = permissions.grants_of(session, role) - {("site_settings", Verb.EDIT)}
    permissions.save(session, role, wanted, permissions.token_of(session, role))
    city(session, tree, owner)
    with pytest.raises(NoVerb):
        change(session, tree, max_subjects="2")


def test_r0_6b_the_trust_goes_along_to_the_next_session(session: KaowuSession, tree: Tree) -> None:
    decide(session, tree, Level.PROVINCE, True)
    later = factories.make_tree(session, number=59, state="preparing")
    ids = {tree.province.id: later.province.id}
    become(session, system("copy"))
    with factories.seeding(session):
        copy_defaults(session, tree.exam.id, later.exam.id, ids)
    row = session.scalars(
        select(DefaultSettings).where(DefaultSettings.exam_id == later.exam.id)
    ).one()
    assert row.cities_entrusted
