"""The audit log: what is written, what is final, who reads it, in which words."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, select, update

from app.database.policy import become
from app.database.session import KaowuSession
from app.metadata.actor import Actor, candidate, system
from app.metadata.query import ListQuery
from app.metadata.tasks import TASKS, task_label
from app.metadata.vocabulary import ADMINISTRATORS, Level, Verb
from app.models.audit import AuditEntry, AuditSeal
from app.models.registration import Registration
from app.models.settings import SiteSettings
from app.rules import audit, audit_log, crud, listing
from app.rules.audit import AuditIsFinal
from app.rules.audit_log import AUDIT_LOG
from app.runtime import load_declarations
from tests.factories import Tree, make_registration, make_tree

ACTION = "settings.sitesettings.edit"


@pytest.fixture(scope="module", autouse=True)
def _all_declarations() -> None:
    load_declarations()


def change_settings(session: KaowuSession, tree: Tree, actor: Actor) -> AuditEntry:
    """One change of the first site's settings; its entry."""
    become(session, actor)
    row = session.scalars(select(SiteSettings).where(SiteSettings.site_id == tree.site.id)).one()
    values = {"max_subjects": "2" if row.max_subjects != 2 else "3"}
    crud.update(session, SiteSettings.__admin__, row.id, values, version=row.version)
    found = session.scalars(
        select(AuditEntry).where(AuditEntry.action == ACTION).order_by(AuditEntry.id.desc())
    ).first()
    assert found is not None
    return found


def test_an_entry_tells_who_what_and_the_old_value(session: KaowuSession) -> None:
    tree = make_tree(session)
    entry = change_settings(session, tree, tree.actor(passport_id=7))
    assert (entry.passport_id, entry.actor_level, entry.organisation_code) == (7, "site", "990701")
    assert (entry.exam_id, entry.site_id) == (tree.exam.id, tree.site.id)
    assert entry.changes["max_subjects"] == {"label": "报考最大科次数量", "old": 3, "new": 2}
    assert entry.outcome == "done"


def test_personal_values_are_masked_with_a_digest(session: KaowuSession) -> None:
    tree = make_tree(session)
    row = make_registration(session, tree)
    become(session, system("look"))
    entry = session.scalars(
        select(AuditEntry).where(AuditEntry.object_type == "Registration")
    ).one()
    told = entry.changes["id_number"]["new"]
    assert told["masked"].startswith(row.id_number[:6] + "****")
    assert len(told["digest"]) == 32
    assert row.id_number not in str(entry.changes)
    assert str(row.mobile) not in str(entry.changes)


# ---------------------------------------------------------------- final


def test_an_entry_cannot_be_changed(session: KaowuSession) -> None:
    tree = make_tree(session)
    entry = change_settings(session, tree, tree.actor())
    entry.reason = "nachträglich"
    with pytest.raises(AuditIsFinal):
        session.flush()


def test_an_entry_cannot_be_deleted(session: KaowuSession) -> None:
    tree = make_tree(session)
    session.delete(change_settings(session, tree, tree.actor()))
    with pytest.raises(AuditIsFinal):
        session.flush()


@pytest.mark.parametrize(
    "statement",
    [
        update(AuditEntry).values(reason="x"),
        update(AuditEntry).values(sealed=True),
        delete(AuditEntry),
        update(AuditSeal).values(digest="x"),
        delete(AuditSeal),
    ],
)
def test_bulk_statements_are_refused_too(session: KaowuSession, statement: Any) -> None:
    become(session, system("tidy up"))
    with pytest.raises(AuditIsFinal):
        session.execute(statement)


# ---------------------------------------------------------------- who reads it


def read(session: KaowuSession, actor: Actor, **filters: str) -> set[int]:
    become(session, actor)
    page = listing.page(session, AUDIT_LOG, ListQuery(AUDIT_LOG.name, filters), size=200)
    return {row.id for row in page.rows}


