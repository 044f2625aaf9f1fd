"""REST of documents: /api/v1/document/<name>/ asks for one, says what there is, and gives it out.

A document is made by a job, never silently; the body chooses its parameters:

    {"values": {"order": "room"}}
"""

from __future__ import annotations

from typing import Any, ClassVar

from flask import Response, jsonify, request, url_for
from flask_appbuilder import BaseView, expose
from sqlalchemy import select

from app.jobs.documents import engine as documents
from app.jobs.files import row_by_id
from app.metadata import registry
from app.metadata.declarations import Document
from app.metadata.errors import InvalidInput, NotFound
from app.metadata.vocabulary import Verb
from app.models.job import DocumentFile, JobState, StoredFile
from app.models.organisation import Organisation
from app.rules.operations import with_defaults
from app.views import request as context
from app.views.engine.answers import administrator, verb
from app.views.engine.asked import page_and_size
from app.views.engine.downloads import send_stored
from app.views.engine.editing import ROW
from app.views.engine.job_rest import summary_of
from app.views.engine.jobs import machine
from app.views.engine.rest import NO_OBJECT, UNKNOWN, accepted, json_body, moment
from app.views.engine.rest_kinds import described, fields_of, visible
from app.views.texts import text

PREFIX = "/api/v1/document"
#: the member of the body that holds the parameters
VALUES = "values"


def document_of(declaration: Document) -> dict[str, Any]:
    """A kind of document as JSON. `refusal` is that of its first parameters."""
    session = context.read_session()
    values = with_defaults(declaration.parameters, {})
    reason = documents.why_not(session, declaration, values, context.clock())
    found = described(declaration, Verb.GENERATE, url_for(f"api_{declaration.name}.show"))
    return found | {
        "refusal": text(reason) or None,
        "media_type": declaration.media_type,
        "parameters": fields_of(declaration.parameters),
    }


class DocumentKinds(BaseView):
    """The documents that the caller may look at."""

    route_base = PREFIX
    default_view = "index"

    @expose("/")
    @administrator
    def index(self) -> Response:
        """All of them with their parameters."""
        return jsonify({"rows": [document_of(item) for item in visible(Document)]})


class DocumentFileRest(BaseView):
    """The files themselves, of whichever document."""

    route_base = f"{PREFIX}/file"
    default_view = "show"

    @expose(f"/{ROW}")
    @administrator
    def show(self, row_id: int) -> Any:
        """The bytes; asked, counted and logged by the rule, as on the page. Raises NotFound for
        a file outside the scope."""
        row = row_by_id(context.read_session(), DocumentFile, row_id)
        declaration = registry.find(row.declaration, Document) if row is not None else None
        if declaration is None:
            raise NotFound()
        clock = context.clock()
        stored = context.run(
            lambda session: documents.download(session, declaration, row_id, clock)
        )
        return send_stored(machine().files, stored)


class DocumentRest(BaseView):
    """Base of the generated views; `document_rest` makes one per declaration."""

    declaration: ClassVar[Document]

    @expose("/")
    @verb(Verb.VIEW)
    def show(self) -> Response:
        """What is being made for the own organisation, and one page of what there is in the scope,
        newest first. `stale` is told of the first own ones, null otherwise."""
        number, size = page_and_size(request.args)
        session, declaration = context.read_session(), self.declaration
        total = documents.number_present(session, declaration)
        number = min(number, max(1, -(-total // size)))
        found = documents.present(session, declaration, size, (number - 1) * size)
        return jsonify(
            document_of(declaration)
            | {
                "running": [summary_of(run) for run in documents.active_runs(session, declaration)],
                "failed": self._failed(),
                "count": total,
                "page": number,
                "size": size,
                "rows": self._rows(found),
            }
        )

    def _failed(self) -> dict[str, Any] | None:
        """The last job, if it failed and none goes on."""
        run = documents.latest_run(context.read_session(), self.declaration)
        return summary_of(run) if run is not None and run.state == JobState.FAILED.value else None

    def _rows(self, found: list[tuple[DocumentFile, StoredFile]]) -> list[dict[str, Any]]:
        session = context.read_session()
        stale = documents.stale_among(session, self.declaration, [row for row, _ in found])
        places = select(Organisation.id, Organisation.code, Organisation.name).where(
            Organisation.id.in_({row.organisation_id for row, _ in found})
        )
        named = {key: (code, name) for key, code, name in session.execute(places)}
        return [
            {
                "id": str(row.id),
                "address": url_for("api_document_file.show", row_id=row.id),
                "name": stored.name,
                "size": stored.size,
                "sha256": stored.sha256,
                "values": dict(row.parameters),
                "organisation": named.get(row.organisation_id, ("", ""))[0],
                "organisation_name": named.get(row.organisation_id, ("", ""))[1],
                "created_at": moment(row.created_at),
                "stale": stale.get(row.id),
            }
            for row, stored in found
        ]

    @expose("/", methods=["POST"])
    @verb(Verb.GENERATE)
    def generate(self) -> Response:
        """Ask for it: 202 with the job that makes it (one that does so already, where it does)."""
        declaration, made, body = self.declaration, machine(), json_body()
        given = body.pop(VALUES, None)
        if body:
            raise InvalidInput({name: [UNKNOWN] for name in sorted(body)})
        if given is not None and not isinstance(given, dict):
            raise InvalidInput({VALUES: [NO_OBJECT]})
        values = with_defaults(declaration.parameters, given or {})
        return accepted(
            context.run(lambda session: documents.generate(session, made, declaration, values).id)
        )


def document_rest(declaration: Document) -> type[DocumentRest]:
    """The view class of a document's REST; its endpoint is `api_<name>`."""
    return type(
        f"{declaration.name.title().replace('_', '')}Rest",
        (DocumentRest,),
        {
            "declaration": declaration,
            "route_base": f"{PREFIX}/{declaration.name}",
            "class_permission_name": declaration.name,
            "default_view": "show",
            "__doc__": f"REST of the document {declaration.name}.",
        },
    )


__all__ = ["DocumentFileRest", "DocumentKinds", "DocumentRest", "document_rest"]
