"""Seats (chapters 13, 14): claim, release, limits, recount, and who may move counters.

What single-threaded tests would catch: an off-by-one limit, a forgotten pool, a wrong order of
the updates, a missing scope check. Lost updates need `tests/concurrency`.
"""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import event, select
from sqlalchemy.exc import IntegrityError

from app.database.policy import NoPermit, OutOfScope, become
from app.database.session import KaowuSession
from app.metadata.actor import system
from app.metadata.declarations import ONLY_RUN, Declaration
from app.metadata.vocabulary import Level, Verb
from app.models.audit import AuditEntry
from app.models.capacity import CapacityPool
from app.models.registration import EntryState
from app.rules import capacity, policy
from app.rules.capacity import (
    CapacityExceeded,
    LimitBelowUsed,
    LimitOutOfRange,
    PoolMissing,
    PreferenceQuotaTooLarge,
    SubjectNotOffered,
    TotalTooSmall,
)
from app.rules.capacity_grid import CAPACITY
from tests import factories

SETTING = Declaration(
    name="test.capacity",
    label="容量",
    verbs=dict.fromkeys(Level, ONLY_RUN),
    writes=(CapacityPool,),
)
DAY = factories.EXAM_DAYS[0]


@pytest.fixture
def tree(session: KaowuSession) -> factories.Tree:
    made = factories.make_tree(session, total=200, capacity=3, day_quota=5)
    become(session, made.actor())
    return made


def used(session: KaowuSession) -> dict[str, int]:
    session.expire_all()
    rows = session.scalars(select(CapacityPool).where(CapacityPool.used > 0))
    return {row.pool: row.used for row in rows}


def claim(session: KaowuSession, site: capacity.AtSite, seats: capacity.Seats) -> None:
    with policy.permit(session, SETTING, Verb.RUN):
        capacity.claim(session, site, seats)


def limits(session: KaowuSession, tree: factories.Tree, **values: int) -> None:
    names = {"total": "TOTAL"} | {f"s{code}": f"S:{code}" for code in factories.SUBJECT_CODES}
    names |= {f"day{index}": f"D:{day}" for index, day in enumerate(factories.EXAM_DAYS)}
    with policy.permit(session, SETTING, Verb.RUN):
        capacity.set_limits(
            session, tree.site, {names[name]: value for name, value in values.items()}
        )


# ---------------------------------------------------------------- seats


def test_r13_9_seats_are_counted_per_entry_in_subject_day_and_total() -> None:
    seats = capacity.seats_of([("14", DAY), ("24", None), ("26", DAY)])
    assert seats == {"S:14": 1, "S:24": 1, "S:26": 1, "TOTAL": 3, f"D:{DAY}": 2}


@given(
    st.lists(
        st.sampled_from(["TOTAL", "S:14", "S:02", "S:99", "D:2026-03-28", "D:2026-12-01"]),
        unique=True,
    )
)
def test_the_names_sort_into_the_order_of_locking(pools: list[str]) -> None:
    kinds = [("D", "S", "T").index(pool[0]) for pool in sorted(pools)]
    assert kinds == sorted(kinds)


def test_claim_takes_every_pool_and_release_gives_it_back(
    session: KaowuSession, tree: factories.Tree
) -> None:
    seats = capacity.seats_of([("14", DAY), ("24", None)])
    claim(session, tree.site, seats)
    assert used(session) == seats
    with policy.permit(session, SETTING, Verb.RUN):
        capacity.release(session, tree.site, seats)
    assert used(session) == {}


def test_all_counters_move_in_one_statement_that_locks_them_in_order(
    session: KaowuSession, tree: factories.Tree
) -> None:
    """Mutant: without the order, claims of the same pools deadlock under load (load.md §1.2)."""
    statements: list[str] = []

    def note(_c: object, _cursor: object, sql: str, parameters: object, *_: object) -> None:
        if "UPDATE capacity_pool" in sql:
            statements.append(" ".join(sql.split()))

    connection = session.connection()
    event.listen(connection.engine, "before_cursor_execute", note)
    try:
        seats = capacity.seats_of([("26", factories.EXAM_DAYS[1]), ("14", DAY), ("24", None)])
        claim(session, tree.site, dict(reversed(seats.items())))
    finally:
        event.remove(connection.engine, "before_cursor_execute", note)
    [statement] = statements
    locks = "ORDER BY capacity_pool.pool FOR UPDATE"
    assert (locks in statement) == (connection.dialect.name == "postgresql")
    assert used(session) == dict(seats)


