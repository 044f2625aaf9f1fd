"""REST of operations: POST /api/v1/operation/<name>/ under the number of the session.

The body chooses rows, gives the values of the form, and says whether it is only a rehearsal:

    {"ids": ["…"], "values": {…}, "reason": "…", "dry_run": false, "confirm": false}
    {"query": {"filters": {…}, "organisation": "", "expected": 23, "high_water": "…"}, …}

An operation of the page names neither. The same rules as on the page decide. All results of a
query are only touched with the count that was confirmed: a rehearsal answers the `query` to send.
Effects on what exists are refused with 409 until `confirm` is true, or the code of that answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from flask import Response, jsonify
from flask_appbuilder import BaseView, expose

from app.metadata.cleaning import load
from app.metadata.declarations import Operation
from app.metadata.errors import N_, InvalidInput, KaowuError
from app.metadata.query import ListQuery
from app.metadata.vocabulary import Verb
from app.rules import crud, listing, operations
from app.rules.operations import REASON, Chosen, Report
from app.views import request as context
from app.views.engine import jobs
from app.views.engine.answers import verb
from app.views.engine.asked import organisation_code
from app.views.engine.rest import (
    NO_BOOLEAN,
    NO_OBJECT,
    NO_TEXT,
    UNKNOWN,
    accepted,
    confirmed_in,
    json_body,
)
from app.views.texts import text

PREFIX = "/api/v1/operation"
#: members of the body, and of its `query`
BODY = frozenset({"ids", "query", "values", "reason", "dry_run", "confirm"})
QUERY = frozenset({"filters", "organisation", "expected", "high_water"})
#: ids of one request; more are chosen by a query
MOST_IDS = 1_000
#: rows of a report, those that were skipped first; all are in the log
SHOWN = 1_000
_NO_IDS = N_("应为编号的列表")
_NO_NUMBER = N_("应为整数")
_NO_CONDITION = N_("没有内容；要选择全部记录，请去掉这个条件")


class Unconfirmed(KaowuError):
    """All results of a query are asked for without the count that was seen."""

    code = "operation.unconfirmed"
    template = N_("请先试运行（dry_run），核对条数后连同返回的 query 再提交。")


@dataclass(frozen=True, slots=True)
class Order:
    """What a request asks for: the rows, the raw values, and whether it is only tried."""

    chosen: Chosen
    values: Mapping[str, Any] = field(default_factory=dict)
    dry_run: bool = False
    #: which effects are confirmed (`rest.confirmed_in`)
    confirmed: str = ""


def order_of(operation: Operation, body: Mapping[str, Any]) -> Order:
    """Read a body. Raises InvalidInput at the first member that is wrong."""
    if unknown := sorted(set(body) - BODY):
        raise InvalidInput({name: [UNKNOWN] for name in unknown})
    if body.get("ids") is not None and body.get("query") is not None:
        raise InvalidInput({"query": [UNKNOWN]})
    confirmed = confirmed_in(dict(body))
    values = dict(_mapping("values", body.get("values")))
    if REASON in values:
        raise InvalidInput({REASON: [UNKNOWN]})
    if body.get("reason") is not None:
        values[REASON] = body["reason"]
    dry_run = body.get("dry_run", False)
    if not isinstance(dry_run, bool):
        raise InvalidInput({"dry_run": [NO_BOOLEAN]})
    return Order(_chosen(operation, body), values, dry_run, confirmed)


def _chosen(operation: Operation, body: Mapping[str, Any]) -> Chosen:
    if body.get("query") is not None:
        return Chosen(query=_query(operation, _mapping("query", body["query"])))
    ids = body.get("ids") or []
    if not isinstance(ids, list) or not all(_is_key(item) for item in ids):
        raise InvalidInput({"ids": [_NO_IDS]})
    if len(ids) > MOST_IDS:
        raise operations.TooManyRows(limit=MOST_IDS, count=len(ids))
    return Chosen(tuple(dict.fromkeys(int(item) for item in ids)))


def _query(operation: Operation, given: Mapping[str, Any]) -> ListQuery:
    if unknown := sorted(set(given) - QUERY):
        raise InvalidInput({f"query.{name}": [UNKNOWN] for name in unknown})
    filters = _mapping("query.filters", given.get("filters"))
    if wrong := sorted(name for name, value in filters.items() if not isinstance(value, str)):
        raise InvalidInput({f"query.filters.{name}": [NO_TEXT] for name in wrong})
    organisation = given.get("organisation") or ""
    if not isinstance(organisation, str):
        raise InvalidInput({"query.organisation": [NO_TEXT]})
    expected, high_water = given.get("expected"), given.get("high_water")
    if expected is not None and (type(expected) is not int or expected < 0):
        raise InvalidInput({"query.expected": [_NO_NUMBER]})
    if high_water is not None and not _is_key(high_water):
        raise InvalidInput({"query.high_water": [_NO_NUMBER]})
    query = ListQuery(
        operation.resource,
        filters,
        organisation=organisation_code(organisation),
        high_water=None if high_water is None else int(high_water),
        expected=expected,
    )
    resource = operations.resource_of(operation)
    if empty := listing.without_condition(resource, query, context.actor()):
        raise InvalidInput({f"query.filters.{name}": [_NO_CONDITION] for name in empty})
    return query


def _echo(query: ListQuery) -> dict[str, Any]:
    """The query as it was sent, with the bounds to confirm: member `query` of the next request."""
    high_water = query.high_water
    return {
        "expected": query.expected,
        "filters": dict(query.filters),
        "high_water": None if high_water is None else str(high_water),
        "organisation": query.organisation,
    }


def _mapping(name: str, value: Any) -> Mapping[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise InvalidInput({name: [NO_OBJECT]})
    return value


def _is_key(item: Any) -> bool:
    """A key as text, as REST gives it out; small ones may come as numbers."""
    if type(item) is int:
        return 0 <= item < 2**63
    known = isinstance(item, str) and item.isascii() and item.isdigit() and len(item) < 20
    return known and int(item) < 2**63


def report_of(report: Report, *, dry_run: bool) -> dict[str, Any]:
    """The report as JSON: counts, then every row, those that were skipped first."""
    ordered = sorted(report.outcomes, key=lambda outcome: outcome.done)
    return {
        "dry_run": dry_run,
        "chosen": report.chosen,
        "done": report.done,
        "skipped": report.skipped,
        "rows": [
            {
                "id": str(outcome.row_id),
                "title": outcome.title,
                "done": outcome.done,
                "reason": text(outcome.reason),
            }
            for outcome in ordered[:SHOWN]
        ],
        "more": len(ordered) > SHOWN,
    }


class OperationRest(BaseView):
    """Base of the generated views; `operation_rest` makes one per declaration."""

    declaration: ClassVar[Operation]

    @expose("/", methods=["POST"])
    @verb(Verb.RUN)
    def run(self) -> Response:
        """Do it: 200 with the report, or 202 with the job's address where it takes longer."""
        order = self._required(order_of(self.declaration, json_body()))
        chosen, number = self._counted(order.chosen)
        if order.dry_run:
            return self._rehearse(order, chosen, number)
        if chosen.query is not None and order.chosen.query is not None:
            if order.chosen.query.expected is None:
                raise Unconfirmed()
            chosen = order.chosen  # with the bounds that were confirmed, not with today's
        if number > self.declaration.inline_up_to:
            return self._queue(order, chosen, number)
        clock = context.clock()
        report = context.run(
            lambda unit: operations.run(
                unit,
                self.declaration,
                chosen,
                order.values,
                clock=clock,
                confirmed=order.confirmed,
            )
        )
        return jsonify(report_of(report, dry_run=False))

    def _required(self, order: Order) -> Order:
        """The order with the values that it leaves out. Raises everything that can be refused
        before a row is looked at."""
        session, actor = context.read_session(), context.actor()
        operations.require(session, self.declaration, context.clock())
        if self.declaration.reauthenticate or operations.takes_file(self.declaration, session):
            raise operations.OnlyOnPage(label=self.declaration.label)
        fields = operations.fields_of(self.declaration, session)
        values = operations.with_defaults(fields, order.values)
        load(fields, values, crud.choices_for(session, fields, actor))
        return replace(order, values=values)

    def _counted(self, chosen: Chosen) -> tuple[Chosen, int]:
        """The choice with what it finds now, and how many rows that are. Raises NotFound."""
        session = context.read_session()
        number = operations.count(session, self.declaration, chosen)
        resource = operations.resource_of(self.declaration)
        if chosen.query is not None and chosen.query.expected is None:
            return Chosen(query=listing.seen(session, resource, chosen.query)), number
        listing.rows_by_id(session, resource, list(chosen.ids))
        return chosen, number

    def _rehearse(self, order: Order, chosen: Chosen, number: int) -> Response:
        """What would happen. Of more rows than are done at once only the count is told."""
        report = Report(chosen=number)
        if number <= self.declaration.inline_up_to:
            clock = context.clock()
            try:
                context.run(
                    lambda unit: operations.rehearse(
                        unit, self.declaration, chosen, order.values, clock=clock
                    )
                )
            except operations.Rehearsed as rehearsed:
                report = rehearsed.report
        found = report_of(report, dry_run=True) | {"job": number > self.declaration.inline_up_to}
        if chosen.query is not None:
            found["query"] = _echo(chosen.query)
        return jsonify(found)

    def _queue(self, order: Order, chosen: Chosen, number: int) -> Response:
        operations.require_confirmed(
            context.read_session(),
            self.declaration,
            chosen,
            order.values,
            order.confirmed,
            clock=context.clock(),
        )
        parameters = chosen.to_json() | {"values": dict(order.values)}
        job = jobs.queue("operation", self.declaration, parameters, total=number)
        return accepted(job, chosen=number)


def operation_rest(operation: Operation) -> type[OperationRest]:
    """The view class of an operation's REST; its endpoint is `api_<name>`."""
    return type(
        f"{operation.name.title().replace('_', '')}RunRest",
        (OperationRest,),
        {
            "declaration": operation,
            "route_base": f"{PREFIX}/{operation.name}",
            "class_permission_name": operation.name,
            "default_view": "run",
            "__doc__": f"REST of the operation {operation.name}.",
        },
    )
