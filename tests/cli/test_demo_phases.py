"""Every site of the demo stands in its phase, as the rules see it."""

from __future__ import annotations

import datetime as dt
import itertools
from collections import defaultdict
from collections.abc import Iterator

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import sessionmaker

from app.database.policy import become
from app.database.session import WRITES, KaowuSession
from app.demo.accounts import FRESH, PAYING, PRINTING
from app.metadata.actor import Actor, candidate, system
from app.metadata.errors import InvalidInput, KaowuError
from app.metadata.vocabulary import ExamState, Level, Verb, Window
from app.models.account import Passport
from app.models.arrangement import AdmissionTicket, Seat, Sitting
from app.models.audit import AuditEntry
from app.models.exam import Exam, OperationWindow
from app.models.organisation import Organisation
from app.models.payment import GatewayTransaction, OrderState, PaymentOrder
from app.models.registration import Entry, EntryState, Life, Mode, Registration, Review
from app.models.settings import SiteSettings
from app.rules import actors, crud, policy, window_setting, windows
from app.rules.arrangement.rooms import check_sitting
from app.rules.capacity import CapacityExceeded
from app.rules.identity import check_identity
from app.rules.offer import offer_of
from app.rules.orders import create_order
from app.rules.policy import HistoricExam, WindowClosed
from app.rules.registration.person import register
from app.rules.registration.states import Timeouts, deadline, hold
from app.rules.registration.subjects import choose_subjects
from app.rules.site import OnlineOff, SiteClosed, load_site, notices_of, sites_to_choose
from app.rules.windows import WindowState
from tests.cli.conftest import today
from tests.factories import COUNTED, person

SYSTEM = system("test")


@pytest.fixture
def session(demo_factory: sessionmaker[KaowuSession]) -> Iterator[KaowuSession]:
    """A writing session on the demo; what it does is rolled back."""
    with demo_factory() as made:
        made.connection(execution_options={WRITES: True})
        become(made, SYSTEM)
        yield made
        made.rollback()


def _exam(session: KaowuSession, number: int = 58) -> Exam:
    return session.scalars(select(Exam).where(Exam.number == number)).one()


def _site(session: KaowuSession, code: str) -> Organisation:
    exam = _exam(session)
    statement = select(Organisation).where(Organisation.exam_id == exam.id)
    return session.scalars(statement.where(Organisation.code == code)).one()


def _administrator(session: KaowuSession, local: str, exam: int = 58) -> Actor:
    passport = session.scalars(
        select(Passport).where(Passport.email == f"{local}@kaowu.test")
    ).one()
    return actors.load_administrator(session, passport.id, _exam(session, exam))


def _candidate(session: KaowuSession, local: str) -> Actor:
    passport = session.scalars(
        select(Passport).where(Passport.email == f"{local}@kaowu.test")
    ).one()
    return candidate(passport.id, _exam(session).id)


def _states(session: KaowuSession, code: str) -> dict[Window, WindowState]:
    found = windows.load(session, _site(session, code).id)
    now = dt.datetime.now(dt.UTC)
    return {window: interval.state(now) for window, interval in found.items()}


def _entries(session: KaowuSession, code: str) -> dict[str, int]:
    site_id = _site(session, code).id
    statement = select(Entry.state, func.count()).where(Entry.site_id == site_id)
    return {row[0]: row[1] for row in session.execute(statement.group_by(Entry.state))}


# ---------------------------------------------------------------- the sites


def test_990701_is_registering_and_a_candidate_takes_one_of_the_last_two_seats(
    session: KaowuSession,
) -> None:
    site_id = _site(session, "990701").id
    states = _states(session, "990701")
    for window in (Window.SETUP, Window.ELIGIBILITY, Window.REGISTRATION, Window.ONLINE):
        assert states[window] is WindowState.OPEN
    assert states[Window.ARRANGEMENT] is WindowState.BEFORE
    actor = _candidate(session, FRESH)
    become(session, actor)
    site = load_site(session, site_id)
    assert offer_of(session, site).subjects["66"].left == 2
    version = notices_of(session, site).version
    values = person(31, class_name="会计一班")
    row = register(session, site_id, values, notice_version=version, counted=COUNTED)
    choose_subjects(session, row.id, {"66": None, "14": None})
    assert row.subject_codes == "14.66"
    assert offer_of(session, site).subjects["66"].left == 1