@pytest.mark.parametrize("pool", ["S:14", f"D:{DAY}", "TOTAL"])
def test_n1_the_full_pool_is_named(session: KaowuSession, tree: factories.Tree, pool: str) -> None:
    """Mutants: `<` for `<=`, or a pool left out of the condition."""
    factories.set_capacity(session, tree.site, pool, 2)
    seats = {"S:14": 1, f"D:{DAY}": 1, "TOTAL": 1}
    claim(session, tree.site, seats)
    claim(session, tree.site, seats)
    with pytest.raises(CapacityExceeded) as refused:
        claim(session, tree.site, seats)
    assert refused.value.pool == pool
    assert capacity.pool_label(pool) in str(refused.value)
    assert used(session) == {name: 2 * count for name, count in seats.items()}


def test_r13_3a_a_subject_without_capacity_is_not_offered(
    session: KaowuSession, tree: factories.Tree
) -> None:
    factories.set_capacity(session, tree.site, "S:14", 0)
    for pool in ("S:14", "S:42", "D:2030-01-01"):
        with pytest.raises(PoolMissing):
            claim(session, tree.site, {pool: 1, "TOTAL": 1})


def test_the_database_refuses_what_would_slip_through(
    session: KaowuSession, tree: factories.Tree
) -> None:
    with policy.permit(session, SETTING, Verb.RUN):
        pool = session.scalars(select(CapacityPool).where(CapacityPool.pool == "S:14")).one()
        pool.used = 4
        with pytest.raises(IntegrityError), session.begin_nested():
            session.flush()


def test_a_change_moves_only_the_difference(session: KaowuSession, tree: factories.Tree) -> None:
    """The last seat of a subject may be exchanged for another day without being lost."""
    factories.set_capacity(session, tree.site, "TOTAL", 1)
    claim(session, tree.site, {"S:14": 1, "TOTAL": 1})
    with policy.permit(session, SETTING, Verb.RUN):
        capacity.move(session, tree.site, {"S:14": -1, "S:24": 1})
    assert used(session) == {"S:24": 1, "TOTAL": 1}


def test_counters_move_inside_a_permit_and_the_scope_only(
    session: KaowuSession, tree: factories.Tree
) -> None:
    with pytest.raises(NoPermit):
        capacity.claim(session, tree.site, {"TOTAL": 1})
    without = Declaration(name="test.other", label="其他", verbs=dict.fromkeys(Level, ONLY_RUN))
    with pytest.raises(NoPermit), policy.permit(session, without, Verb.RUN):
        capacity.claim(session, tree.site, {"TOTAL": 1})
    with pytest.raises(OutOfScope):
        claim(session, tree.sites[1], {"TOTAL": 1})
    become(session, tree.actor(exam_id=tree.exam.id + 1))
    with pytest.raises(OutOfScope):
        capacity.look(session, tree.site, {"TOTAL": 1})


def test_a_candidate_may_take_a_seat_at_any_site_of_the_session(
    session: KaowuSession, tree: factories.Tree
) -> None:
    become(session, tree.candidate(factories.make_passport(session)))
    claim(session, tree.sites[1], {"S:14": 1, "TOTAL": 1})
    become(session, tree.actor(number=1))
    assert used(session) == {"S:14": 1, "TOTAL": 1}


# ---------------------------------------------------------------- limits


@pytest.mark.parametrize(
    ("values", "error"),
    [
        ({"total": 99}, TotalTooSmall),
        ({"total": 0}, LimitOutOfRange),
        ({"total": 100_000}, LimitOutOfRange),
        ({"s14": -1}, LimitOutOfRange),
        ({"s14": 100_000}, LimitOutOfRange),
        ({"day0": 0}, LimitOutOfRange),
        ({"s42": 10}, SubjectNotOffered),
    ],
)
def test_r13_3_and_r13_6_limits_have_a_range(
    session: KaowuSession,
    tree: factories.Tree,
    values: dict[str, int],
    error: type[Exception],
) -> None:
    with pytest.raises(error):
        limits(session, tree, **values)


@pytest.mark.parametrize("values", [{"total": 100}, {"total": 99_999}, {"s14": 0}, {"s14": 99_999}])
def test_r13_3_the_ends_of_the_range_are_legal(
    session: KaowuSession, tree: factories.Tree, values: dict[str, int]
) -> None:
    limits(session, tree, **values)
    row = session.scalars(
        select(CapacityPool).where(CapacityPool.capacity.in_(values.values()))
    ).first()
    assert row is not None


def test_r11_r13_a_subject_that_another_site_offers_has_no_seats_here(
    session: KaowuSession, tree: factories.Tree
) -> None:
    factories.add_site(session, tree, "990703", subjects=("42",))
    become(session, tree.actor(Level.PROVINCE))  # who sees the subjects of both
    with pytest.raises(SubjectNotOffered), policy.permit(session, CAPACITY, Verb.EDIT):
        capacity.set_limits(session, tree.site, {"S:42": 10})


