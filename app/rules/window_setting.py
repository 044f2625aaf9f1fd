"""Setting the operation windows of organisations below (R0.3, R9): batch, nesting, extension.

A level can set its children's windows only if its own are set, and child ⊆ parent. What is
refused is refused per organisation, with the reason; windows out of chronological order are only
warned of (R6.4 note).
"""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from app.database.policy import actor_of, elevated
from app.metadata.declarations import Declaration, Place, RowOutcome
from app.metadata.errors import LABELLED, N_, KaowuError, Message
from app.metadata.registry import register
from app.metadata.text import LOCAL_ZONE
from app.metadata.vocabulary import Area, Level, Verb, Window
from app.models.exam import ExamDay, OperationWindow
from app.models.organisation import Organisation, below
from app.rules import windows
from app.rules.clock import Clock, system_clock
from app.rules.policy import permit
from app.rules.windows import Interval, local

_SETTERS = frozenset({Verb.VIEW, Verb.EDIT, Verb.EXPORT})
WINDOWS = register(
    Declaration(
        name="operation_window",
        label=N_("考点操作时间设置"),
        menu=Place(Area.WINDOWS, 10),
        verbs={
            Level.CENTER: _SETTERS,
            Level.PROVINCE: _SETTERS,
            Level.CITY: _SETTERS,
            Level.SITE: frozenset({Verb.VIEW, Verb.EXPORT}),
        },
        super_verbs=frozenset({Verb.VIEW, Verb.EXPORT}),
        writes=(OperationWindow,),
    )
)
#: both edges of a window; None in both clears it
Edges = tuple[dt.datetime | None, dt.datetime | None]
REMIND_DAYS = 10


class Unset(StrEnum):
    """Windows that are looked for together where they are unset."""

    #: W1-W3: without them nothing can be prepared
    BEFORE = "before"
    #: W5-W9: a superior is reminded of them from ten days before the exam (R9.2a)
    EXAM = "exam"

    @property
    def windows(self) -> tuple[Window, ...]:
        return _UNSET[self]

    @property
    def label(self) -> str:
        return _UNSET_LABELS[self]


_UNSET = {
    Unset.BEFORE: (Window.SETUP, Window.ELIGIBILITY, Window.REGISTRATION),
    Unset.EXAM: (
        Window.ARRANGEMENT,
        Window.TICKET,
        Window.DISCIPLINE,
        Window.PRE_EXAM,
        Window.POST_EXAM,
    ),
}
_UNSET_LABELS = {
    Unset.BEFORE: N_("报名前至报名管理时间"),
    Unset.EXAM: N_("编排至考后资料下载时间"),
}


class WindowError(KaowuError):
    """Base of the refusals for one organisation."""

    code = "window.error"


class ParentUnset(WindowError):
    """R0.3."""

    code = "window.parent_unset"
    template = N_("{window}：上级“{name}”尚未设置，请先由其上级设置。")


class BeyondParent(WindowError):
    """child ⊆ parent."""

    code = "window.beyond_parent"
    template = N_("{window}：超出上级“{name}”的范围（{interval}）。")


class WrongOrder(WindowError):
    """Start before end."""

    code = "window.wrong_order"
    template = N_("{window}：开始时间应早于结束时间。")


class Incomplete(WindowError):
    """Both edges or none."""

    code = "window.incomplete"
    template = N_("{window}：开始时间和结束时间须同时设置。")


class ChildBeyond(WindowError):
    """A subordinate's window would stick out."""

    code = "window.child_beyond"
    template = N_("{window}：下级“{name}”等 {count} 个机构的时间将超出新的范围，请先调整。")


class NotLater(WindowError):
    """An extension moves the end to later."""

    code = "window.not_later"
    template = N_("{window}：延长后的结束时间应晚于原结束时间（{interval}）。")


class ReasonMissing(WindowError):
    """An extension for one site needs a reason (P4)."""

    code = "window.reason_missing"
    template = N_("请填写延长的原因。")


class NotBelow(WindowError):
    """Windows are set by superiors only (R9.2)."""

    code = "window.not_below"
    template = N_("只能设置下级机构的操作时间；本机构的由上级设置。")
    status = 403


@dataclass(slots=True)
class Outcome:
    """Per organisation what happened, and what the user should look at."""

    rows: list[RowOutcome] = field(default_factory=list)
    warnings: list[Message] = field(default_factory=list)