def test_990701_its_nearly_full_subject_fills_up(session: KaowuSession) -> None:
    site_id = _site(session, "990701").id
    become(session, _candidate(session, PAYING))
    row = session.scalars(select(Registration)).one()
    taken = {row.subject_codes.split(".")[0]: None}
    assert site_id == row.site_id
    choose_subjects(session, row.id, taken | {"66": None})
    become(session, system("test", row.exam_id))
    pool = offer_of(session, load_site(session, site_id)).subjects["66"]
    assert pool.left == 1
    from app.rules import capacity
    from app.rules.registration.permits import CHOOSE_SUBJECTS

    with (
        pytest.raises(CapacityExceeded),
        policy.permit(session, CHOOSE_SUBJECTS, Verb.RUN),
    ):
        capacity.claim(session, row, {"S:66": 2, "TOTAL": 2})


def test_990701_has_registrations_in_every_state(session: KaowuSession) -> None:
    site_id = _site(session, "990701").id
    rows = session.scalars(select(Registration).where(Registration.site_id == site_id)).all()
    assert {row.life for row in rows} >= {Life.DRAFT, Life.ACTIVE, Life.EXPIRED}
    assert {row.review for row in rows} == set(Review) - {Review.NONE}
    assert {row.payment for row in rows} == {"none", "unpaid", "partly", "paid"}
    assert {row.mode for row in rows} == set(Mode)
    assert {row.reject_type for row in rows if row.review == Review.REJECTED} == {"1", "2"}
    assert any(row.photo_renewal for row in rows)
    assert any(row.photo_id is None for row in rows)
    assert {row.locked for row in rows} == {True, False}
    assert set(_entries(session, "990701")) == {"unpaid", "paying", "paid", "expired"}


def test_990701_an_approved_candidate_can_pay_now(session: KaowuSession) -> None:
    become(session, _candidate(session, PAYING))
    row = session.scalars(select(Registration)).one()
    order = create_order(session, row.id, channel="sandbox")
    assert order.state == OrderState.OPEN
    assert order.amount == 1000 + 7200 * row.subject_count


def test_990702_is_paid_up_and_can_be_arranged_now(session: KaowuSession) -> None:
    states = _states(session, "990702")
    assert states[Window.REGISTRATION] is WindowState.AFTER
    assert states[Window.ARRANGEMENT] is WindowState.OPEN
    assert set(_entries(session, "990702")) == {"paid", "arranged"}
    site = _site(session, "990702")
    assert site.address
    entries = sum(_entries(session, "990702").values())
    seats = session.scalar(select(func.sum(Sitting.capacity)).where(Sitting.site_id == site.id))
    assert seats is not None
    assert seats >= entries
    wishes = select(func.count()).where(Entry.site_id == site.id, Entry.preference_day.is_not(None))
    assert session.scalar(wishes.select_from(Entry))


def test_990703_is_arranged_numbered_and_printable(session: KaowuSession) -> None:
    states = _states(session, "990703")
    assert states[Window.ARRANGEMENT] is WindowState.AFTER
    assert states[Window.TICKET] is WindowState.OPEN
    assert states[Window.PRE_EXAM] is WindowState.OPEN
    assert set(_entries(session, "990703")) == {"numbered"}
    site = _site(session, "990703")
    tickets = session.scalars(
        select(AdmissionTicket).where(AdmissionTicket.site_id == site.id)
    ).all()
    assert len(tickets) == _entries(session, "990703")["numbered"]
    for ticket in tickets:
        subject = session.get_one(Entry, ticket.entry_id).subject_code
        room, serial = ticket.room_number, ticket.serial
        assert ticket.number == f"{subject}58990703{room}{serial:04d}"
    assert len({(row.room_number, row.serial) for row in tickets}) == len(tickets)
    become(session, _candidate(session, PRINTING))
    assert session.scalars(select(AdmissionTicket)).all()


