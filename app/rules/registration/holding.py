"""A registration, locked, with all that a choice of subjects is decided by, as plain values.

Made for the rush: two statements, each made once, and no rows of the mapper; of the registration
only what the choice needs is read, and no personal data is opened.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import Integer, String, and_, bindparam, literal_column, select, true, union_all
from sqlalchemy.orm import Session

from app.database.policy import actor_of, elevated, rows_of
from app.metadata.errors import NotFound
from app.metadata.vocabulary import Window
from app.models.exam import Exam, OperationWindow
from app.models.organisation import Organisation
from app.models.registration import HOLDING, LIVE, Entry, Registration
from app.models.settings import SiteSettings
from app.rules import gate, policy, site
from app.rules.offer import Offer, OfferRow, offer_from, offer_parameters, offer_statement
from app.rules.registration.states import HeldValues, NotLive
from app.rules.windows import Interval

#: whose a row is; read with every row that may be written
SCOPE = ("exam_id", "province_id", "city_id", "site_id", "passport_id")
_WINDOWS = (Window.REGISTRATION, Window.ONLINE, Window.TICKET)


@dataclass(frozen=True, slots=True)
class HeldEntry:
    """An entry that holds a seat; `scope` are its SCOPE columns."""

    id: int
    subject_code: str
    state: str
    preference_day: dt.date | None
    scope: dict[str, Any]


def _each(values: Iterable[str]) -> list[Any]:
    """States as part of the text of a statement: so the database sees, before it knows values,
    that a partial index serves it."""
    return [literal_column(f"'{value}'", String) for value in values]


_LOCKED = select(
    *(Registration.id, Registration.exam_id, Registration.province_id, Registration.city_id),
    *(Registration.site_id, Registration.passport_id, Registration.version),
    *(Registration.mode, Registration.life, Registration.payment, Registration.review),
    *(Registration.state_changed_at, Registration.submitted_at, Registration.birth),
    *(Registration.subject_codes, Registration.subject_count),
    gate.passes(Registration.site_id).label("gate"),
).with_for_update(key_share=True)  # entries that refer to the row may still be inserted by others
_NUMBERED = _LOCKED.where(Registration.id == bindparam("number"))
_OWN_LIVE = _LOCKED.where(
    Registration.passport_id == bindparam("passport"), Registration.life.in_(_each(LIVE))
)


def _columns_of(offered: Any) -> list[Any]:
    return [column.label(f"offered_{column.key}") for column in offered.c]


def _window_columns() -> list[Any]:
    names = [f"{window.value}_start" for window in _WINDOWS]
    names += [f"{window.value}_end" for window in _WINDOWS if not window.open_ended]
    return [getattr(OperationWindow, name).label(f"window_{name}") for name in names]


_SITE_COLUMNS = (
    *site.PUBLIC_COLUMNS,
    *(SiteSettings.suspension_reason, SiteSettings.open, SiteSettings.review_required),
    *(SiteSettings.online_enabled, SiteSettings.online_start, SiteSettings.online_end),
    *(SiteSettings.class_required, SiteSettings.max_subjects, SiteSettings.self_printing),
    SiteSettings.preference_allowed,
    *_window_columns(),
    Exam.state.label("exam_state"),
)
_ENTRY_COLUMNS = (
    *(Entry.id.label("entry_id"), Entry.subject_code, Entry.state, Entry.preference_day),
    *(getattr(Entry, name).label(f"entry_{name}") for name in SCOPE),
)
_OFFERED = len(OfferRow._fields)
#: sites allow three at most (R10.4): whoever sends more than this is refused for their number, and
#: no statement is made for him
MOST_SUBJECTS = 10
#: kinds of rows
_ENTRIES, _OFFERS = (literal_column(number, Integer) for number in "01")
_KINDS = union_all(select(_ENTRIES.label("kind")), select(_OFFERS))


@lru_cache(maxsize=2 * MOST_SUBJECTS)
def _at_site(with_days: bool, count: int) -> Any:
    """The site with the entries of one of its registrations, and with what it offers of so many
    subjects: rows of one kind, then of the other, at least one of each.

    A statement of its own, so that it sees what was committed while the lock on the registration
    was waited for. The settings are held as `site.hold_site` does.
    """
    kind = _KINDS.subquery("kinds").c.kind
    offered = offer_statement(with_days, count).subquery("offered")
    its_entry = and_(
        kind == _ENTRIES,
        Entry.registration_id == bindparam("registration"),
        Entry.state.in_(_each(state.value for state in HOLDING)),
    )
    return (
        select(*_SITE_COLUMNS, *_ENTRY_COLUMNS, kind, *_columns_of(offered))
        .select_from(SiteSettings)
        .join(Organisation, Organisation.id == SiteSettings.site_id)
        .join(Exam, Exam.id == SiteSettings.exam_id)
        .outerjoin(OperationWindow, OperationWindow.organisation_id == SiteSettings.site_id)
        .join(kind.table, true())
        .outerjoin(Entry, its_entry)
        .outerjoin(offered, kind == _OFFERS)
        .where(SiteSettings.site_id == bindparam("site"))
        .order_by(kind, Entry.subject_code)
        .with_for_update(read=True, of=SiteSettings)
    )


def hold_at_site(
    session: Session, registration_id: int | None, choices: Mapping[str, dt.date | None]
) -> tuple[HeldValues, site.Site, Offer]:
    """Lock a live registration and read it with its site, and with what that offers of `choices`
    (subject code: preference day). None is the candidate's own live one.

    Site, windows, state of the exam session and entries are those of the moment when the lock is
    held, and the site cannot be closed or stopped until the transaction ends (R10.4a). The state
    is remembered for the permit. Raises NotFound, NotLive.
    """
    if registration_id is None:
        found = rows_of(session, _OWN_LIVE, {"passport": actor_of(session).passport_id})
    else:
        found = rows_of(session, _NUMBERED, {"number": registration_id})
    if not found:
        raise NotFound()
    registration = found[0]
    if registration.life not in LIVE:
        raise NotLive()
    with_days, codes = any(choices.values()), sorted(choices)[:MOST_SUBJECTS]
    asked = _place(registration, with_days) | offer_parameters(codes)
    with elevated(session, "read operation windows", OperationWindow):
        rows = rows_of(session, _at_site(with_days, len(codes)), asked)
    if not rows:
        raise NotFound()
    first: Any = rows[0]
    policy.remember_state(session, registration.exam_id, first.exam_state)
    entries = [_entry(row) for row in rows if row.entry_id is not None]
    offered = [OfferRow._make(row[-_OFFERED:]) for row in rows if row.kind == 1]
    return (
        HeldValues(registration, entries),
        site.site_of(first, first, _intervals(first)),
        offer_from(offered, with_days and first.preference_allowed),
    )


def _place(registration: Any, with_days: bool) -> dict[str, Any]:
    place = {
        "registration": registration.id,
        "site": registration.site_id,
        "exam": registration.exam_id,
    }
    return place | {"province": registration.province_id} if with_days else place


def _entry(row: Any) -> HeldEntry:
    scope = {name: getattr(row, f"entry_{name}") for name in SCOPE}
    return HeldEntry(row.entry_id, row.subject_code, row.state, row.preference_day, scope)


def _intervals(row: Any) -> dict[Window, Interval]:
    return {
        window: Interval(
            getattr(row, f"window_{window.value}_start"),
            None if window.open_ended else getattr(row, f"window_{window.value}_end"),
            open_ended=window.open_ended,
        )
        for window in _WINDOWS
    }
