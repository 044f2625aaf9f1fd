"""Lists: a `ListQuery` becomes a SELECT with the declared filters, order and loads.

The actor's scope is added by the session; the resource's row filter and the organisation filter
here. Only declared searches and sortable columns are accepted (fab.md §2.1, holes 9 and 10).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Select, and_, func, inspect, or_, select
from sqlalchemy.orm import Session, joinedload, selectinload

from app.database.keys import keyring
from app.database.policy import actor_of, elevated
from app.metadata import registry
from app.metadata.actor import Actor
from app.metadata.cleaning import clean
from app.metadata.declarations import Resource
from app.metadata.errors import LABELLED, N_, InvalidInput, Message, NotFound
from app.metadata.fields import Field, Kind, Search, fields_of
from app.metadata.query import COUNT_BOUND, ListQuery, digested
from app.metadata.text import LOCAL_ZONE, Bad, in_utc, normalise, parse_date
from app.metadata.vocabulary import Level
from app.models.organisation import Organisation, below
from app.rules import gate

#: rows that an export holds at once; more take memory and win no time (`python -m bench.exports`)
CHUNK = 500
_LOADS: dict[str, Any] = {"selectinload": selectinload, "joinedload": joinedload}


class BadQuery(InvalidInput):
    """A filter or an order that the list does not offer."""

    code = "list.bad_query"
    template = N_("查询条件有误：")


@dataclass(frozen=True, slots=True)
class Page:
    """One page of rows. `total` is exact up to COUNT_BOUND; `more` says that there are more."""

    rows: list[Any]
    total: int
    more: bool
    number: int
    size: int

    @property
    def pages(self) -> int:
        return max(1, -(-self.total // self.size))


def columns_of(resource: Resource) -> list[str]:
    """Names of the list's columns in order: declared ones, or the listed fields."""
    if resource.columns:
        return list(resource.columns)
    listed = [name for name, field in fields_of(resource.model).items() if field.listed]
    return listed + [column.name for column in resource.computed if column.listed]


def searches_of(resource: Resource) -> list[Field]:
    """The fields that the search bar offers, basic ones first."""
    names = resource.searches
    fields = [sought.field for sought in resource.sought]
    fields += [
        field
        for field in fields_of(resource.model).values()
        if field.search and (names is None or field.name in names)
    ]
    return sorted(fields, key=lambda field: field.more)


def is_sortable(resource: Resource, field: Field) -> bool:
    """May a list be ordered by it? Never by what is hidden: the order would tell (hole 9)."""
    encrypted = getattr(getattr(resource.model, field.name).type, "encrypted", False)
    return field.sortable and not encrypted and field.mask is None


def _wrong(field: Field, message: str) -> BadQuery:
    return BadQuery({field.name: [Message(LABELLED, label=field.label, message=message)]})


def _condition(resource: Resource, field: Field, text: str, actor: Actor) -> Any:
    """The condition of one filter; None where its text says nothing (blanks, an open range)."""
    if not normalise(text):
        return None
    for sought in resource.sought:
        if sought.field is field:
            places = sought.places(actor)
            return or_(False, *(and_(rows, _text(field, found, text)) for rows, found in places))
    column = getattr(resource.model, field.name)
    search = field.search
    if search is Search.RANGE:
        return _range(field, column, text)
    if search is Search.CHOICE or field.kind in (Kind.BOOLEAN, Kind.INTEGER, Kind.DATE):
        try:
            return column == clean(field, text)
        except Bad as error:
            raise _wrong(field, error.as_message()) from None
    if field.digest_column:
        return getattr(resource.model, field.digest_column).in_(_digests(field, text))
    return _text(field, column, text)


def _text(field: Field, column: Any, text: str) -> Any:
    """The condition of a filter on a text as it is stored."""
    search, value = field.search, normalise(text)
    if search is Search.PREFIX:
        return column.startswith(value, autoescape=True)
    if search is Search.SUFFIX:
        return or_(column == value, column.endswith(f".{value}", autoescape=True))
    if search is Search.CONTAINS:
        return column.contains(value, autoescape=True)
    return column == value


def _digests(field: Field, text: str) -> list[str]:
    """The digests of all stored forms of a searched text (N6, N7)."""
    try:
        forms = field.searched_as(text) if field.searched_as else (normalise(text),)
    except Bad as error:
        raise _wrong(field, error.as_message()) from None
    return [keyring().digest(form) for form in forms]


def _range(field: Field, column: Any, text: str) -> Any:
    low, _, high = text.partition("..")
    bounds = []
    try:
        for part, is_end in ((low, False), (high, True)):
            if not part.strip():
                continue
            if field.kind is Kind.INTEGER:
                edge: Any = clean(field, part)
            else:
                edge = parse_date(part)
                if field.kind is Kind.DATETIME:
                    clock = dt.time.max if is_end else dt.time.min
                    edge = in_utc(dt.datetime.combine(edge, clock, LOCAL_ZONE))
            bounds.append(column <= edge if is_end else column >= edge)
    except Bad as error:
        raise _wrong(field, error.as_message()) from None
    return and_(True, *bounds) if bounds else None