def test_990704_is_being_set_up_and_may_set_itself_up(session: KaowuSession) -> None:
    site = _site(session, "990704")
    states = _states(session, "990704")
    assert states[Window.SETUP] is WindowState.OPEN
    assert states[Window.ARRANGEMENT] is WindowState.UNSET
    assert _entries(session, "990704") == {}
    become(session, _administrator(session, "site990704"))
    settings = session.scalars(select(SiteSettings)).one()
    assert settings.open is False
    with pytest.raises(SiteClosed):
        load_site(session, site.id).require_open()
    crud.update(session, SiteSettings.__admin__, settings.id, {"open": True})
    assert load_site(session, site.id).open


def test_990704_its_superiors_are_reminded_of_unset_windows_near_the_exam(
    session: KaowuSession,
) -> None:
    become(session, _administrator(session, "city9907"))
    near = dt.datetime.now(dt.UTC) + dt.timedelta(days=25)
    found = window_setting.unset_reminders(session, lambda: near)
    assert [line.split("：")[0] for line in found] == ["(990704)地市七考点四"]


def test_990703_cannot_be_changed_any_more(session: KaowuSession) -> None:
    become(session, _administrator(session, "site990703"))
    settings = session.scalars(select(SiteSettings)).one()
    with pytest.raises(WindowClosed):
        crud.update(session, SiteSettings.__admin__, settings.id, {"max_subjects": 1})


def test_candidates_may_choose_the_two_sites_that_register_online(session: KaowuSession) -> None:
    exam, province = _exam(session), _site(session, "99")
    collective = _site(session, "990802").id
    become(session, _candidate(session, FRESH))
    choices = sites_to_choose(session, exam.id, province.id)
    assert [choice.site.code for choice in choices] == ["990701", "990801"]
    with pytest.raises(OnlineOff):
        load_site(session, collective).require_online(dt.datetime.now(dt.UTC))


# ---------------------------------------------------------------- the whole


@pytest.mark.parametrize("number", [57, 58])
def test_windows_nest_so_that_their_superiors_could_set_them_again(
    session: KaowuSession, number: int
) -> None:
    exam = _exam(session, number)
    become(session, system("test", exam.id))
    rows = session.scalars(select(OperationWindow)).all()
    assert len(rows) == 1 + 2 + 6
    for row in rows:
        place = session.get_one(Organisation, row.organisation_id)
        values = {
            window: row.interval(window) for window in Window if row.interval(window)[0] is not None
        }
        if number == 57:
            with pytest.raises(HistoricExam):
                window_setting.set_windows(session, [place], values)
            continue
        outcome = window_setting.set_windows(session, [place], values)
        assert [one.reason for one in outcome.rows if not one.done] == []


def test_people_are_generated_of_province_99_and_their_numbers_are_valid(
    session: KaowuSession,
) -> None:
    rows = session.scalars(select(Registration)).all()
    for row in rows:
        found = check_identity(row.id_type, row.id_number, sex=row.sex, birth=row.birth)
        assert found.number == row.id_number
        assert row.id_number.startswith("99")
    assert len({row.id_number for row in rows}) == len(rows)


def test_sittings_keep_the_rules_and_nobody_sits_in_two_places(session: KaowuSession) -> None:
    become(session, system("test", _exam(session).id))
    sittings = {row.id: row for row in session.scalars(select(Sitting))}
    for sitting in sittings.values():
        check_sitting(session, sitting)
    of_person: dict[int, list[Sitting]] = defaultdict(list)
    counted: dict[int, int] = defaultdict(int)
    for seat in session.scalars(select(Seat)):
        entry = session.get_one(Entry, seat.entry_id)
        of_person[entry.registration_id].append(sittings[seat.sitting_id])
        counted[seat.sitting_id] += 1
    assert {row.id: row.arranged for row in sittings.values() if row.arranged} == counted
    for taken in of_person.values():
        taken.sort(key=lambda row: (row.day, row.start))
        for first, second in itertools.pairwise(taken):
            end = dt.datetime.combine(first.day, first.end)
            gap = dt.datetime.combine(second.day, second.start) - end
            assert gap > dt.timedelta(minutes=15)


