"""Choosing, changing and giving up subjects: every path through the one gate for seats."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy.orm import Session

from app.database.direct import Change
from app.database.identifiers import new_id
from app.metadata.errors import N_, KaowuError, Message
from app.metadata.vocabulary import Verb
from app.models.registration import Entry, EntryState, Life, Registration, Review
from app.rules import capacity
from app.rules.clock import Clock, system_clock
from app.rules.fees import SUBJECT_FEE, FeeUnset
from app.rules.offer import Offer
from app.rules.policy import permit
from app.rules.registration import permits
from app.rules.registration.holding import SCOPE, HeldEntry, hold_at_site
from app.rules.registration.person import check_age_in_exam
from app.rules.registration.states import (
    HeldValues,
    derived,
    end_entries,
    end_registration,
    hold,
    review_in_force,
)
from app.rules.site import Site

#: {subject code: preference day or None}
Choices = Mapping[str, dt.date | None]


class TooManySubjects(KaowuError):
    """报考最大科次数量 (R10.4)."""

    code = "registration.too_many_subjects"
    template = N_("考点最多允许报考{maximum}科，您选择了{count}科。")


class SubjectUnavailable(KaowuError):
    """The site does not offer the subject in this session (R11)."""

    code = "registration.subject_unavailable"
    template = N_("考点未开考科目{subject}，请选择其他科目。")


class PreferenceUnavailable(KaowuError):
    """R14.6: the site takes no preferences, or not this day for this subject."""

    code = "registration.preference_unavailable"
    template = N_("科目{subject}不能选择意向考试日期{day}。请选择其他日期，或不选日期。")


class NothingToWithdraw(KaowuError):
    """Only unpaid entries may be given up; paid ones are cancelled by the site (R25.20)."""

    code = "registration.nothing_to_withdraw"
    template = N_("科目{subject}没有未支付的报考，不能取消。已支付的科目请联系考点办理。")


class PaidAlready(KaowuError):
    """A registration with paid entries is not withdrawn by the candidate."""

    code = "registration.paid_already"
    template = N_("已有支付成功的科目，不能取消报名。如需取消，请联系考点办理。")
    status = 409


def choose_subjects(
    session: Session,
    registration_id: int | None,
    choices: Choices,
    *,
    clock: Clock = system_clock,
) -> None:
    """Make `choices` the whole set of unpaid subjects; paid ones always stay.

    No number means the candidate's own live registration. What is not listed is given up, what is
    new takes a seat, all or nothing. Raises NotFound, NotLive, TooManySubjects, FeeUnset,
    SubjectUnavailable, PreferenceUnavailable, CapacityExceeded, PoolMissing, OrderInFlight,
    BatchLocked, OnlyThroughSite, AgeOutOfRange, causes of `Site.require_online`.
    """
    held, site, offer = hold_at_site(session, registration_id, choices)
    now = clock()  # not before: the gate or the lock may have been waited for
    with permit(session, permits.CHOOSE_SUBJECTS, Verb.RUN, clock=clock):
        held.require_individual()
        held.require_no_payment()
        site.require_online(now)
        paid = {entry.subject_code for entry in held.paid}
        wanted = {code: day for code, day in choices.items() if code not in paid}
        takes = _check_choices(held, site, offer, wanted)
        _check_age(session, held, now)
        seats = _change_of_seats(held, wanted)
        if takes:
            capacity.require_free(seats, offer.free)
        changed, entries = _changed_entries(held, wanted)
        changed += _changed_registration(held, site, wanted, entries, now)
        capacity.move(session, held.registration, seats, changed)


def _check_choices(held: HeldValues, site: Site, offer: Offer, wanted: Choices) -> bool:
    """Returns whether anything is taken: a subject, or another day."""
    present = {entry.subject_code: entry for entry in held.entries}
    new = wanted.keys() - present.keys()
    count = len(wanted) + len(held.paid)
    if new and count > site.settings.max_subjects:
        raise TooManySubjects(maximum=site.settings.max_subjects, count=count)
    moved = {
        code
        for code, day in wanted.items()
        if day is not None and (code in new or present[code].preference_day != day)
    }
    for code in sorted(new):
        _check_offered(offer, code)
    for code in sorted(moved):
        _check_preference(offer, code, wanted[code])
    return bool(new or moved)


def _check_offered(offer: Offer, code: str) -> None:
    subject = offer.subjects.get(code)
    if subject is None:
        raise SubjectUnavailable(subject=code)
    if subject.fee is None:
        raise FeeUnset(what=Message(SUBJECT_FEE, code=code))
    if offer.person_fee is None:
        raise FeeUnset(what=N_("人次费"))


def _check_preference(offer: Offer, code: str, day: dt.date | None) -> None:
    subject = offer.subjects.get(code)
    days = {choice.day for choice in offer.days}
    if day is None or subject is None:
        return
    if day not in days or not subject.first_day <= day <= subject.last_day:
        raise PreferenceUnavailable(subject=code, day=day.isoformat())


def _check_age(session: Session, held: HeldValues, now: dt.datetime) -> None:
    """The age counts on the day of the first submission (domain §3.9)."""
    row = held.registration
    if row.submitted_at is None:
        check_age_in_exam(session, row.exam_id, row.birth, now)


def _change_of_seats(held: HeldValues, wanted: Choices) -> dict[str, int]:
    """{pool: seats to take, or (negative) to give back}."""
    change = Counter(capacity.seats_of(wanted.items()))
    change.subtract(capacity.seats_of(_seats(held.having(EntryState.UNPAID))))
    return {pool: count for pool, count in change.items() if count}


def _seats(entries: Iterable[HeldEntry]) -> list[tuple[str, dt.date | None]]:
    return [(entry.subject_code, entry.preference_day) for entry in entries]


def _changed_entries(held: HeldValues, wanted: Choices) -> tuple[list[Change], list[HeldEntry]]:
    """What is dropped, changed and added; and the entries that hold seats afterwards."""
    row = held.registration
    unpaid = {entry.subject_code: entry for entry in held.having(EntryState.UNPAID)}
    kept = [entry for entry in held.entries if entry.subject_code not in unpaid]
    changes = []
    for code, entry in unpaid.items():
        old = entry.scope | {"state": entry.state, "preference_day": entry.preference_day}
        new: dict[str, Any] = {"state": EntryState.DELETED.value}
        if code in wanted:
            kept.append(entry)
            new = {"preference_day": wanted[code]}
        if any(old[name] != value for name, value in new.items()):
            changes.append(Change(Entry, Verb.EDIT, entry.id, new, old, title=code))
    scope = {name: getattr(row, name) for name in SCOPE}
    for code in sorted(wanted.keys() - unpaid.keys()):
        entry = HeldEntry(new_id(), code, EntryState.UNPAID.value, wanted[code], scope)
        new = scope | {"registration_id": row.id, "subject_code": code, "state": entry.state}
        new["preference_day"] = entry.preference_day
        changes.append(Change(Entry, Verb.ADD, entry.id, new, {}, title=code))
        kept.append(entry)
    return changes, kept


def _changed_registration(
    held: HeldValues, site: Site, wanted: Choices, entries: list[HeldEntry], now: dt.datetime
) -> list[Change]:
    """What is derived from the entries, and the clock: it starts with the first unpaid entry, not
    with a changed choice (R22.8a)."""
    row = held.registration
    new = derived(entries)
    if row.submitted_at is None:
        new["submitted_at"] = now
    if review_in_force(row, site.settings) is Review.OPEN:
        new["review"] = Review.OPEN.value
    if wanted and not held.having(EntryState.UNPAID):
        new["state_changed_at"] = now
    old: Mapping[str, Any] = row._mapping
    new = {name: value for name, value in new.items() if old[name] != value}
    return [Change(Registration, Verb.EDIT, row.id, new, old)] if new else []


# ---------------------------------------------------------------- giving up


def withdraw_entry(
    session: Session, registration_id: int, subject_code: str, *, clock: Clock = system_clock
) -> Registration:
    """The candidate gives up one unpaid subject; at any time, for it frees a seat.

    Raises NothingToWithdraw, OrderInFlight, BatchLocked, OnlyThroughSite.
    """
    with permit(session, permits.WITHDRAW, Verb.RUN, clock=clock):
        held = hold(session, registration_id)
        held.require_individual()
        held.require_no_payment()
        given_up = [
            entry for entry in held.having(EntryState.UNPAID) if entry.subject_code == subject_code
        ]
        if not given_up:
            raise NothingToWithdraw(subject=subject_code)
        seats = end_entries(held, given_up, EntryState.DELETED)
        capacity.release(session, held.registration, seats)
    return held.registration


def withdraw_registration(
    session: Session, registration_id: int, *, clock: Clock = system_clock
) -> None:
    """The candidate gives the whole unpaid registration up and may register elsewhere.

    Raises PaidAlready, OrderInFlight, BatchLocked, OnlyThroughSite.
    """
    with permit(session, permits.WITHDRAW, Verb.RUN, clock=clock):
        held = hold(session, registration_id)
        held.require_individual()
        held.require_no_payment()
        if held.paid:
            raise PaidAlready()
        seats = end_entries(held, held.entries, EntryState.DELETED)
        end_registration(session, held.registration, Life.DELETED)
        capacity.release(session, held.registration, seats)
