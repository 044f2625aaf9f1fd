"""May this actor do this, to this, now? One pure function, and the permit that asks it.

`decide` knows neither HTTP nor database: the full product of declaration × level × verb ×
relation × window × session state is tested against it. `permit` gathers the facts, asks it,
and opens the permit on the session; every channel goes through `permit`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from enum import StrEnum

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from app.database import policy as guard
from app.metadata.actor import Actor
from app.metadata.declarations import Declaration
from app.metadata.errors import N_, PolicyDenied
from app.metadata.vocabulary import FILING, READING, ExamState, Level, Verb, Window
from app.models.exam import Exam
from app.rules import (
    audit,  # noqa: F401 - whoever can open a permit is logged: its observer comes along
    windows,
)
from app.rules.clock import Clock, system_clock
from app.rules.windows import Interval, WindowState


class NoVerb(PolicyDenied):
    """The matrix does not grant the verb."""

    code = "policy.no_verb"
    template = N_("您没有“{label}”的{verb}权限。如需办理，请联系上级管理员。")


class HistoricExam(PolicyDenied):
    """Writing in a history session (R0.4)."""

    code = "policy.historic_exam"
    template = N_("历史考次的数据只能查看和导出，不能修改。")


class PreparingExam(PolicyDenied):
    """Writing in a session that is still prepared (R0.4a)."""

    code = "policy.preparing_exam"
    template = N_("该考次正在筹备中，只有考试中心和省可以修改。")


class OnlyInCurrentExam(PolicyDenied):
    """R0.4 (3): what belongs to no session is changed only while the current one is selected."""

    code = "policy.only_in_current_exam"
    template = N_("学籍库只能在当前考次中修改。请切换到当前考次后操作。")


class NotVisibleExam(PolicyDenied):
    """Candidates see the current session only (R3.6)."""

    code = "policy.exam_not_visible"
    template = N_("该考次目前不开放。")


class WindowClosed(PolicyDenied):
    """Outside the operation window (R0.2). The sentence says what to do."""

    code = "policy.window_closed"
    template = N_("当前不在{window}内（{interval}），不能操作。如需延长，请联系上级管理员。")


class WrongOrganisation(PolicyDenied):
    """The target is not below the actor."""

    code = "policy.out_of_scope"
    template = N_("该机构不在您的管辖范围内。")
    status = 404


class Relation(StrEnum):
    """How the target's organisation stands to the actor's."""

    OWN = "own"
    BELOW = "below"
    ABOVE = "above"
    FOREIGN = "foreign"


@dataclass(frozen=True, slots=True)
class Target:
    """The facts about what is acted on.

    `windows` are those of the organisation that the window binds (the actor's own).
    """

    exam_state: ExamState | None = None
    relation: Relation = Relation.OWN
    windows: Mapping[Window, Interval] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Decision:
    """Allowed, or the refusal to raise."""

    allowed: bool
    refusal: PolicyDenied | None = None

    def require(self) -> None:
        """Raise the refusal, if any."""
        if self.refusal is not None:
            raise self.refusal


_ALLOWED = Decision(True)


def _no(refusal: PolicyDenied) -> Decision:
    return Decision(False, refusal)


def granted(declaration: Declaration, verb: Verb, actor: Actor) -> bool:
    """Does the matrix (or, without one, the declaration's default) grant the verb?"""
    if actor.is_system:
        return True
    if actor.grants is not None and actor.level is not Level.CANDIDATE:
        return (declaration.name, verb) in actor.grants
    roles = {actor.level.value, *actor.roles}
    return any(verb in declaration.default_verbs(role) for role in roles)


def decide(
    declaration: Declaration, verb: Verb, actor: Actor, target: Target, at: dt.datetime
) -> Decision:
    """Decide in this order: verb, relation, session state, window.

    Pure: no HTTP, no database. `at` is aware UTC.
    """
    if not granted(declaration, verb, actor):
        return _no(NoVerb(label=declaration.label, verb=verb.label))
    if target.relation in (Relation.FOREIGN, Relation.ABOVE) and not actor.is_system:
        return _no(WrongOrganisation())
    by_state = _by_exam_state(declaration, verb, actor, target.exam_state)
    if by_state is not None:
        return by_state
    if actor.is_system or not declaration.is_gated(verb, actor.level):
        return _ALLOWED
    if target.exam_state is ExamState.HISTORY and verb in FILING:
        return _ALLOWED  # R0.4 exception 2: W6, W8 and W9 do not gate in history
    return _by_window(declaration, target, at)


def _by_exam_state(
    declaration: Declaration, verb: Verb, actor: Actor, state: ExamState | None
) -> Decision | None:
    if actor.level is Level.CANDIDATE and state is not ExamState.CURRENT:
        return _no(NotVisibleExam())
    if verb in READING or state is None:
        return None
    if declaration.per_exam:
        if state is ExamState.HISTORY and verb not in FILING and not declaration.in_history:
            return _no(HistoricExam())
        lower = actor.level in (Level.CITY, Level.SITE)
        if state is ExamState.PREPARING and lower and not actor.is_system:
            return _no(PreparingExam())
    if declaration.current_only and state is not ExamState.CURRENT:
        return _no(OnlyInCurrentExam())
    return None


def _by_window(declaration: Declaration, target: Target, at: dt.datetime) -> Decision:
    window = declaration.window
    if window is None:
        return _ALLOWED
    interval = target.windows.get(window, Interval(open_ended=window.open_ended))
    if interval.state(at) is WindowState.OPEN:
        return _ALLOWED
    return _no(WindowClosed(window=window.label, interval=interval.show()))


def relation_of(
    actor: Actor, province_id: int | None, city_id: int | None, site_id: int | None
) -> Relation:
    """How an organisation path stands to the actor's place."""
    theirs = (province_id, city_id, site_id)
    mine = (actor.province_id, actor.city_id, actor.site_id)
    if theirs == mine:
        return Relation.OWN
    column = {Level.CENTER: None, Level.PROVINCE: 0, Level.CITY: 1, Level.SITE: 2}
    index = column.get(actor.level)
    if actor.level is Level.CENTER or (index is not None and theirs[index] == mine[index]):
        return Relation.BELOW
    return Relation.FOREIGN


#: Made once: every permit asks it, and building it costs as much as running it.
_STATE = select(Exam.__table__.c.state).where(Exam.__table__.c.id == bindparam("exam_id"))


def exam_state(session: Session, exam_id: int | None) -> ExamState | None:
    """State of the session; remembered for the unit of work."""
    if exam_id is None:
        return None
    cache: dict[int, ExamState] = session.info.setdefault("kaowu_exam_states", {})
    if exam_id not in cache:
        # in Core: no row of a scope, so there is nothing for the session's criteria to bound
        state = session.connection().scalar(_STATE, {"exam_id": exam_id})
        if state is None:
            return None
        cache[exam_id] = ExamState(state)
    return cache[exam_id]


def remember_exam(session: Session, exam: Exam) -> None:
    """The session of the exam has been read already: do not ask for its state again."""
    remember_state(session, exam.id, exam.state)


def remember_state(session: Session, exam_id: int, state: str) -> None:
    """As `remember_exam`, where a statement has read the state along."""
    session.info.setdefault("kaowu_exam_states", {})[exam_id] = ExamState(state)


def target_for(session: Session, actor: Actor, declaration: Declaration) -> Target:
    """The facts about the actor's own place: what `permit` and the pages' buttons ask with."""
    organisation_id = actor.organisation_id
    gate = declaration.window is not None and organisation_id is not None
    return Target(
        exam_state=exam_state(session, actor.exam_id),
        windows=windows.load(session, organisation_id) if gate else {},
    )


def check(
    session: Session,
    declaration: Declaration,
    verb: Verb,
    actor: Actor,
    clock: Clock = system_clock,
) -> Decision:
    """Decide for the actor's own place now. For buttons and read pages; raises nothing."""
    return decide(declaration, verb, actor, target_for(session, actor, declaration), clock())


@contextmanager
def permit(
    session: Session,
    declaration: Declaration,
    verb: Verb,
    *,
    clock: Clock = system_clock,
    reason: str | None = None,
    models: tuple[type, ...] = (),
) -> Iterator[Actor]:
    """Open the right to write under `declaration`; yields the session's actor.

    `models` are further models that this one use writes. What is pending is flushed at the end,
    inside the permit. Raises the refusal of `decide`.
    """
    actor = guard.actor_of(session)
    check(session, declaration, verb, actor, clock).require()
    opened = guard.Permit(declaration, verb, actor, reason, frozenset(models))
    with guard.open_permit(session, opened):
        yield actor


@contextmanager
def widened(session: Session, *models: type) -> Iterator[None]:
    """Within a permit that is open: these models may be written as well, as its consequence.

    For what comes into being or changes together with the row that was permitted (the settings of
    a new site, the numbers of a sitting's neighbours). No matrix cell stands for it: the open
    permit has decided. Raises NoPermit where none is open.
    """
    permits = guard.state_of(session).permits
    if not permits:
        raise guard.NoPermit()
    outer = permits[-1]
    opened = replace(outer, models=outer.models | frozenset(models))
    with guard.open_permit(session, opened):
        yield