def subordinates(session: Session) -> list[Organisation]:
    """Organisations strictly below the actor, in order of codes."""
    actor = actor_of(session)
    statement = (
        select(Organisation)
        .where(below(actor), Organisation.id != actor.organisation_id)
        .order_by(Organisation.code)
    )
    return list(session.scalars(statement))


def is_unset(group: Unset) -> Any:
    """SQL condition, with `OperationWindow` outer-joined: a window of the group is not set."""
    starts = [getattr(OperationWindow, f"{window.value}_start") for window in group.windows]
    return or_(*[start.is_(None) for start in starts])


def unset_ids(session: Session, group: Unset) -> set[int]:
    """Enabled organisations below the actor that lack a window of the group. One statement."""
    actor = actor_of(session)
    statement = (
        select(Organisation.id)
        .outerjoin(OperationWindow, OperationWindow.organisation_id == Organisation.id)
        .where(below(actor), Organisation.enabled, is_unset(group))
    )
    return set(session.scalars(statement)) - {actor.organisation_id}


def row_of(session: Session, organisation: Organisation) -> OperationWindow:
    """The organisation's row, made if it is missing."""
    row = session.scalars(
        select(OperationWindow).where(OperationWindow.organisation_id == organisation.id)
    ).first()
    if row is None:
        row = OperationWindow(
            exam_id=organisation.exam_id,
            organisation_id=organisation.id,
            province_id=organisation.province_id,
            city_id=organisation.city_id,
            site_id=organisation.site_id,
        )
        session.add(row)
    return row


def _ancestors(session: Session, organisation: Organisation) -> list[Organisation]:
    """From the direct superior up to the province; the centre needs no windows of its own."""
    found = []
    for organisation_id in (organisation.city_id, organisation.province_id):
        if organisation_id and organisation_id != organisation.id:
            row = session.get(Organisation, organisation_id)
            if row is not None:
                found.append(row)
    return found


def _check_edges(window: Window, edges: Edges) -> None:
    start, end = edges
    if window.open_ended:
        return
    if (start is None) != (end is None):
        raise Incomplete(window=window.label)
    if start is not None and end is not None and start >= end:
        raise WrongOrder(window=window.label)


def _sticks_out(inner: Interval, outer: Interval) -> bool:
    if inner.start is None or outer.start is None:
        return inner.start is not None
    if inner.start < outer.start:
        return True
    return outer.end is not None and inner.end is not None and inner.end > outer.end


def _check_nesting(
    session: Session, organisation: Organisation, window: Window, edges: Edges
) -> None:
    actor = actor_of(session)
    wanted = Interval(*edges, open_ended=window.open_ended)
    if wanted.start is None:
        return
    for ancestor in _ancestors(session, organisation):
        theirs = windows.load(session, ancestor.id)[window]
        must = ancestor.id == actor.organisation_id or ancestor.level == Level.PROVINCE.value
        if theirs.start is None:
            if must:
                raise ParentUnset(window=window.label, name=ancestor.name)
            continue
        if _sticks_out(wanted, theirs):
            raise BeyondParent(window=window.label, name=ancestor.name, interval=theirs.show())


def _check_children(
    session: Session, organisation: Organisation, window: Window, edges: Edges
) -> None:
    column = {
        Level.PROVINCE: OperationWindow.province_id,
        Level.CITY: OperationWindow.city_id,
    }.get(Level(organisation.level))
    if column is None:
        return
    wanted = Interval(*edges, open_ended=window.open_ended)
    rows = session.scalars(
        select(OperationWindow).where(
            column == organisation.id, OperationWindow.organisation_id != organisation.id
        )
    )
    beyond = [
        row.organisation_id
        for row in rows
        if _sticks_out(windows.intervals_of(row)[window], wanted)
    ]
    if beyond:
        first = session.get(Organisation, beyond[0])
        name = first.name if first else ""
        raise ChildBeyond(window=window.label, name=name, count=len(beyond))