def test_orders_fit_their_entries_and_money_is_recorded_once(session: KaowuSession) -> None:
    for order in session.scalars(select(PaymentOrder)):
        entries = session.scalars(select(Entry).where(Entry.order_id == order.id)).all()
        assert order.subject_codes == ".".join(sorted(row.subject_code for row in entries))
        assert order.subject_fee == sum(entry.fee or 0 for entry in entries)
        taken = select(func.count()).where(GatewayTransaction.order_id == order.id)
        paid = order.state == OrderState.PAID
        assert session.scalar(taken.select_from(GatewayTransaction)) == int(paid)
        assert paid or {entry.state for entry in entries} == {EntryState.PAYING}


def test_nothing_of_the_demo_has_run_out_of_time(session: KaowuSession) -> None:
    """R22.8a: the sweep takes nothing away on the day of loading."""
    exam = _exam(session)
    become(session, system("test", exam.id))
    now = dt.datetime.now(dt.UTC)
    for row in session.scalars(
        select(Registration).where(Registration.life.in_(("draft", "active")))
    ):
        held = hold(session, row.id)
        site = load_site(session, row.site_id or 0)
        order = session.scalars(
            select(PaymentOrder).where(
                PaymentOrder.registration_id == row.id,
                PaymentOrder.state == OrderState.OPEN.value,
            )
        ).one_or_none()
        end = deadline(held, site.settings, order, Timeouts())
        assert end is None or end > now + dt.timedelta(hours=12)


def test_everything_is_in_the_log(session: KaowuSession) -> None:
    logged = select(AuditEntry.object_id).where(
        AuditEntry.action == "registration.registration.add"
    )
    known = set(session.scalars(logged))
    assert set(session.scalars(select(Registration.id))) == known
    names = set(session.scalars(select(AuditEntry.actor_name).distinct()))
    assert names == {"demo data", "permissions sync"}


def test_one_session_is_current_and_the_former_one_is_history(session: KaowuSession) -> None:
    assert _exam(session).state == ExamState.CURRENT
    assert _exam(session, 57).state == ExamState.HISTORY
    days = {row.days for row in (today() - _first_day(session, number) for number in (57, 58))}
    assert days == {150, -30}


def _first_day(session: KaowuSession, number: int) -> dt.date:
    from app.rules.exam import days_of

    return days_of(session, _exam(session, number).id, None)[0]


@pytest.mark.parametrize(
    ("local", "level"),
    [
        ("super", Level.CENTER),
        ("center", Level.CENTER),
        ("province99", Level.PROVINCE),
        ("city9907", Level.CITY),
        ("site990701", Level.SITE),
    ],
)
def test_administrators_have_their_place_in_both_sessions(
    session: KaowuSession, local: str, level: Level
) -> None:
    for number in (57, 58):
        actor = _administrator(session, local, number)
        assert actor.level is level
        assert actor.is_super is (local == "super")
        assert actor.grants
        become(session, actor)
        assert session.scalars(select(Registration.id).limit(1)).all() or local == "super"
        become(session, SYSTEM)


def test_a_rule_of_the_form_still_holds_for_demo_people(session: KaowuSession) -> None:
    site_id = _site(session, "990701").id
    become(session, _candidate(session, FRESH))
    version = notices_of(session, load_site(session, site_id)).version
    values = person(31, class_name="没有的班")
    with pytest.raises((InvalidInput, KaowuError)) as caught:
        register(session, site_id, values, notice_version=version, counted=COUNTED)
    assert "会计一班" in str(caught.value)