def test_r13_5_scenario_14_a_limit_is_not_below_what_is_used(
    session: KaowuSession, tree: factories.Tree
) -> None:
    limits(session, tree, s24=80)
    claim(session, tree.site, {"S:24": 80, "TOTAL": 80})
    with pytest.raises(LimitBelowUsed, match="科目24已报80人，不能小于80"):
        limits(session, tree, s24=79)
    limits(session, tree, s24=80)
    claim(session, tree.site, {"S:14": 2, "TOTAL": 60})
    with pytest.raises(LimitBelowUsed, match="总科次数"):
        limits(session, tree, total=139)
    limits(session, tree, total=140)


def test_r14_scenario_15_day_quotas(session: KaowuSession, tree: factories.Tree) -> None:
    limits(session, tree, total=101)
    with pytest.raises(PreferenceQuotaTooLarge, match=str(DAY)):
        limits(session, tree, day0=51)
    limits(session, tree, day0=50, day1=50, day2=1)
    with pytest.raises(PreferenceQuotaTooLarge):
        limits(session, tree, day0=50, day1=50, day2=2)


def test_r13_8_lowering_the_total_keeps_the_quotas(
    session: KaowuSession, tree: factories.Tree
) -> None:
    limits(session, tree, day0=80, day1=50, day2=50)
    with pytest.raises(PreferenceQuotaTooLarge, match=str(DAY)) as refused:
        limits(session, tree, total=159)
    assert str(factories.EXAM_DAYS[1]) not in str(refused.value)
    with pytest.raises(PreferenceQuotaTooLarge):
        limits(session, tree, day0=60, day1=60, day2=60, total=150)
    limits(session, tree, day0=60, day1=60, day2=60, total=180)


def test_r14_8_without_a_limit_a_day_takes_half(
    session: KaowuSession, tree: factories.Tree
) -> None:
    limits(session, tree, total=99_999, day0=49_999)
    with pytest.raises(PreferenceQuotaTooLarge):
        limits(session, tree, day0=50_000)


def test_a_new_pool_is_made_for_an_offered_subject_and_every_change_is_logged(
    session: KaowuSession, tree: factories.Tree
) -> None:
    site = factories.add_site(session, tree, "990709", capacity=9)
    with factories.seeding(session):
        pool = session.scalars(
            select(CapacityPool).where(CapacityPool.site_id == site.id, CapacityPool.pool == "S:14")
        ).one()
        session.delete(pool)
    become(session, tree.actor(number=2))
    with policy.permit(session, SETTING, Verb.RUN):
        capacity.set_limits(session, site, {"S:14": 7, "S:24": 8})
    become(session, system("test"))
    entries = session.scalars(
        select(AuditEntry).where(
            AuditEntry.object_type == "CapacityPool", AuditEntry.actor_level == "site"
        )
    )
    found = {entry.object_title: entry.changes["capacity"] for entry in entries}
    assert (found["科目14"]["old"], found["科目14"]["new"]) == (None, 7)
    assert (found["科目24"]["old"], found["科目24"]["new"]) == (9, 8)


# ---------------------------------------------------------------- recount


def test_recount_agrees_with_rows_and_finds_a_wrong_counter(
    session: KaowuSession, tree: factories.Tree
) -> None:
    factories.make_registration(session, tree, subjects=("14", "24"), preference_day=DAY)
    factories.make_registration(session, tree, subjects=("14",), state=EntryState.PAID)
    factories.make_registration(session, tree, subjects=("26",), state=EntryState.EXPIRED)
    become(session, system("check"))
    assert capacity.recount(session) == []
    assert capacity.recount(session, tree.exam.id) == []
    with factories.seeding(session):
        row = session.scalars(
            select(CapacityPool).where(
                CapacityPool.pool == f"D:{DAY}", CapacityPool.site_id == tree.site.id
            )
        ).one()
        row.used = 1
    [wrong] = capacity.recount(session)
    assert (wrong.pool, wrong.used, wrong.counted) == (f"D:{DAY}", 1, 2)
    assert capacity.recount(session, tree.exam.id + 1) == []


def test_recount_is_the_systems_own(session: KaowuSession, tree: factories.Tree) -> None:
    with pytest.raises(OutOfScope):
        capacity.recount(session)


def test_labels() -> None:
    assert capacity.day_pool(dt.date(2026, 3, 8)) == "D:2026-03-08"
    assert [capacity.pool_label(pool) for pool in ("S:14", "D:2026-03-08", "TOTAL")] == [
        "科目14",
        "意向日期2026-03-08",
        "总科次数",
    ]
