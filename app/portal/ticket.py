"""The candidate's admission ticket: preview, PDF, print (R36.4; only from W6)."""

from __future__ import annotations

from flask import Blueprint, Response, render_template, request
from flask.typing import ResponseReturnValue

from app.jobs.documents.stamping.tickets import candidate_ticket_pdf
from app.jobs.documents.ticket_pages import to_tickets
from app.metadata.errors import KaowuError
from app.portal import context, services
from app.portal.progress import Standing
from app.portal.registration import my_standing
from app.rules import tickets

blueprint = Blueprint("ticket", __name__, url_prefix="/registration/ticket")


@blueprint.get("/")
@context.candidate_required
def page() -> ResponseReturnValue:
    """The ticket as it will be printed, or the date from which it can be."""
    standing = my_standing()
    reason, rows = "", []
    try:
        rows = _rows(standing)
    except KaowuError as error:
        reason = context.message_of(error)
    return render_template(
        "registration/ticket.html",
        rows=rows,
        reason=reason,
        # this browser can neither download nor print
        wechat="MicroMessenger" in request.headers.get("User-Agent", ""),
        step=6,
    )


def _rows(standing: Standing) -> list[tickets.TicketRow]:
    clock = context.portal().clock
    return tickets.require_printable(context.read_session(), standing.row, standing.site, clock)


@blueprint.get("/ticket.pdf")
@context.candidate_required
def download() -> ResponseReturnValue:
    """The PDF, rendered on request; the download is counted (ch. 37)."""
    rows = _rows(my_standing())
    context.close_read_session()  # no transaction stays open while the PDF is made
    data = candidate_ticket_pdf(list(to_tickets(rows, services.files())))
    ids = [found.ticket_id for found in rows]
    context.run(lambda write: tickets.count_download(write, ids, context.portal().clock))
    answer = Response(data, mimetype="application/pdf")
    name = f"ticket-{rows[0].number}.pdf"
    answer.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    answer.headers["Cache-Control"] = "private, no-store"
    return answer
