"""报名前检查 (R6.4, chapters 9-19): what is missing, what contradicts itself, who mends it."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from sqlalchemy import event, select

from app.database.policy import become
from app.database.session import KaowuSession
from app.metadata.declarations import Resource
from app.metadata.errors import NotFound
from app.metadata.registry import find
from app.metadata.vocabulary import Level, Window
from app.models.organisation import Organisation
from app.models.roster import RosterPolicy
from app.models.settings import Notice, ProvinceSubject, SiteSubject
from app.rules import crud, general_settings, operations
from app.rules.checklist import declaration as checklist
from app.rules.checklist.findings import Weight
from app.rules.default_settings import APPLY_DEFAULTS
from app.rules.general_settings import PREFERENCE, RESUME, SUSPEND
from app.rules.grids import Choice
from app.rules.operations import REASON, Chosen
from app.runtime import load_declarations
from tests import factories
from tests.factories import EXAM_DAYS, Tree, add_site, seeding, set_capacity, set_settings
from tests.rules.roster.roster_world import set_policy

load_declarations()
GENERAL: Resource = find("site_settings", Resource)  # type: ignore[assignment]
DEFAULTS: Resource = find("default_settings", Resource)  # type: ignore[assignment]


@pytest.fixture
def tree(session: KaowuSession) -> Tree:
    return factories.make_tree(session)


def found(
    session: KaowuSession, tree: Tree, site: Organisation | None = None
) -> dict[str, list[tuple[str, str]]]:
    """{page: [(sentence, weight)]} of a site, without the notices, which may be empty."""
    become(session, tree.actor(Level.PROVINCE))
    _, items = checklist.of_site(session, (site or tree.site).code)
    return {
        item.page: [(str(one.text), one.weight.value) for one in item.findings]
        for item in items
        if item.findings and not item.page.endswith("_notice")
    }


def save_general(session: KaowuSession, site: Organisation, **values: str) -> None:
    """Save 综合设置 of a site as the actor of the session."""
    row = general_settings.site_settings_of(session, site)
    crud.update(session, GENERAL, row.id, values)


def test_a_complete_site_has_nothing_to_mend(session: KaowuSession, tree: Tree) -> None:
    site = add_site(session, tree, "990771", total=1000, capacity=500)
    assert found(session, tree, site) == {}


def test_r0_2_unset_windows_are_named_and_mended_by_the_superior(
    session: KaowuSession, tree: Tree
) -> None:
    factories.set_window(session, tree.site, Window.ONLINE, None)
    lines = found(session, tree)
    assert lines["operation_window"] == [("“考生网上报名时间”未设置，由上级设置", "must")]
    become(session, tree.actor())
    _, items = checklist.of_site(session, tree.site.code)
    assert items[0].findings[0].mended_by is Level.PROVINCE


def test_r0_2_w2_is_needed_where_the_roster_is_used(session: KaowuSession, tree: Tree) -> None:
    factories.set_window(session, tree.site, Window.ELIGIBILITY, None)
    assert "operation_window" not in found(session, tree)
    set_policy(session, tree, tree.site)
    lines = found(session, tree)
    assert lines["operation_window"] == [("“报名资格管理时间”未设置，由上级设置", "must")]


def test_r31_3_an_empty_address_is_told_early(session: KaowuSession, tree: Tree) -> None:
    with seeding(session):
        session.get_one(Organisation, tree.site.id).address = None
    assert found(session, tree)["user_organisation"][0][1] == "should"


def test_r10_4_closed_or_without_a_way_to_register(session: KaowuSession, tree: Tree) -> None:
    set_settings(session, tree.site, online_enabled=False)
    lines = found(session, tree)
    assert [weight for _, weight in lines["site_settings"]] == ["must"]
    assert "没有人能报名，请至少开启一项" in lines["site_settings"][0][0]
    # the other way to register is not called ready meanwhile
    assert lines["online_time"][0] == (
        "个人网报未开启；如由考生自己报名，请开启并设置报名时间",
        "should",
    )
    set_settings(session, tree.site, collective_registration=True)
    assert not {"site_settings", "online_time"} & found(session, tree).keys()


def test_r10_4_r13_2_of_a_site_that_does_not_open_nothing_else_is_asked(
    session: KaowuSession, tree: Tree
) -> None:
    site = add_site(session, tree, "990771", total=0, person_fee=None, subject_fee=None, open=False)
    assert set(found(session, tree, site)) == {"site_settings", "fee", "capacity"}
    assert found(session, tree, site)["site_settings"][0][1] == "must"  # nobody has decided yet
    become(session, tree.actor(number=2))
    save_general(session, site, open="0")
    ((text, weight),) = found(session, tree, site)["site_settings"]
    assert (text[:5], weight) == ("考点不开考", "should")
    assert set(found(session, tree, site)) == {"site_settings"}
    lists = checklist.of_sites(session)
    own = {item.page: item for item in checklist.of_province(session, (one for _, one in lists))}
    assert own["fee"].findings == ()
    set_settings(session, site, suspension_reason="停电")
    assert "由省恢复开考" in found(session, tree, site)["site_settings"][0][0]


def test_r10_4_r13_2_only_who_sees_the_switch_decides_whether_a_site_opens(
    session: KaowuSession, tree: Tree
) -> None:
    site = add_site(session, tree, "990771", total=0, open=False, online_enabled=False)
    become(session, tree.actor(Level.PROVINCE))
    crud.create(session, DEFAULTS, {"max_subjects": "2", "open": "0"})
    row = general_settings.site_settings_of(session, site)
    for operation, values in ((PREFERENCE, {"allowed": "1"}), (APPLY_DEFAULTS, {})):
        operations.run(session, operation, Chosen(ids=(row.id,)), values)
    save_general(session, site, class_required="1")  # as a program may send it
    assert (row.version, row.max_subjects) == (4, 2)
    assert row.is_undecided
    assert found(session, tree, site)["site_settings"][0][1] == "must"
    assert "capacity" in found(session, tree, site)


def test_r10_4a_a_site_once_open_that_was_stopped_or_closed_is_decided(
    session: KaowuSession, tree: Tree
) -> None:
    row = general_settings.site_settings_of(session, tree.site)
    set_settings(session, tree.site, opening_decided=False)  # open by the defaults alone
    become(session, tree.actor(Level.PROVINCE))
    operations.run(session, SUSPEND, Chosen(ids=(row.id,)), {REASON: "停电"})
    assert found(session, tree)["site_settings"][0][0].startswith("考点已停考")
    assert set(found(session, tree)) == {"site_settings"}
    operations.run(session, RESUME, Chosen(ids=(row.id,)), {REASON: "来电"})
    crud.create(session, DEFAULTS, {"open": "0"})
    operations.run(session, APPLY_DEFAULTS, Chosen(ids=(row.id,)), {})
    assert set(found(session, tree)) == {"site_settings"}
    assert not row.is_undecided


def test_r13_3_a_subject_may_have_no_seats(session: KaowuSession, tree: Tree) -> None:
    site = add_site(session, tree, "990771", subject_fee=None, total=500)
    for code in ("24", "26"):
        set_capacity(session, site, f"S:{code}", 0)
    lines = found(session, tree, site)
    assert lines["capacity"] == [("科目24、26：容量未设置或为 0，视为不开考", "should")]
    assert lines["fee"] == [("科目14：费用未设置，由省设置", "must")]
    set_capacity(session, site, "S:14", 0)
    assert found(session, tree, site)["capacity"][0][1] == "must"


def test_r11_2_r11_3_subjects_against_what_the_province_offers_now(
    session: KaowuSession, tree: Tree
) -> None:
    with seeding(session):
        offered = {
            row.subject_code: row
            for row in session.scalars(select(ProvinceSubject))
            if row.subject_code in ("14", "24")
        }
        session.delete(offered["14"])
        offered["24"].last_day = EXAM_DAYS[0]
        own = select(SiteSubject).where(
            SiteSubject.site_id == tree.site.id, SiteSubject.subject_code == "26"
        )
        row = session.scalars(own).one()
        row.first_day = row.last_day = EXAM_DAYS[-1] + dt.timedelta(days=1)
    sentences = [text for text, _ in found(session, tree)["site_subject"]]
    assert sentences == [
        "科目14：省已不开考",
        "科目24、26：考试时间超出省设置的范围",
        "科目26：考试时间内没有考试日",
    ]


@pytest.mark.parametrize("number", [0, -1])
def test_r11_3_a_subject_of_one_exam_day_is_not_idle(
    session: KaowuSession, tree: Tree, number: int
) -> None:
    day = EXAM_DAYS[number]
    with seeding(session):
        theirs = select(ProvinceSubject).where(ProvinceSubject.subject_code == "24")
        own = select(SiteSubject).where(SiteSubject.subject_code == "24")
        for row in (*session.scalars(theirs), *session.scalars(own)):
            row.first_day = row.last_day = day
    assert "site_subject" not in found(session, tree)
    lines = {item.page: item.findings for item in checklist.of_province(session, ())}
    assert lines["province_subject"] == ()


def test_r12_2_unset_fees_are_the_provinces(session: KaowuSession, tree: Tree) -> None:
    site = add_site(session, tree, "990771", person_fee=None, subject_fee=None)
    assert found(session, tree, site)["fee"] == [
        ("人次费未设置，由省设置", "must"),
        ("科目14、24、26：费用未设置，由省设置", "must"),
    ]


def test_r13_capacity_without_subject_and_subject_without_capacity(
    session: KaowuSession, tree: Tree
) -> None:
    site = add_site(session, tree, "990771", total=0)
    set_capacity(session, site, "S:24", 0)
    with seeding(session):
        own = select(SiteSubject).where(
            SiteSubject.site_id == site.id, SiteSubject.subject_code == "14"
        )
        session.delete(session.scalars(own).one())
    assert found(session, tree, site)["capacity"] == [
        ("总科次数未设置，考生不能报考", "must"),
        ("科目24：容量未设置或为 0，视为不开考", "should"),
        ("科目14：设置了容量，但没有开考", "should"),
    ]


@pytest.mark.parametrize(
    ("total", "capacity", "told"), [(1501, 500, True), (1500, 500, False), (99_999, 500, False)]
)
def test_r13_7_a_total_that_cannot_be_used(
    session: KaowuSession, tree: Tree, total: int, capacity: int, told: bool
) -> None:
    site = add_site(session, tree, "990771", total=total, capacity=capacity)
    assert ("capacity" in found(session, tree, site)) is told


def test_r14_days_without_a_quota(session: KaowuSession, tree: Tree) -> None:
    site = add_site(session, tree, "990771", day_quota=40)
    assert "preference" not in found(session, tree, site)
    set_capacity(session, site, f"D:{EXAM_DAYS[0].isoformat()}", 0)
    assert EXAM_DAYS[0].isoformat() in found(session, tree, site)["preference"][0][0]


def test_r15_online_time_against_w4(session: KaowuSession, tree: Tree) -> None:
    day = dt.timedelta(days=1)
    factories.set_window(session, tree.site, Window.ONLINE, tree.now, tree.now + day)
    assert found(session, tree)["online_time"][0][1] == "should"
    later = tree.now + 25 * day
    factories.set_window(session, tree.site, Window.ONLINE, later, later + day)
    assert found(session, tree)["online_time"][0][1] == "must"
    set_settings(session, tree.site, online_start=None, online_end=None)
    assert found(session, tree)["online_time"] == [("开启了个人网报，但没有设置报名时间", "must")]


def test_r19_4_a_site_for_its_own_students_alone_without_any(
    session: KaowuSession, tree: Tree
) -> None:
    with seeding(session):
        values = {"roster_enabled": True, "own_site_only": True}
        row = session.scalars(
            select(RosterPolicy).where(RosterPolicy.site_id == tree.site.id)
        ).one_or_none()
        if row is None:
            session.add(RosterPolicy(**tree.path(tree.site), **values))
        else:
            row.roster_enabled = row.own_site_only = True
    assert "学籍库为空，没有人能报名" in found(session, tree)["student_record"][0][0]


def test_r16_r17_notices_may_be_empty_and_are_asked_about(
    session: KaowuSession, tree: Tree
) -> None:
    with seeding(session):
        session.add(
            Notice(
                exam_id=tree.exam.id,
                province_id=tree.province.id,
                organisation_id=tree.province.id,
                html="<p>省通告</p>",
            )
        )
    become(session, tree.actor())
    _, items = checklist.of_site(session, tree.site.code)
    weights = {item.page: item.weight for item in items if item.page.endswith("_notice")}
    assert weights == {"province_notice": None, "site_notice": Weight.SHOULD}
    (own,) = (item for item in items if item.page == "site_notice")
    assert "如有事项要告知本考点考生，请填写" in str(own.findings[0].text)


def test_the_provinces_own_list(session: KaowuSession, tree: Tree) -> None:
    add_site(session, tree, "990771", subject_fee=None)
    factories.set_window(session, tree.province, Window.SETUP, None)
    become(session, tree.actor(Level.PROVINCE))
    lists = checklist.of_sites(session)
    own = {
        item.page: [str(one.text) for one in item.findings]
        for item in checklist.of_province(session, (items for _, items in lists))
    }
    assert own["operation_window"] == ["“报名前设置时间”未设置，由上级设置"]
    assert own["province_subject"] == []
    assert own["fee"] == ["1 个考点的费用没有设置完整"]
    assert [site.code for site, _ in lists] == ["990701", "990702", "990771"]


def test_r7_2_a_site_that_is_not_enabled_is_on_no_list(session: KaowuSession, tree: Tree) -> None:
    with seeding(session):
        session.get_one(Organisation, tree.sites[1].id).enabled = False
    become(session, tree.actor(Level.CENTER))
    assert [site.code for site, _ in checklist.of_sites(session)] == ["990701"]
    assert [(row.code, count) for row, count in checklist.provinces(session)] == [("99", 1)]


def test_r7_4_the_centre_reads_the_sites_of_the_chosen_province_alone(
    session: KaowuSession, tree: Tree
) -> None:
    elsewhere = factories.add_province(session, tree, "11")
    add_site(session, elsewhere, "119901")  # its code holds the 99 of the other province
    become(session, tree.actor(Level.CENTER))
    session.expunge_all()

    def codes(**asked: str) -> list[str]:
        return [site.code for site, _ in checklist.of_sites(session, Choice(**asked))]

    assert codes(organisation="99") == ["990701", "990702"]
    assert "119901" not in {getattr(row, "code", "") for row in session.identity_map.values()}
    assert codes(organisation="11") == codes(organisation="1107") == ["119901"]
    assert codes(words="99") == ["990701", "990702"]
    assert codes(organisation="11", words="9907") == []
    assert codes(words="考点1") == ["119901", "990701"]


def test_p2_a_site_of_somebody_else_is_not_found(session: KaowuSession, tree: Tree) -> None:
    become(session, tree.actor())
    with pytest.raises(NotFound):
        checklist.of_site(session, tree.sites[1].code)


def test_many_sites_cost_as_few_statements_as_one(session: KaowuSession, tree: Tree) -> None:
    counted = []
    for _ in range(2):
        statements: list[Any] = []

        def note(*arguments: Any) -> None:
            statements.append(arguments[2])  # noqa: B023 - used within this round only

        become(session, tree.actor(Level.PROVINCE))
        engine = session.get_bind()
        event.listen(engine, "before_cursor_execute", note)
        try:
            checklist.of_sites(session)
        finally:
            event.remove(engine, "before_cursor_execute", note)
        counted.append(len(statements))
        for _number in range(10):
            add_site(session, tree, f"9907{len(tree.sites) + 10}")
    assert counted[0] == counted[1] <= 10
