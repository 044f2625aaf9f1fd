"""考生报名时间设置 (chapter 15): inside W4, cut where W4 is shortened, many sites at once."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from sqlalchemy import select

from app.database.policy import become
from app.database.session import KaowuSession
from app.metadata.errors import InvalidInput
from app.metadata.text import LOCAL_ZONE
from app.metadata.vocabulary import Level, Window
from app.models.audit import AuditEntry
from app.models.registration import EntryState
from app.rules import crud, effects, operations
from app.rules.online_time import ONLINE_TIME, SET_TIMES, check_times, effective_time
from app.rules.operations import Chosen
from app.rules.policy import WindowClosed
from tests import factories
from tests.factories import Tree, settings_row

DAY = dt.timedelta(days=1)


@pytest.fixture
def tree(session: KaowuSession) -> Tree:
    return factories.make_tree(session)


def text(moment: dt.datetime) -> str:
    return moment.astimezone(LOCAL_ZONE).strftime("%Y-%m-%d %H:%M")


def test_r15_1_a_site_changes_its_time_inside_w1(session: KaowuSession, tree: Tree) -> None:
    become(session, tree.actor())
    end = text(tree.now + 5 * DAY)
    row = crud.update(session, ONLINE_TIME, settings_row(session, tree).id, {"online_end": end})
    assert row.online_end is not None
    assert text(row.online_end) == end


def test_r15_5_outside_w1_only_an_extension_helps(session: KaowuSession, tree: Tree) -> None:
    factories.set_window(session, tree.site, Window.SETUP, tree.now - 2 * DAY, tree.now - DAY)
    become(session, tree.actor())
    with pytest.raises(WindowClosed, match="如需延长"):
        crud.update(session, ONLINE_TIME, settings_row(session, tree).id, {"online_enabled": "0"})


def test_r15_3_a_time_cut_by_a_shortened_w4_is_flagged(session: KaowuSession, tree: Tree) -> None:
    become(session, tree.actor())
    whole = effective_time(settings_row(session, tree))
    assert "至" in str(whole)
    end = tree.now + 3 * DAY
    factories.set_window(session, tree.site, Window.ONLINE, tree.now - 5 * DAY, end)
    session.expire_all()
    cut: Any = effective_time(settings_row(session, tree))
    assert (cut["tone"], text(end) in cut["text"]) == ("warn", True)
    factories.set_window(
        session, tree.site, Window.ONLINE, tree.now + 25 * DAY, tree.now + 26 * DAY
    )
    session.expire_all()
    none: Any = effective_time(settings_row(session, tree))
    assert (none["tone"], "无效" in none["text"]) == ("bad", True)


def test_r15_4_switching_off_tells_who_has_not_paid(session: KaowuSession, tree: Tree) -> None:
    """Not of collective candidates: they pay as long as W3 lasts (R15.6)."""
    factories.make_registration(session, tree)
    factories.make_registration(session, tree, payment="partly")
    factories.make_registration(session, tree, state=EntryState.PAID)
    factories.make_registration(session, tree, collective=True)
    become(session, tree.actor())
    row = settings_row(session, tree)
    with pytest.raises(effects.Unconfirmed) as refused:
        crud.update(session, ONLINE_TIME, row.id, {"online_enabled": "0"}, confirmed="")
    assert "2 名个人报名考生尚未缴清" in str(refused.value.effects[0])
    session.expire_all()
    later = {"online_end": text(tree.now + 25 * DAY)}
    assert crud.update(session, ONLINE_TIME, row.id, later, confirmed="").online_enabled


def test_r15_5_a_later_start_tells_who_has_to_wait(session: KaowuSession, tree: Tree) -> None:
    factories.make_registration(session, tree)
    become(session, tree.actor())
    row = settings_row(session, tree)
    start = text(tree.now + 2 * DAY)
    with pytest.raises(effects.Unconfirmed) as refused:
        crud.update(session, ONLINE_TIME, row.id, {"online_start": start}, confirmed="")
    (sentence,) = refused.value.effects
    assert f"1 名个人报名考生尚未缴清，在 {start} 之前不能报考和支付" in str(sentence)
    session.expire_all()
    passed = {"online_start": text(tree.now - DAY)}
    assert crud.update(session, ONLINE_TIME, row.id, passed, confirmed="").online_enabled


def told_of_many(session: KaowuSession, tree: Tree, **values: str) -> list[str]:
    """The effects of setting the time of both sites."""
    become(session, tree.actor(Level.PROVINCE))
    chosen = Chosen(ids=tuple(settings_row(session, tree, number).id for number in (0, 1)))
    with pytest.raises(effects.Unconfirmed) as refused:
        operations.run(session, SET_TIMES, chosen, values, confirmed="")
    session.expire_all()
    return [str(sentence) for sentence in refused.value.effects]


def test_p4_setting_many_sites_at_once_is_done_on_behalf_of_each(
    session: KaowuSession, tree: Tree
) -> None:
    become(session, tree.actor(Level.PROVINCE))
    chosen = Chosen(ids=tuple(settings_row(session, tree, number).id for number in (0, 1)))
    operations.run(session, SET_TIMES, chosen, {"online_enabled": "0"})
    rows = session.scalars(
        select(AuditEntry.on_behalf_of).where(
            AuditEntry.object_type == "SiteSettings", AuditEntry.on_behalf_of.is_not(None)
        )
    ).all()
    assert set(rows) == {site.code for site in tree.sites[:2]}


def test_r15_4_many_sites_at_once_tell_the_same(session: KaowuSession, tree: Tree) -> None:
    factories.make_registration(session, tree)
    for _ in range(2):
        factories.make_registration(session, tree, tree.sites[1])
    (off,) = told_of_many(session, tree, online_enabled="0")
    assert "3 名个人报名考生尚未缴清，网报结束后" in off
    start, end = text(tree.now + DAY), text(tree.now + 2 * DAY)
    values = {"online_enabled": "1", "online_start": start, "online_end": end}
    earlier, later = told_of_many(session, tree, **values)
    assert "3 名个人报名考生尚未缴清，网报结束后" in earlier
    assert f"3 名个人报名考生尚未缴清，在 {start} 之前" in later
    # a site whose W4 does not hold the new time keeps its own
    factories.set_window(session, tree.sites[1], Window.ONLINE, tree.now - 2 * DAY, tree.now + DAY)
    assert "1 名个人报名考生" in told_of_many(session, tree, **values)[0]


def test_r15_3_the_province_sets_many_sites_and_w4_decides_for_each(
    session: KaowuSession, tree: Tree
) -> None:
    factories.set_window(
        session, tree.sites[1], Window.ONLINE, tree.now - 2 * DAY, tree.now + 2 * DAY
    )
    become(session, tree.actor(Level.PROVINCE))
    rows = [settings_row(session, tree, number) for number in (0, 1)]
    former = rows[1].online_end
    values = {
        "online_enabled": "1",
        "online_start": text(tree.now - DAY),
        "online_end": text(tree.now + 10 * DAY),
    }
    chosen = Chosen(ids=tuple(row.id for row in rows))
    report = operations.run(session, SET_TIMES, chosen, values)
    assert (report.done, report.skipped) == (1, 1)
    assert "最早、最晚时间" in str(report.outcomes[1].reason)
    assert rows[0].online_end is not None
    assert text(rows[0].online_end) == values["online_end"]
    assert rows[1].online_end == former
    with pytest.raises(InvalidInput, match="必填"):
        operations.run(session, SET_TIMES, chosen, {"online_enabled": "1"})
    with pytest.raises(InvalidInput, match="晚于开始"):
        check_times(True, tree.now, tree.now)
