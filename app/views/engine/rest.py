"""REST for resources with `api=True`: /api/v1/<name>/ under the number of the session.

The same rules, schema and masks as the pages; log-in by cookie, writes with the CSRF token.
Ids are text, money is yuan, moments are local time, as the forms write them: what is read can be
sent back. Unknown names are refused.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping
from typing import Any, ClassVar

from flask import Response, jsonify, request, url_for
from flask_appbuilder import BaseView, expose
from flask_babel import gettext
from werkzeug.exceptions import UnsupportedMediaType

from app.metadata.declarations import Resource
from app.metadata.errors import N_, InvalidInput
from app.metadata.fields import Computed, Field, Kind, fields_of
from app.metadata.presenting import masked_text, raw
from app.metadata.text import LOCAL_ZONE, fen_to_yuan
from app.metadata.vocabulary import Verb
from app.rules import availability, crud, effects, listing
from app.views import request as context
from app.views.engine.answers import verb
from app.views.engine.asked import OWN, asked
from app.views.engine.bodies import decoded
from app.views.engine.forms import without_untouched
from app.views.engine.resource import ROW

VERSION = "version"
#: member of a body that confirms the effects of a change: true for whatever they are, or the
#: text that the refusal carried, for exactly those
CONFIRM = "confirm"
UNKNOWN = N_("没有这个项目，或您不能填写它")
NO_OBJECT = N_("应为一组“名称: 值”")
NO_TEXT = N_("应为文字")
NO_BOOLEAN = N_("应为 true 或 false")
_IN_ADDRESS = N_("不能写在网址中，请写入请求内容")


class BadBody(InvalidInput):
    """The body is no JSON object."""

    code = "rest.body"
    template = N_("请求内容应为 JSON 对象。")


def json_body() -> dict[str, Any]:
    """The JSON object of the request. Raises BadBody, InvalidInput for what stands in the address;
    400 and 415 are the server's."""
    no_arguments()
    if not request.is_json:
        raise UnsupportedMediaType()
    body = decoded(request.get_data())
    if not isinstance(body, Mapping):
        raise BadBody({})
    return {str(name): value for name, value in body.items()}


def no_arguments(known: Collection[str] = ()) -> None:
    """What a writing call wants stands in its body: were the rest of its address ignored, a
    rehearsal would be the deed. Raises InvalidInput."""
    if unknown := sorted(set(request.args) - set(known)):
        raise InvalidInput({name: [_IN_ADDRESS] for name in unknown})


def confirmed_in(body: dict[str, Any]) -> str:
    """Take the confirmation out of a body. Raises InvalidInput."""
    given = body.pop(CONFIRM, "")
    if given in (True, False):
        return effects.ALL if given else ""
    if not isinstance(given, str) or effects.named(given) != given:
        raise InvalidInput({CONFIRM: [N_("应为 true，或返回的确认码")]})
    return given


def no_body() -> None:
    """A call without a body: none, or an empty object. Raises InvalidInput, BadRequest."""
    no_arguments()
    data = request.get_data()
    if data.strip() and (body := decoded(data)) != {}:
        names = body if isinstance(body, Mapping) else [""]
        raise InvalidInput({str(name): [UNKNOWN] for name in names})


def moment(value: dt.datetime | None) -> str | None:
    """Local time, as the forms write it."""
    return None if value is None else value.astimezone(LOCAL_ZONE).strftime("%Y-%m-%d %H:%M:%S")


def accepted(job_id: int, **further: Any) -> Response:
    """202: a job does it; its number and where it is followed."""
    address = url_for("api_job.show", row_id=job_id)
    answer = jsonify({"job": str(job_id), "address": address} | further)
    answer.status_code = 202
    answer.headers["Location"] = address
    return answer


def value_of(row: Any, column: Field | Computed) -> Any:
    """One value as JSON: masked, codes instead of labels, text as the forms take it."""
    value = raw(row, column)
    if value is None:
        return None
    if column.mask is not None:
        return masked_text(column, value)
    if isinstance(column, Field) and column.kind is Kind.MONEY:
        return fen_to_yuan(value)
    if isinstance(column, Field) and column.kind is Kind.REFERENCE:
        return str(value)
    if isinstance(value, dt.datetime):
        return moment(value)
    if isinstance(value, (dt.date, dt.time)):
        return value.isoformat()
    if isinstance(value, dict):
        return value.get("text")
    if isinstance(value, int) and abs(value) > 2**53:
        return str(value)  # readers of JSON would round a snowflake
    return value


