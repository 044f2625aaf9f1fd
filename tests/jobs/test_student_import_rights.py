"""学籍数据导入: who imports, when, and for whom (R20.1-R20.7)."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import Any

import pytest

from app.jobs import engine
from app.jobs.imports.engine import submit_checked
from app.jobs.imports.student import STUDENT_IMPORT
from app.metadata import registry
from app.metadata.errors import InvalidInput
from app.metadata.vocabulary import Window
from app.models.roster import StudentRecord
from app.rules.availability import NotUsed
from app.rules.policy import NoVerb, WindowClosed
from tests.factories import id_number, set_window
from tests.jobs.conftest import Ground
from tests.jobs.student_world import (
    BIRTH,
    enable,
    entries,
    line,
    problems,
    run,
)
from tests.rules.roster.roster_world import add_record, set_policy


@pytest.fixture
def used(ground: Ground) -> Ground:
    """Both sites use the roster."""
    enable(ground)
    return ground


# ---------------------------------------------------------------- who, when, for whom


def test_r0_5b_scenario_29_without_the_roster_the_import_is_refused(ground: Ground) -> None:
    with pytest.raises(NotUsed) as refused:
        run(ground, line())
    assert "未启用学籍库" in refused.value.message()


def test_r20_2_only_inside_w2(used: Ground) -> None:
    past = used.tree.now - dt.timedelta(days=1)
    used.write(
        lambda s: set_window(
            s, used.tree.site, Window.ELIGIBILITY, past - dt.timedelta(days=1), past
        )
    )
    with pytest.raises(WindowClosed):
        run(used, line())
    made = run(used, line(), actor=used.province, site="990701")
    assert made.state == "done", "the window binds sites"


def test_r20_6_a_province_imports_for_one_of_its_sites_on_its_behalf(used: Ground) -> None:
    made = run(used, line(), actor=used.province, site="990702")
    assert made.state == "done", made.errors
    (row,) = used.all(StudentRecord)
    assert (row.province_code, row.city_code, row.site_code) == ("99", "9907", "990702")
    (entry,) = entries(used, "roster.studentrecord.add")
    assert (entry.site_id, entry.on_behalf_of) == (used.tree.sites[1].id, "990702")
    assert made.on_behalf_of == "990702"
    made = run(used, line(), actor=used.province.behalf("990701"))
    assert made.state == "done", "as the command line says it"


def test_r20_6_a_checked_file_is_submitted_for_the_same_site(used: Ground) -> None:
    check = run(used, line(), actor=used.province, site="990702", apply=False)
    made = used.write(
        lambda session: submit_checked(session, used.machine, STUDENT_IMPORT, check.id).id,
        used.province,
    )
    engine.execute(used.machine, made)
    assert used.run(made).on_behalf_of == "990702"
    (entry,) = entries(used, "roster.studentrecord.add")
    assert (entry.site_id, entry.on_behalf_of) == (used.tree.sites[1].id, "990702")


def test_r20_6_a_province_must_say_for_which_site(used: Ground) -> None:
    made = run(used, line(), actor=used.province)
    assert made.state == "failed"
    assert "请选择要导入学籍的考点" in (made.error or "")
    assert used.count(StudentRecord) == 0


def test_r20_6_r0_5b_not_for_a_site_that_does_not_use_the_roster(ground: Ground) -> None:
    enable(ground, ground.tree.site)
    second = ground.tree.sites[1]
    ground.write(lambda session: set_policy(session, ground.tree, second, enabled=False))
    with pytest.raises(InvalidInput, match="机构"):
        run(ground, line(), actor=ground.province, site="990702")
    made = run(ground, line(), actor=ground.province.behalf("990702"))
    assert made.state == "failed"
    assert "只能选择已启用学籍库的考点" in (made.error or "")


@pytest.mark.parametrize("level", ["city", "center"])
def test_5_city_and_centre_only_look(used: Ground, level: str) -> None:
    with pytest.raises(NoVerb):
        run(used, line(), actor=getattr(used, level))


def test_a_site_cannot_import_for_another(used: Ground) -> None:
    with pytest.raises(InvalidInput):
        run(used, line(), site="990702")


def test_r20_1_the_log_keeps_no_personal_value_in_clear(used: Ground) -> None:
    number = id_number(birth=BIRTH)
    run(used, line(id_number=number, mobile="13812345678"))
    (entry,) = entries(used, "roster.studentrecord.add")
    assert entry.changes["id_number"]["new"]["masked"] == f"{number[:6]}********{number[-4:]}"
    assert number not in str(entry.changes)
    assert "张三" not in str(entry.changes)


def test_r20_8_a_record_that_came_meanwhile_refuses_the_file(
    used: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Found by the second look, under the locks."""
    number = id_number(birth=BIRTH)

    def late(session: Any, rows: Any, context: Any) -> Any:
        add_record(session, used.tree, id_number=number, birth=BIRTH)
        return STUDENT_IMPORT.apply(session, rows, context)

    changed = replace(STUDENT_IMPORT, apply=late)
    monkeypatch.setitem(registry._declarations, STUDENT_IMPORT.name, changed)
    made = run(used, line(id_number=number), line())
    assert made.state == "rejected"
    assert list(problems(made)) == [(2, "证件号码")]
    assert used.count(StudentRecord) == 0