def plant_entries(session: KaowuSession, tree: Tree, other: Tree) -> dict[str, int]:
    """One entry per place: {"site 1", "site 2", "city", "province", "centre", "none", "other"}."""
    places: dict[str, Any] = {
        "site 1": (tree, tree.sites[0]),
        "site 2": (tree, tree.sites[1]),
        "city": (tree, tree.city),
        "province": (tree, tree.province),
        "centre": (tree, tree.center),
        "other": (other, other.sites[0]),
    }
    found = {}
    for name, (ground, place) in places.items():
        become(session, system("seed", ground.exam.id))
        path = (place.province_id, place.city_id, place.site_id)
        entry = audit.record(session, "test.place.edit", object_type="Exam", place=path)
        session.flush()
        found[name] = entry.id
    become(session, system("seed"))
    entry = audit.record(session, "test.place.edit", object_type="Role")
    session.flush()
    return found | {"none": entry.id}


VISIBLE = {
    Level.CENTER: {"site 1", "site 2", "city", "province", "centre", "none"},
    Level.PROVINCE: {"site 1", "site 2", "city", "province"},
    Level.CITY: {"site 1", "site 2", "city"},
    Level.SITE: {"site 1"},
}


@pytest.mark.parametrize("level", ADMINISTRATORS)
def test_foreign_entries_never_appear(session: KaowuSession, level: Level) -> None:
    tree = make_tree(session)
    other = make_tree(session, number=59, state="preparing")
    planted = plant_entries(session, tree, other)
    seen = read(session, tree.actor(level), action="place.edit")
    assert {name for name, number in planted.items() if number in seen} == VISIBLE[level]
    assert len(seen) == len(VISIBLE[level])


@pytest.mark.parametrize("level", ADMINISTRATORS)
def test_p1_a_foreign_entry_is_not_found_by_number(session: KaowuSession, level: Level) -> None:
    tree = make_tree(session)
    other = make_tree(session, number=59, state="preparing")
    planted = plant_entries(session, tree, other)
    become(session, tree.actor(level))
    for name, number in planted.items():
        rows = session.scalars(
            listing.base_statement(session, AUDIT_LOG).where(AuditEntry.id == number)
        ).all()
        assert bool(rows) == (name in VISIBLE[level]), name


def test_candidates_read_nothing(session: KaowuSession) -> None:
    tree = make_tree(session)
    plant_entries(session, tree, make_tree(session, number=59, state="preparing"))
    assert read(session, candidate(1, tree.exam.id)) == set()


def test_an_actor_without_a_place_reads_nothing(session: KaowuSession) -> None:
    tree = make_tree(session)
    plant_entries(session, tree, make_tree(session, number=59, state="preparing"))
    actor = Actor(passport_id=1, level=Level.PROVINCE, exam_id=tree.exam.id)
    assert read(session, actor) == set()


def test_what_the_centre_does_to_a_site_is_read_by_the_site(session: KaowuSession) -> None:
    tree = make_tree(session)
    entry = change_settings(session, tree, tree.actor(Level.PROVINCE))
    assert entry.id in read(session, tree.actor())
    assert entry.id not in read(session, tree.actor(number=1))


# ---------------------------------------------------------------- words


@pytest.mark.parametrize(
    ("action", "label"),
    [
        ("registration.registration.edit", "修改"),
        ("account.passport.log_in", "登录"),
        ("registration.registration.reveal", "查看完整信息"),
        ("registration.registration_approve.run", "设置审核通过"),
        ("statistics.capacity_statistics.export", "导出"),
        ("account.role_grant.sync", "按代码更新"),
        ("nonsense", "其他"),
    ],
)
def test_actions_have_chinese_names(action: str, label: str) -> None:
    assert audit_log.action_label(action) == label


def test_every_object_and_action_of_the_code_has_a_name() -> None:
    """A new table needs a name in `audit_log.OBJECTS`, or a resource."""
    objects = audit_log.object_choices()
    assert [name for name, label in objects.items() if label == "其他"] == []
    unnamed = [key for key, label in audit_log.action_choices().items() if label == "其他"]
    assert unnamed == []


def test_what_the_tests_write_is_offered_by_the_filter(session: KaowuSession) -> None:
    tree = make_tree(session)
    make_registration(session, tree)
    become(session, system("look"))
    written = set(session.scalars(select(AuditEntry.action)))
    assert {audit_log.action_word(action) for action in written} <= set(audit_log.action_choices())