def base_statement(session: Session, resource: Resource) -> Select[Any]:
    """SELECT of the resource's rows that the actor may see at all."""
    statement: Select[Any] = select(resource.model)
    if resource.row_filter is not None:
        statement = statement.where(resource.row_filter(actor_of(session)))
    if resource.from_above:
        actor = actor_of(session)
        statement = statement.where(resource.model.exam_id == actor.exam_id)
        if actor.province_id is not None:
            statement = statement.where(resource.model.province_id == actor.province_id)
    return statement


def _reading(session: Session, resource: Resource) -> AbstractContextManager[None]:
    """Around every statement on the rows: those of the province above are outside the scope of
    those below it, and bounded by the statement itself."""
    if resource.from_above:
        return elevated(session, "read what the province has set", resource.model)
    return nullcontext()


def _organisation(session: Session, resource: Resource, code: str) -> Any:
    """Condition: rows of the organisation of this code (below the actor) and under it."""
    actor = actor_of(session)
    found = session.scalars(
        select(Organisation).where(below(actor), Organisation.code == code)
    ).first()
    if found is None:
        raise NotFound()
    if found.level == Level.CENTER.value:
        return None
    for column, value in ((f"{found.level}_id", found.id), (f"{found.level}_code", found.code)):
        if hasattr(resource.model, column):
            return getattr(resource.model, column) == value
    raise BadQuery({"organisation": [code]})


def is_placed(resource: Resource) -> bool:
    """Do its rows belong to organisations, so that a superior can filter by them?"""
    return hasattr(resource.model, "province_id") or hasattr(resource.model, "province_code")


def conditions(resource: Resource, query: ListQuery, actor: Actor) -> list[Any]:
    """The conditions of a query's filters; none of them: all rows are asked for. Raises BadQuery.

    Whether somebody has filtered is decided here: a text of blanks or invisible characters is no
    condition, and neither is a range without ends (`without_condition`).
    """
    offered = {field.name: field for field in searches_of(resource)}
    found = list(_conditions(resource, query, actor).values())
    for name, digests in query.digests.items():
        column = offered[name].digest_column if name in offered else None
        if column is None:
            raise BadQuery({name: [name]})
        found.append(getattr(resource.model, column).in_(digests))
    return [condition for condition in found if condition is not None]


def _conditions(resource: Resource, query: ListQuery, actor: Actor) -> dict[str, Any]:
    """{name: condition, or None} of the filters that come as text."""
    offered = {field.name: field for field in searches_of(resource)}
    if unknown := sorted(set(query.filters) - set(offered)):
        raise BadQuery({name: [name] for name in unknown})
    return {
        name: _condition(resource, offered[name], text, actor)
        for name, text in query.filters.items()
    }


def without_condition(resource: Resource, query: ListQuery, actor: Actor) -> list[str]:
    """The filters whose text says nothing. In the address of a list they do no harm; who chooses
    rows to be changed would choose all of them. Raises BadQuery."""
    found = _conditions(resource, query, actor)
    return sorted(name for name, condition in found.items() if condition is None)


def kept(query: ListQuery) -> ListQuery:
    """The query as it may be stored or sent away: digests instead of personal text (§8.2), which
    are looked for just so. Raises BadQuery for a text that cannot be read."""
    resource = registry.find(query.resource, Resource)
    hidden = digested(query.resource)
    if resource is None or not hidden & set(query.filters):
        return query
    fields = fields_of(resource.model)
    digests = {
        name: _digests(fields[name], text)
        for name, text in query.filters.items()
        if name in hidden and normalise(text)
    }
    filters = {name: text for name, text in query.filters.items() if name not in hidden}
    return replace(query, filters=filters, digests={**query.digests, **digests})


def statement_for(session: Session, resource: Resource, query: ListQuery) -> Select[Any]:
    """The unordered SELECT of a query. Raises BadQuery, NotFound (organisation)."""
    asked_for = conditions(resource, query, actor_of(session))
    statement = base_statement(session, resource).where(*asked_for)
    if query.organisation:
        condition = _organisation(session, resource, query.organisation)
        if condition is not None:
            statement = statement.where(condition)
    if query.high_water is not None:
        statement = statement.where(resource.model.id <= query.high_water)
    return statement


