"""The candidate's admission ticket: preview, PDF, print (R36.4; only from W6)."""

from __future__ import annotations

from flask import Blueprint, Response, render_template
from flask.typing import ResponseReturnValue

from app.jobs.documents.stamping.tickets import candidate_ticket_pdf
from app.jobs.documents.ticket_rows import to_tickets
from app.metadata.errors import KaowuError
from app.portal import context, services
from app.portal.registration import my_registration
from app.rules import tickets

blueprint = Blueprint("ticket", __name__, url_prefix="/registration/ticket")


@blueprint.get("/")
@context.candidate_required
def page() -> ResponseReturnValue:
    """The ticket as it will be printed, or the date from which it can be."""
    row = my_registration()
    database = context.read_session()
    reason, rows = "", []
    try:
        rows = tickets.require_printable(database, row, context.portal().clock)
    except KaowuError as error:
        reason = context.message_of(error)
    return render_template("registration/ticket.html", row=row, rows=rows, reason=reason, step=6)


@blueprint.get("/ticket.pdf")
@context.candidate_required
def download() -> ResponseReturnValue:
    """The PDF, rendered on request; the download is counted."""
    row = my_registration()
    rows = tickets.require_printable(context.read_session(), row, context.portal().clock)
    data = candidate_ticket_pdf(list(to_tickets(rows, services.files())))
    ids = [found.ticket_id for found in rows]
    context.run(lambda write: tickets.count_download(write, ids, context.portal().clock))
    answer = Response(data, mimetype="application/pdf")
    name = f"ticket-{rows[0].number}.pdf"
    answer.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    answer.headers["Cache-Control"] = "private, no-store"
    return answer