def test_the_filter_offers_what_is_done_once_for_all_objects() -> None:
    choices = audit_log.action_choices()
    assert choices["edit"] == "修改"
    assert choices["log_in"] == "登录"
    assert not any(key.count(".") > 1 for key in choices)
    assert len(set(choices.values())) == len(choices)  # no two that a reader cannot tell apart


def test_old_and_new_values_are_shown_as_people_read_them(session: KaowuSession) -> None:
    entry = AuditEntry(
        object_type="Registration",
        changes={
            "sex": {"label": "性别", "old": None, "new": "1"},
            "locked": {"label": "锁定", "old": False, "new": True},
            "id_number": {
                "label": "证件号码",
                "old": None,
                "new": {"masked": "990101********0034", "digest": "d" * 32},
            },
            "_declaration": {"label": "", "old": None, "new": "candidates"},
            "remark": {"label": "备注", "old": "", "new": None},
        },
    )
    assert [(c.label, c.before, c.after) for c in audit_log.changes_of(entry)] == [
        ("性别", None, "男"),
        ("锁定", "否", "是"),
        ("证件号码", None, "990101********0034"),
    ]


def test_keys_are_left_out_but_a_new_password_is_told() -> None:
    entry = AuditEntry(
        object_type="Passport",
        changes={
            "passport_id": {"label": "passport_id", "old": None, "new": "191754725298190372"},
            "password_hash": {"label": "password_hash", "old": None, "new": "***"},
        },
    )
    assert [(c.label, c.after) for c in audit_log.changes_of(entry)] == [("密码", "***")]


def test_money_and_moments_are_shown_in_yuan_and_local_time() -> None:
    fee = AuditEntry(
        object_type="Fee", changes={"amount": {"label": "金额", "old": 0, "new": 7200}}
    )
    assert audit_log.changes_of(fee)[0].after == "72.00"
    window = AuditEntry(
        object_type="OperationWindow",
        changes={
            "setup_start": {"label": "开始", "old": None, "new": "2026-01-01T00:00:00+00:00"},
        },
    )
    assert audit_log.changes_of(window)[0].after == "2026-01-01 08:00:00"


def test_an_unknown_object_is_still_shown() -> None:
    entry = AuditEntry(object_type="Gone", changes={"x": {"label": "旧", "old": 1, "new": [1, 2]}})
    assert audit_log.object_label("Gone") == "其他"
    assert [(c.label, c.before, c.after) for c in audit_log.changes_of(entry)] == [
        ("旧", "1", "1、2")
    ]


def test_candidates_are_not_named() -> None:
    assert audit_log.who(AuditEntry(actor_name="", actor_level="candidate")) == "考生"


def test_tasks_of_the_system_have_chinese_names() -> None:
    entry = AuditEntry(actor_name="demo data", actor_level="system")
    assert audit_log.who(entry) == "系统：演示数据"
    assert task_label("code for login") == "系统：发送验证码"
    assert audit_log.who(AuditEntry(actor_name="张三", actor_level="site")) == "张三"


def test_every_task_of_the_code_has_a_name() -> None:
    """A new `system("…")`, sweep or self-service task needs a name in `metadata.tasks`."""
    call = re.compile(
        r'(?:\bsystem|access\.write|DueWork|due_work)\(\s*"([^"]+)"|\b_?TASK = "([^"]+)"'
    )
    sources = [path.read_text() for path in (Path(__file__).parents[2] / "app").rglob("*.py")]
    names = {a or b for source in sources for a, b in call.findall(source)}
    assert {"log-in", "demo data", "delete old codes", "seal audit log"} <= names
    assert names <= set(TASKS)


def test_it_is_a_reading_page_for_administrators_alone() -> None:
    assert AUDIT_LOG.legal_verbs == {Verb.LIST, Verb.EXPORT}
    assert set(AUDIT_LOG.verbs) == set(ADMINISTRATORS)
    assert AUDIT_LOG.default_verbs("candidate") == frozenset()
    assert Registration.__name__ in audit_log.object_choices()