def _ordered(resource: Resource, query: ListQuery, statement: Select[Any]) -> Select[Any]:
    fields = fields_of(resource.model)
    order: tuple[tuple[str, str], ...] = resource.order
    if query.order is not None:
        name, direction = query.order
        field = fields.get(name)
        offered = field is not None and is_sortable(resource, field)
        if not offered or direction not in ("asc", "desc"):
            raise BadQuery({name: [name]})
        order = (query.order, ("id", "asc"))
    elif order[-1][0] != "id":
        order = (*order, ("id", "asc"))
    for name, direction in order:
        column = getattr(resource.model, name)
        statement = statement.order_by(column.desc() if direction == "desc" else column.asc())
    return statement


def loads_of(resource: Resource) -> list[Any]:
    """Loader options for what the list shows from related rows: no query per row."""
    mapper: Any = inspect(resource.model)
    names = {field.shown_as for field in fields_of(resource.model).values() if field.shown_as}
    names |= {name for column in resource.computed for name in column.loads}
    options = []
    for path in sorted(filter(None, names)):
        owner, option = mapper, None
        for name in path.split("."):  # "entry.registration" follows two relationships
            relationship = owner.relationships.get(name)
            if relationship is None:
                break
            load = "selectinload" if relationship.uselist else "joinedload"
            attribute = getattr(owner.class_, name)
            start = _LOADS[load] if option is None else getattr(option, load)
            option = start(attribute)
            owner = relationship.mapper
        if option is not None:
            options.append(option)
    return options


def page(
    session: Session, resource: Resource, query: ListQuery, *, number: int = 1, size: int = 20
) -> Page:
    """One page of a list: at most two statements beside the related loads.

    `number` counts from 1 and is clipped to the last countable page.
    """
    statement = statement_for(session, resource, query)
    bounded = statement.with_only_columns(resource.model.id).limit(COUNT_BOUND + 1).subquery()
    with _reading(session, resource):
        total = session.scalar(select(func.count()).select_from(bounded)) or 0
    more, total = total > COUNT_BOUND, min(total, COUNT_BOUND)
    number = min(max(number, 1), max(1, -(-total // size)))
    ordered = _ordered(resource, query, statement).options(*loads_of(resource))
    with _reading(session, resource):
        rows = session.scalars(ordered.limit(size).offset((number - 1) * size)).unique().all()
    return Page(list(rows), total, more, number, size)


def seen(session: Session, resource: Resource, query: ListQuery) -> ListQuery:
    """The query with the exact count and the highest id: what an operation on all results
    stores, so that it touches what the user saw and no later rows."""
    statement = statement_for(session, resource, query)
    inner = statement.with_only_columns(resource.model.id).subquery()
    with _reading(session, resource):
        count, highest = session.execute(select(func.count(), func.max(inner.c.id))).one()
    return query.bounded(highest, count)


def rows_by_id(
    session: Session, resource: Resource, ids: list[int], *, lock: bool = False
) -> list[Any]:
    """The rows of these ids in scope, in the order of the ids; `lock` holds them until the end
    of the transaction and reads them afresh.

    Raises NotFound if any is missing: a row outside the scope is not told apart (P1).
    """
    found: dict[int, Any] = {}
    for start in range(0, len(ids), 500):
        chunk = ids[start : start + 500]
        statement = base_statement(session, resource).where(resource.model.id.in_(chunk))
        if lock:
            gate.close_for(session, resource.model, chunk)
            statement = statement.order_by(resource.model.id).with_for_update(of=resource.model)
            statement = statement.execution_options(populate_existing=True)
        with _reading(session, resource):
            rows = session.scalars(statement.options(*loads_of(resource))).unique().all()
        found.update({row.id: row for row in rows})
    if len(found) != len(set(ids)):
        raise NotFound()
    return [found[row_id] for row_id in dict.fromkeys(ids)]


def ids_of(session: Session, resource: Resource, query: ListQuery) -> list[int]:
    """The ids of all rows of a query, ascending."""
    statement = statement_for(session, resource, query).with_only_columns(resource.model.id)
    with _reading(session, resource):
        return list(session.scalars(statement.order_by(resource.model.id)))


def row_by_id(session: Session, resource: Resource, row_id: int) -> Any:
    """One row in scope; NotFound otherwise."""
    return rows_by_id(session, resource, [row_id])[0]


def stream(
    session: Session, resource: Resource, query: ListQuery, *, size: int = CHUNK
) -> Iterator[list[Any]]:
    """All rows of a query by ascending id, in chunks (keyset: no row twice, flat memory).

    The caller forgets rows (`session.expunge_all`) as it likes between the chunks.
    """
    statement = statement_for(session, resource, query).options(*loads_of(resource))
    last = 0
    while True:
        step = statement.where(resource.model.id > last).order_by(resource.model.id).limit(size)
        with _reading(session, resource):
            rows = list(session.scalars(step).unique())
        if not rows:
            return
        last = rows[-1].id
        yield rows
        if len(rows) < size:
            return
