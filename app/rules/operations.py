"""Running an operation: on one row, on selected rows, on all results of a query, on the page.

One way for page, job and command line. Rows are read in the actor's scope when they are written,
each is asked again whether it may be done, and what became of each is reported.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.database.policy import actor_of
from app.metadata import registry
from app.metadata.actor import Actor
from app.metadata.cleaning import load
from app.metadata.declarations import On, Operation, Resource, RowOutcome
from app.metadata.errors import N_, InvalidInput, KaowuError
from app.metadata.fields import Field, Kind
from app.metadata.presenting import title_of
from app.metadata.query import ListQuery
from app.metadata.vocabulary import Personal, Verb
from app.rules import audit, availability, crud, effects, listing
from app.rules.clock import Clock, system_clock
from app.rules.policy import check, permit

#: rows are handed to `apply` in groups of this size
CHUNK = 500
#: name of the compulsory reason among the values of a form
REASON = "_reason"
REASON_FIELD = Field(
    name=REASON,
    label=N_("操作原因"),
    personal=Personal.NONE,
    required=True,
    max_length=200,
    help=N_("将记入操作日志"),
)


class TooManyRows(KaowuError):
    """More rows than the operation takes at once."""

    code = "operation.too_many"
    template = N_("一次最多处理 {limit} 条，当前为 {count} 条。请缩小范围后重试。")


class NothingChosen(KaowuError):
    """No row was selected, or the query finds none."""

    code = "operation.nothing"
    template = N_("没有选中任何记录。请先选择记录。")


class WrongTarget(KaowuError):
    """The operation does not work on this kind of choice."""

    code = "operation.wrong_target"
    template = N_("“{label}”不能这样使用，请在列表中选择记录后操作。")


class OnlyOnPage(KaowuError):
    """The operation asks for what only its page can take: the password again, or a file."""

    code = "operation.only_on_page"
    template = N_("“{label}”须在页面上操作，不能通过接口或命令行执行。")
    status = 403


class QueryChanged(KaowuError):
    """Meanwhile more rows fit the query than were confirmed."""

    code = "operation.query_changed"
    template = N_("查询结果已由 {expected} 条变为 {count} 条，请核对后重新确认。")
    status = 409


class Rehearsed(Exception):
    """Carries the report of a rehearsal out of the unit of work, which so undoes everything."""

    def __init__(self, report: Report) -> None:
        super().__init__()
        self.report = report


@dataclass(frozen=True, slots=True)
class Chosen:
    """What the operation is to work on: ids, or a query, or (neither) the page."""

    ids: tuple[int, ...] = ()
    query: ListQuery | None = None

    def to_json(self) -> dict[str, Any]:
        """A JSON value for a job; ids as text."""
        return {
            "ids": [str(number) for number in self.ids],
            "query": listing.kept(self.query).to_json() if self.query else None,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Chosen:
        """The reverse."""
        query = value.get("query")
        ids = tuple(int(number) for number in value.get("ids", ()))
        return cls(ids, ListQuery.from_json(query) if query else None)


@dataclass(frozen=True, slots=True)
class OperationContext:
    """What `Operation.apply` is told beside the rows and the cleaned values."""

    operation: Operation
    actor: Actor
    clock: Clock
    reason: str | None = None


@dataclass(slots=True)
class Report:
    """What became of every row, in the order of the rows."""

    outcomes: list[RowOutcome] = field(default_factory=list)
    #: how many rows were chosen
    chosen: int = 0
    reason: str | None = None

    @property
    def done(self) -> int:
        return sum(outcome.done for outcome in self.outcomes)

    @property
    def skipped(self) -> int:
        return len(self.outcomes) - self.done


def resource_of(operation: Operation) -> Resource:
    """The resource that the operation belongs to (the registry has checked that it exists)."""
    found = registry.find(operation.resource, Resource)
    if found is None:
        raise LookupError(operation.resource)
    return found


def fields_of(operation: Operation, session: Session) -> list[Field]:
    """The operation's form: its fields, those that depend on the data, then the reason where one
    is compulsory."""
    living = operation.living_fields(session, None) if operation.living_fields else ()
    reason = [REASON_FIELD] if operation.reason_required else []
    return [*operation.fields, *living, *reason]


def count(session: Session, operation: Operation, chosen: Chosen) -> int:
    """How many rows are chosen. Raises WrongTarget, NothingChosen, TooManyRows, QueryChanged."""
    if operation.on == frozenset({On.PAGE}):
        if chosen.ids or chosen.query:
            raise WrongTarget(label=operation.label)
        return 0
    number = _number(session, operation, chosen)
    if number == 0:
        raise NothingChosen()
    if operation.limit is not None and number > operation.limit:
        raise TooManyRows(limit=operation.limit, count=number)
    return number


def _number(session: Session, operation: Operation, chosen: Chosen) -> int:
    if chosen.query is None:
        wanted = On.ROW if len(chosen.ids) == 1 else On.SELECTION
        if chosen.ids and not operation.on & {wanted, On.SELECTION}:
            raise WrongTarget(label=operation.label)
        return len(set(chosen.ids))
    resource = resource_of(operation)
    if On.QUERY not in operation.on or chosen.query.resource != resource.name:
        raise WrongTarget(label=operation.label)
    statement = listing.statement_for(session, resource, chosen.query)
    ids = statement.with_only_columns(resource.model.id).subquery()
    number = session.scalar(select(func.count()).select_from(ids)) or 0
    expected = chosen.query.expected
    if expected is not None and number > expected:
        raise QueryChanged(expected=expected, count=number)
    return number


def _cleaned(session: Session, operation: Operation, values: Mapping[str, Any]) -> dict[str, Any]:
    fields = fields_of(operation, session)
    return load(fields, values, crud.choices_for(session, fields, actor_of(session)))


def _prepare(
    session: Session, operation: Operation, chosen: Chosen, cleaned: Mapping[str, Any]
) -> None:
    if operation.prepare is not None:
        operation.prepare(session, chosen, cleaned)


def _ask(
    session: Session,
    operation: Operation,
    chosen: Chosen,
    cleaned: Mapping[str, Any],
    *,
    confirmed: str,
    clock: Clock,
) -> None:
    """Raise Unconfirmed for effects that were not confirmed; who confirms all is not asked."""
    if confirmed == effects.ALL or not effects.has_rules(operation.name, Verb.RUN):
        return
    resource = resource_of(operation)
    query = chosen.query
    ids = listing.ids_of(session, resource, query) if query else list(chosen.ids)
    rows = listing.rows_by_id(session, resource, ids)
    if operation.allowed is not None:
        rows = [row for row in rows if not operation.allowed(row)]
    context = crud.Context(session, actor_of(session), clock, Verb.RUN, cleaned)
    effects.require(effects.found(operation.name, Verb.RUN, rows, context), confirmed)


def require_confirmed(
    session: Session,
    operation: Operation,
    chosen: Chosen,
    values: Mapping[str, Any],
    confirmed: str,
    *,
    clock: Clock = system_clock,
) -> None:
    """What `run` asks before it begins, for who hands it to a job: InvalidInput, Unconfirmed."""
    cleaned = _cleaned(session, operation, values)
    cleaned.pop(REASON, None)
    _prepare(session, operation, chosen, cleaned)
    _ask(session, operation, chosen, cleaned, confirmed=confirmed, clock=clock)


def run(
    session: Session,
    operation: Operation,
    chosen: Chosen,
    values: Mapping[str, Any],
    *,
    clock: Clock = system_clock,
    progress: Callable[[int], None] | None = None,
    confirmed: str = effects.ALL,
) -> Report:
    """Do it, in the session's transaction. `values` are the form's raw ones.

    Raises InvalidInput with all field errors, the refusals of `count` and of the policy,
    NotFound for a selected row outside the scope, Unconfirmed for effects that `confirmed` does
    not name, and what `apply` raises; then nothing is done.
    `progress(rows so far)` is called after each group of rows.
    """
    actor = actor_of(session)
    resource = resource_of(operation)
    for name in (operation.name, resource.name):
        availability.require(session, name, actor)
    cleaned = _cleaned(session, operation, values)
    reason = cleaned.pop(REASON, None)
    _prepare(session, operation, chosen, cleaned)
    number = count(session, operation, chosen)
    _ask(session, operation, chosen, cleaned, confirmed=confirmed, clock=clock)
    context = OperationContext(operation, actor, clock, reason)
    report = Report(chosen=number, reason=reason)
    with permit(session, operation, Verb.RUN, clock=clock, reason=reason, models=(resource.model,)):
        if operation.on == frozenset({On.PAGE}):
            report.outcomes += operation.apply(session, [], cleaned, context) or []
        else:
            for rows in _groups(session, resource, chosen):
                report.outcomes += _apply(session, resource, rows, cleaned, context)
                session.flush()
                if progress is not None:
                    progress(len(report.outcomes))
    _record(session, operation, chosen, report)
    return report


def rehearse(
    session: Session,
    operation: Operation,
    chosen: Chosen,
    values: Mapping[str, Any],
    *,
    clock: Clock = system_clock,
) -> NoReturn:
    """Do it as `run` does, and undo it: raises Rehearsed with the report.

    It must end the unit of work, so it is the last thing that is called there. What `run` refuses
    is refused here; nothing is kept, no entry in the log and no job.
    """
    raise Rehearsed(run(session, operation, chosen, values, clock=clock))


def require(session: Session, operation: Operation, clock: Clock = system_clock) -> None:
    """What can be refused before anything is asked: raises NotUsed, or what the policy refuses."""
    actor = actor_of(session)
    for name in (operation.name, operation.resource):
        availability.require(session, name, actor)
    check(session, operation, Verb.RUN, actor, clock).require()


def with_defaults(fields: Iterable[Field], values: Mapping[str, Any]) -> dict[str, Any]:
    """Raw values as the page would send them: a field that is not named keeps its first value."""
    return {f.name: f.default for f in fields if f.default is not None} | dict(values)


def takes_file(operation: Operation, session: Session) -> bool:
    """Does its form ask for a file? Neither REST nor the command line can send one."""
    return any(field.kind is Kind.FILE for field in fields_of(operation, session))


def _groups(session: Session, resource: Resource, chosen: Chosen) -> Iterator[list[Any]]:
    """The rows, locked, in groups. The ids of a query are read first: what the operation changes
    must not move rows in or out of the query while it runs."""
    by_query = chosen.query is not None
    ids = listing.ids_of(session, resource, chosen.query) if chosen.query else list(chosen.ids)
    for start in range(0, len(ids), CHUNK):
        chunk = ids[start : start + CHUNK]
        if by_query:  # somebody may have deleted one since
            still = resource.model.id.in_(chunk)
            chunk = list(session.scalars(select(resource.model.id).where(still)))
        yield listing.rows_by_id(session, resource, sorted(chunk), lock=True)


def _apply(
    session: Session,
    resource: Resource,
    rows: list[Any],
    values: Mapping[str, Any],
    context: OperationContext,
) -> list[RowOutcome]:
    """Skip the rows that the operation does not allow, hand the others to it."""
    allowed = context.operation.allowed
    skipped = []
    kept = []
    for row in rows:
        reason = allowed(row) if allowed else None
        if reason:
            skipped.append(RowOutcome(row.id, title_of(resource, row), False, reason))
        else:
            kept.append(row)
    done = context.operation.apply(session, kept, values, context) if kept else []
    return [*skipped, *(done or [])]


def _record(session: Session, operation: Operation, chosen: Chosen, report: Report) -> None:
    """One entry for the run itself, beside those of the rows: it also tells of runs that skipped
    everything, and by which conditions rows were chosen (names only: values may be personal)."""
    facts: dict[str, Any] = {
        "chosen": report.chosen,
        "done": report.done,
        "skipped": report.skipped,
        "filters": chosen.query.names if chosen.query else None,
    }
    model = resource_of(operation).model
    audit.record(
        session,
        f"{audit.area_of(model)}.{operation.name}.run",
        object_type=model.__name__,
        title=operation.label,
        reason=report.reason,
        changes={
            name: {"label": "", "old": None, "new": value}
            for name, value in facts.items()
            if value is not None
        },
    )
    session.flush()


__all__ = [
    "REASON",
    "Chosen",
    "InvalidInput",
    "NothingChosen",
    "OnlyOnPage",
    "OperationContext",
    "QueryChanged",
    "Rehearsed",
    "Report",
    "TooManyRows",
    "WrongTarget",
    "count",
    "fields_of",
    "rehearse",
    "require",
    "resource_of",
    "run",
    "takes_file",
    "with_defaults",
]
