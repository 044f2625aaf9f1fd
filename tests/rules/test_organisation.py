"""机构管理 (chapter 7): tree, enabling, review, who may change what."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from app.database.policy import ColumnDenied, become
from app.database.session import KaowuSession
from app.metadata.declarations import Resource
from app.metadata.errors import Duplicate, InUse, InvalidInput, NotFound
from app.metadata.registry import find
from app.metadata.vocabulary import ExamState, Level
from app.models.audit import AuditEntry
from app.models.exam import Exam, OperationWindow
from app.models.organisation import Organisation
from app.models.roster import RosterAllowedSite, RosterPolicy
from app.models.settings import SiteSettings
from app.rules import crud, organisation
from app.rules.policy import HistoricExam, NoVerb, PreparingExam
from tests import factories
from tests.factories import Tree

RESOURCE: Resource = find("organisation", Resource)  # type: ignore[assignment]


@pytest.fixture
def tree(session: KaowuSession) -> Tree:
    return factories.make_tree(session)


def add(session: KaowuSession, parent: Organisation, code: str) -> Organisation:
    values = {"code": code, "name": f"机构{code}"}
    row: Organisation = crud.create(session, RESOURCE, values, preset={"parent_id": parent.id})
    return row


def test_r7_1_a_site_edits_its_own_organisation_and_no_other(
    session: KaowuSession, tree: Tree
) -> None:
    become(session, tree.actor())
    row = crud.update(session, RESOURCE, tree.site.id, {"address": "测试路 1 号"})
    assert row.address == "测试路 1 号"
    with pytest.raises(NotFound):
        crud.update(session, RESOURCE, tree.sites[1].id, {"address": "x"})


def test_r7_3_reviewed_information_is_immutable_until_the_superior_opens_it(
    session: KaowuSession, tree: Tree
) -> None:
    become(session, tree.actor(Level.CITY))
    crud.update(session, RESOURCE, tree.site.id, {"reviewed": "reviewed"})
    become(session, tree.actor())
    with pytest.raises(organisation.ReviewedInformation, match="已审核"):
        crud.update(session, RESOURCE, tree.site.id, {"address": "新地址"})
    session.expire_all()
    become(session, tree.actor(Level.CITY))
    crud.update(session, RESOURCE, tree.site.id, {"reviewed": "open"})
    become(session, tree.actor())
    assert crud.update(session, RESOURCE, tree.site.id, {"address": "新地址"}).address == "新地址"


def test_r7_4_siblings_and_superiors_are_not_found(session: KaowuSession, tree: Tree) -> None:
    become(session, tree.actor())
    assert organisation.by_id(session, tree.site.id).code == tree.site.code
    for foreign in (tree.sites[1], tree.city, tree.province, tree.center):
        with pytest.raises(NotFound):
            organisation.by_id(session, foreign.id)
    become(session, tree.actor(Level.CITY))
    assert [organisation.by_id(session, row.id).id for row in tree.sites] == [
        row.id for row in tree.sites
    ]


@pytest.mark.parametrize("column", ["enabled", "reviewed"])
def test_r7_6_nobody_disables_or_reviews_himself(
    session: KaowuSession, tree: Tree, column: str
) -> None:
    value = {"enabled": "0", "reviewed": "reviewed"}[column]
    become(session, tree.actor(Level.CITY))
    with pytest.raises(organisation.OwnOrganisation):
        crud.update(session, RESOURCE, tree.city.id, {column: value})


def test_r7_6_a_site_cannot_even_name_the_columns_of_its_superior(
    session: KaowuSession, tree: Tree
) -> None:
    become(session, tree.actor())
    with pytest.raises((InvalidInput, ColumnDenied)):
        crud.update(session, RESOURCE, tree.site.id, {"enabled": "0"})


def test_r7_the_superior_adds_organisations_by_code_and_derives_their_place(
    session: KaowuSession, tree: Tree
) -> None:
    become(session, tree.actor(Level.PROVINCE))
    city = add(session, tree.province, "9909")
    site = add(session, city, "990901")
    assert (city.level, city.province_id, city.city_id) == ("city", tree.province.id, city.id)
    assert (site.province_id, site.city_id, site.site_id) == (tree.province.id, city.id, site.id)
    settings = session.scalars(select(SiteSettings).where(SiteSettings.site_id == site.id)).one()
    assert (settings.open, settings.max_subjects) == (False, 3)


@pytest.mark.parametrize("code", ["99", "110901", "12345", "ab0901", "9"])
def test_r7_a_code_that_does_not_fit_below_its_parent_is_refused(
    session: KaowuSession, tree: Tree, code: str
) -> None:
    become(session, tree.actor(Level.PROVINCE))
    with pytest.raises(InvalidInput, match="机构代码"):
        add(session, tree.province, code)


def test_r7_a_code_exists_once_per_session(session: KaowuSession, tree: Tree) -> None:
    become(session, tree.actor(Level.PROVINCE))
    with pytest.raises(Duplicate):
        add(session, tree.city, tree.site.code)


def test_r7_a_site_has_no_subordinates(session: KaowuSession, tree: Tree) -> None:
    become(session, tree.actor())
    with pytest.raises(NoVerb):
        add(session, tree.site, "990799")


def test_r7_only_organisations_without_data_are_deleted(session: KaowuSession, tree: Tree) -> None:
    become(session, tree.actor(Level.PROVINCE))
    empty = add(session, tree.province, "9988")
    crud.remove(session, RESOURCE, empty.id)
    assert session.get(Organisation, empty.id) is None
    with pytest.raises(InUse):
        crud.remove(session, RESOURCE, tree.site.id)
    assert session.scalar(select(SiteSettings).where(SiteSettings.site_id == tree.site.id))
    with pytest.raises(organisation.OwnOrganisation):
        crud.remove(session, RESOURCE, tree.province.id)


def test_r7_a_site_without_data_is_deleted_with_its_settings_and_windows(
    session: KaowuSession, tree: Tree
) -> None:
    become(session, tree.actor(Level.PROVINCE))
    site = add(session, tree.city, "990788")
    with factories.seeding(session):
        session.add(OperationWindow(**tree.path(site), organisation_id=site.id))
    become(session, tree.actor(Level.PROVINCE))
    crud.remove(session, RESOURCE, site.id)
    assert session.get(Organisation, site.id) is None
    for model in (SiteSettings, RosterPolicy, RosterAllowedSite, OperationWindow):
        assert session.scalars(select(model).where(model.site_id == site.id)).all() == []


@pytest.mark.parametrize(
    ("state", "refusal"),
    [(ExamState.HISTORY, HistoricExam), (ExamState.PREPARING, PreparingExam)],
)
def test_r0_4_rows_of_other_sessions_are_read_only_for_a_site(
    session: KaowuSession, tree: Tree, state: ExamState, refusal: type[Exception]
) -> None:
    with factories.seeding(session):
        session.get_one(Exam, tree.exam.id).state = state.value
    session.info.pop("kaowu_exam_states", None)
    become(session, tree.actor())
    with pytest.raises(refusal):
        crud.update(session, RESOURCE, tree.site.id, {"address": "x"})


def test_4_7_every_change_is_in_the_log_with_old_and_new(session: KaowuSession, tree: Tree) -> None:
    become(session, tree.actor())
    crud.update(session, RESOURCE, tree.site.id, {"postcode": "100000"})
    entry = session.scalars(
        select(AuditEntry)
        .where(AuditEntry.object_id == tree.site.id)
        .order_by(AuditEntry.id.desc())
    ).first()
    assert entry is not None
    assert entry.action == "organisation.organisation.edit"
    assert entry.changes["postcode"] == {"label": "邮编", "old": None, "new": "100000"}


def test_r7_the_form_counts_its_empty_fields(session: KaowuSession, tree: Tree) -> None:
    row = Organisation(code="990701", name="考点", address="路", enabled=True, reviewed="open")
    before = organisation.empty_fields(row)
    row.contact = "张三"
    assert organisation.empty_fields(row) == before - 1