def document_of(resource: Resource, row: Any) -> dict[str, Any]:
    """A row as JSON: id, version, every shown field."""
    found = {"id": str(row.id)}
    if hasattr(row, VERSION):
        found[VERSION] = row.version
    columns: list[Any] = [f for f in fields_of(resource.model).values() if f.shown]
    columns += [column for column in resource.computed if column.shown]
    return found | {column.name: value_of(row, column) for column in columns}


class RestView(BaseView):
    """Base of the generated views; `rest_view` makes one per declaration. Not the framework's
    API class: that one is exempt from CSRF protection and shares its schema between threads."""

    declaration: ClassVar[Resource]

    @expose("/")
    @verb(Verb.LIST)
    def index(self) -> Response:
        """One page of rows; filters by field name, `_page`, `_size`, `_order`, `_org`."""
        unknown = {name for name in request.args if name.startswith("_") and name not in OWN}
        if unknown:
            raise listing.BadQuery({name: [name] for name in sorted(unknown)})
        session = self._session()
        wanted = asked(self.declaration, request.args)
        found = listing.page(
            session, self.declaration, wanted.query, number=wanted.page, size=wanted.size
        )
        return jsonify(
            {
                "count": found.total,
                "more": found.more,
                "page": found.number,
                "size": found.size,
                "rows": [document_of(self.declaration, row) for row in found.rows],
            }
        )

    def _session(self) -> Any:
        session = context.read_session()
        availability.require(session, self.declaration.name, context.actor())
        return session

    @expose(f"/{ROW}")
    @verb(Verb.SHOW)
    def show(self, row_id: int) -> Response:
        """One row."""
        return self._document(row_id)

    def _document(self, row_id: int, status: int = 200) -> Response:
        row = listing.row_by_id(self._session(), self.declaration, row_id)
        answer = jsonify(document_of(self.declaration, row))
        answer.status_code = status
        return answer

    @expose("/", methods=["POST"])
    @verb(Verb.ADD)
    def add(self) -> Response:
        """Add a row; 201 with the row and its address."""
        values = json_body()
        clock, confirmed = context.clock(), confirmed_in(values)
        row_id = context.run(
            lambda s: crud.create(s, self.declaration, values, clock=clock, confirmed=confirmed).id
        )
        answer = self._document(row_id, 201)
        answer.headers["Location"] = url_for(f"api_{self.declaration.name}.show", row_id=row_id)
        return answer

    @expose(f"/{ROW}", methods=["PATCH"])
    @verb(Verb.EDIT)
    def edit(self, row_id: int) -> Response:
        """Change the given values. Resources with versions want the `version` that was read."""
        values = json_body()
        confirmed = confirmed_in(values)
        version = self._version(values)
        row = listing.row_by_id(self._session(), self.declaration, row_id)
        fields = crud.form_fields(self.declaration, Verb.EDIT, context.actor())
        values = without_untouched(fields, values, row)
        clock = context.clock()
        context.run(
            lambda s: crud.update(
                s,
                self.declaration,
                row_id,
                values,
                version=version,
                clock=clock,
                confirmed=confirmed,
            )
        )
        return self._document(row_id)

    @expose(f"/{ROW}", methods=["DELETE"])
    @verb(Verb.DELETE)
    def delete(self, row_id: int) -> Response:
        """Delete a row; 204. It has no body: `confirm` stands in the address."""
        no_arguments((CONFIRM,))
        clock, given = context.clock(), request.args.get(CONFIRM, "")
        confirmed = confirmed_in({CONFIRM: True if given == "true" else given})
        context.run(
            lambda s: crud.remove(s, self.declaration, row_id, clock=clock, confirmed=confirmed)
        )
        return Response(status=204)

    def _version(self, values: dict[str, Any]) -> int | None:
        if not hasattr(self.declaration.model, VERSION):
            return None
        version = values.pop(VERSION, None)
        if not isinstance(version, int) or isinstance(version, bool):
            message = gettext("请给出读取该记录时的 version")
            raise InvalidInput({VERSION: [message]})
        return version


def rest_view(resource: Resource) -> type[RestView]:
    """The view class of a resource's REST; its endpoint is `api_<name>`."""
    return type(
        f"{resource.name.title().replace('_', '')}Rest",
        (RestView,),
        {
            "declaration": resource,
            "route_base": f"/api/v1/{resource.name}",
            "class_permission_name": resource.name,
            "default_view": "index",
            "__doc__": f"REST of the resource {resource.name}.",
        },
    )