def set_windows(
    session: Session,
    organisations: Iterable[Organisation],
    values: Mapping[Window, Edges],
    *,
    clock: Clock = system_clock,
    reason: str | None = None,
) -> Outcome:
    """Set the given windows of several organisations; windows not given stay as they are.

    Each organisation is all or nothing: its first refusal is reported and it is left alone.
    Raises WindowError only for edges that are wrong for everybody.
    """
    for window, edges in values.items():
        _check_edges(window, edges)
    actor = actor_of(session)
    outcome = Outcome()
    with permit(session, WINDOWS, Verb.EDIT, clock=clock, reason=reason):
        for organisation in organisations:
            try:
                if organisation.id == actor.organisation_id:
                    raise NotBelow()
                for window, edges in values.items():
                    _check_nesting(session, organisation, window, edges)
                    _check_children(session, organisation, window, edges)
            except WindowError as refusal:
                outcome.rows.append(
                    RowOutcome(organisation.id, organisation.display, False, str(refusal))
                )
                continue
            _write(session, organisation, values)
            outcome.rows.append(RowOutcome(organisation.id, organisation.display, True))
            outcome.warnings += order_warnings(session, organisation)
    return outcome


def _write(session: Session, organisation: Organisation, values: Mapping[Window, Edges]) -> None:
    row = row_of(session, organisation)
    for window, (start, end) in values.items():
        setattr(row, f"{window.value}_start", start)
        if not window.open_ended:
            setattr(row, f"{window.value}_end", end)
    session.flush()
    windows.forget(session)


def extend(
    session: Session,
    organisation: Organisation,
    window: Window,
    end: dt.datetime,
    reason: str,
    *,
    clock: Clock = system_clock,
) -> None:
    """“上级批准延长” (R0.3, P4): move the end of one window of one organisation to later.

    Raises ReasonMissing, NotLater, ParentUnset, BeyondParent, NotBelow.
    """
    if not reason.strip():
        raise ReasonMissing()
    if organisation.id == actor_of(session).organisation_id:
        raise NotBelow()
    present = windows.load(session, organisation.id)[window]
    if present.start is None or present.end is None or end <= present.end:
        raise NotLater(window=window.label, interval=present.show())
    edges = (present.start, end)
    _check_nesting(session, organisation, window, edges)
    with permit(session, WINDOWS, Verb.EDIT, clock=clock, reason=reason.strip()):
        _write(session, organisation, {window: edges})


def order_warnings(session: Session, organisation: Organisation) -> list[Message]:
    """Windows that end before an earlier step of the work flow does: warned of, not refused."""
    found = []
    intervals = windows.load(session, organisation.id)
    flow = [window for window in Window if intervals[window].start is not None]
    for earlier, later in itertools.pairwise(flow):
        first, second = intervals[earlier], intervals[later]
        if first.start and second.start and second.start < first.start:
            found.append(
                Message(
                    N_("{name}：{later}（{start}）早于{earlier}"),
                    name=organisation.display,
                    later=later.label,
                    start=local(second.start),
                    earlier=earlier.label,
                )
            )
    return found


def unset_reminders(session: Session, clock: Clock = system_clock) -> list[str]:
    """Sites below without W5-W9, from ten days before their first exam day (R9.2a)."""
    actor = actor_of(session)
    if actor.level is Level.SITE:
        return []
    latest = clock().astimezone(LOCAL_ZONE).date() + dt.timedelta(days=REMIND_DAYS)
    first = _first_days(session, actor.exam_id)
    if min(first.values(), default=dt.date.max) > latest:
        return []
    below_unset = (below(actor), Organisation.enabled, is_unset(Unset.EXAM))
    statement = (
        select(Organisation, OperationWindow)
        .outerjoin(OperationWindow, OperationWindow.organisation_id == Organisation.id)
        .where(*below_unset, Organisation.level == Level.SITE.value)
    )
    found: list[str] = []
    for site, row in session.execute(statement.order_by(Organisation.code)):
        if first.get(site.province_id, first.get(None, dt.date.max)) <= latest:
            intervals = windows.intervals_of(row)
            unset = [each.label for each in Unset.EXAM.windows if intervals[each].start is None]
            found.append(Message(LABELLED, label=site.display, message=unset))
    return found


def _first_days(session: Session, exam_id: int | None) -> dict[int | None, dt.date]:
    """{province: its first exam day}; None stands for provinces without days of their own."""
    statement = (
        select(ExamDay.province_id, func.min(ExamDay.day).label("first"))
        .where(ExamDay.exam_id == exam_id)
        .group_by(ExamDay.province_id)
    )
    with elevated(session, "read exam days", ExamDay):
        return {row.province_id: row.first for row in session.execute(statement)}
