"""A lost second factor and extra roles: what a superior does on a row of 《用户与机构管理》."""

from __future__ import annotations

import re

import pytest
from sqlalchemy import select

from app.database.unit_of_work import unit_of_work
from app.metadata.actor import system
from app.metadata.vocabulary import Level
from app.models.account import AdminBinding, Passport
from app.rules import permissions
from tests.contract.world import World
from tests.factories import bind_administrator, seeding
from tests.views.conftest import SUPER, log_of

SITE, SIBLING = (Level.SITE, 0), (Level.SITE, 1)


@pytest.fixture
def colleague(office: World) -> AdminBinding:
    """A second administrator of the first site, with a second factor."""
    with unit_of_work(office.runtime.factory, system("seed")) as session:
        owner, _ = bind_administrator(
            session, office.tree, Level.SITE, name="同事", totp_confirmed=True
        )
        row = session.scalars(
            select(AdminBinding).where(AdminBinding.passport_id == owner.id)
        ).one()
    return row


def passport_of(office: World, binding: AdminBinding) -> Passport:
    with office.looking() as session:
        row = session.scalars(select(Passport).where(Passport.id == binding.passport_id)).one()
        session.expunge(row)
    return row


def test_a_lost_second_factor_is_removed_by_a_colleague_and_logged(
    office: World, colleague: AdminBinding
) -> None:
    before = passport_of(office, colleague)
    path = f"/user-access/second-factor/{colleague.id}"
    browser = office.browser(*SITE)
    assert "移除动态口令" in browser.get("/user-organisation/").get_data(as_text=True)
    assert "同事" in browser.get(path).get_data(as_text=True)
    assert browser.post(path, {}).status_code == 302
    after = passport_of(office, colleague)
    assert not after.totp_confirmed
    assert after.session_version == before.session_version + 1
    assert log_of(office, "account.second_factor.reset")[-1].object_title == "同事"
    assert browser.post(path, {}).status_code == 422


def test_nobody_removes_his_own_second_factor(office: World) -> None:
    with office.looking() as session:
        own = session.scalars(
            select(AdminBinding).where(AdminBinding.passport_id == office.people[SITE].id)
        ).one()
    answer = office.browser(*SITE).post(f"/user-access/second-factor/{own.id}", {})
    assert "不能移除自己的动态口令" in answer.get_data(as_text=True)


def test_p2_a_sibling_does_not_find_the_user(office: World, colleague: AdminBinding) -> None:
    browser = office.browser(*SIBLING)
    for page in ("second-factor", "roles"):
        assert browser.get(f"/user-access/{page}/{colleague.id}").status_code == 404
        assert browser.post(f"/user-access/{page}/{colleague.id}", {}).status_code == 404
    assert passport_of(office, colleague).totp_confirmed


def test_a_superuser_gives_a_role_of_the_level_and_no_other(
    office: World, colleague: AdminBinding
) -> None:
    with unit_of_work(office.runtime.factory, system("seed")) as session, seeding(session):
        permissions.create_role(session, "site_reader", "考点查询员", "site")
        permissions.create_role(session, "city_reader", "地市查询员", "city")
    path = f"/user-access/roles/{colleague.id}"
    browser = office.browser(*SUPER)
    shown = browser.get(path).get_data(as_text=True)
    assert "考点查询员" in shown
    assert "地市查询员" not in shown
    assert browser.post(path, {"roles": ["city_reader"]}).status_code == 422
    assert browser.post(path, {"roles": ["site_reader"]}).status_code == 302
    assert re.search(r'value="site_reader"[^>]*checked', browser.get(path).get_data(as_text=True))
    with office.looking() as session:
        stored = session.scalar(
            select(AdminBinding.extra_roles).where(AdminBinding.id == colleague.id)
        )
    assert stored == ["site_reader"]


def test_only_who_edits_the_matrix_gives_roles(office: World, colleague: AdminBinding) -> None:
    browser = office.browser(Level.PROVINCE)
    assert "附加角色" not in browser.get("/user-organisation/").get_data(as_text=True)
    with unit_of_work(office.runtime.factory, system("seed")) as session, seeding(session):
        permissions.create_role(session, "site_helper", "考点协助员", "site")
    answer = browser.post(f"/user-access/roles/{colleague.id}", {"roles": ["site_helper"]})
    assert answer.status_code == 403
    with office.looking() as session:
        stored = session.scalar(
            select(AdminBinding.extra_roles).where(AdminBinding.id == colleague.id)
        )
    assert stored == []
