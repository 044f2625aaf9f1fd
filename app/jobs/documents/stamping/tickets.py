"""Tickets (准考证): six on a page for handing out, or one page with the notice (R34, R35, R36)."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, time
from functools import lru_cache
from itertools import groupby
from pathlib import Path

import jinja2

from app.jobs.documents.stamping.errors import DocumentCancelled
from app.jobs.documents.stamping.fonts import FontChain, code_points, find_fonts
from app.jobs.documents.stamping.output import Target, open_target
from app.jobs.documents.stamping.sheet import Sheet, grid, single
from app.jobs.documents.stamping.store import TemplateStore
from app.jobs.documents.stamping.template import CompiledTemplate
from app.jobs.documents.stamping.text import LEGIBLE_SIZE, Typesetter, fit
from app.jobs.documents.stamping.writer import PdfWriter, Value

TICKETS_PER_PAGE = 6
#: Entries on one page; a candidate takes three at most (R10.4).
MAXIMUM_ROWS = 3
#: Printed for a character without a glyph where the caller asks for it: the printers' sign for it.
MISSING_GLYPH_SIGN = "〓"

_SMALL = "ticket_small.html"
_PAGE = "ticket_page.html"
_WEEKDAYS = "一二三四五六日"
#: Compiled templates; a process may set `templates.folder` to keep them between jobs.
templates = TemplateStore()
_environment = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parents[3] / "templates" / "documents"),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
)


@dataclass(frozen=True, slots=True)
class Ticket:
    """One entry of one candidate, as it is printed. Texts are final, in Chinese.

    `subject` is "(14) …"; `photo` is a print derivative (`photos.print_derivative`) or None;
    `registration_key` is equal for all entries of one candidate and is not printed.
    """

    number: str
    name: str
    sex: str
    id_type: str
    id_number: str
    subject: str
    site_code: str
    site_name: str
    site_address: str
    exam_title: str
    room_number: str
    room_address: str
    sitting: int
    day: date
    starts: time
    ends: time
    photo: bytes | None
    registration_key: str
    seat_number: str | None = None

    @property
    def label(self) -> str:
        """How error messages name this ticket."""
        return f"{self.name}（准考证号 {self.number}）"


@dataclass(frozen=True, slots=True)
class TicketProblem:
    """Something found before printing: in which ticket, a text of it, and what is wrong.

    `kind` is "uncovered" (detail: characters with code points), "long" (detail: the size in
    points to which the text would shrink) or "no_photo" (text and detail empty).
    """

    number: str
    name: str
    kind: str
    text: str = ""
    detail: str = ""


def preflight(tickets: Iterable[Ticket], fonts: FontChain | None = None) -> Iterator[TicketProblem]:
    """Report every ticket that would not print well, before a job starts. Streams."""
    compiled = small_template(fonts)
    typesetter = Typesetter(compiled.fonts, MISSING_GLYPH_SIGN)
    checked: set[tuple[str, str]] = set()
    for ticket in tickets:
        values = small_values(ticket)
        if ticket.photo is None:
            yield TicketProblem(ticket.number, ticket.name, "no_photo")
        for slot in compiled.texts:
            text = str(values[slot.name])
            # Addresses and subjects repeat: check those that are fine only once.
            if (slot.name, text) in checked:
                continue
            missing = compiled.fonts.uncovered(text)
            size, _ = fit(text, slot, typesetter.width)
            if missing:
                yield TicketProblem(
                    ticket.number, ticket.name, "uncovered", text, code_points(missing)
                )
            elif size < LEGIBLE_SIZE:
                yield TicketProblem(ticket.number, ticket.name, "long", text, f"{size:.1f}")
            elif len(checked) < 4096:
                checked.add((slot.name, text))


def write_small_tickets(
    target: Target,
    tickets: Iterable[Ticket],
    *,
    title: str = "小版准考证",
    fonts: FontChain | None = None,
    substitute: str | None = None,
    progress: Callable[[int], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> int:
    """Write small tickets, six on an A4 page, in the order given (R34.2, R34.3).

    Returns the number of tickets. `progress(done)` is called once a page, and `cancelled` is
    asked then; it ends the work with `DocumentCancelled`. With a path as target nothing is left
    behind after an error. Memory does not grow with the number of tickets.
    """
    compiled = small_template(fonts)
    sheet = small_sheet(compiled)
    with (
        open_target(target) as stream,
        PdfWriter(stream, compiled, title=title, sheet=sheet, substitute=substitute) as writer,
    ):
        return _write(writer, tickets, small_values, progress, cancelled)


def write_big_tickets(
    target: Target,
    tickets: Iterable[Ticket],
    *,
    title: str = "大版准考证",
    fonts: FontChain | None = None,
    substitute: str | None = None,
    progress: Callable[[int], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> int:
    """Write big tickets, one on an A4 page with 考生须知 (R35.1); else as `write_small_tickets`."""
    compiled = page_template(1, fonts)
    with (
        open_target(target) as stream,
        PdfWriter(stream, compiled, title=title, substitute=substitute) as writer,
    ):
        return _write(writer, tickets, lambda ticket: page_values([ticket]), progress, cancelled)


def _write(
    writer: PdfWriter,
    tickets: Iterable[Ticket],
    values: Callable[[Ticket], dict[str, Value]],
    progress: Callable[[int], None] | None,
    cancelled: Callable[[], bool] | None,
) -> int:
    """Stamp all tickets; return their number. Reports and asks whenever a page is complete."""
    done, pages, reported = 0, 0, 0
    for done, ticket in enumerate(tickets, start=1):
        writer.add(values(ticket), label=ticket.label)
        if writer.pages == pages:
            continue
        pages, reported = writer.pages, done
        if progress:
            progress(done)
        if cancelled and cancelled():
            raise DocumentCancelled
    if progress and done > reported:
        progress(done)
    return done


def candidate_ticket_pdf(
    tickets: Sequence[Ticket],
    *,
    title: str = "准考证",
    fonts: FontChain | None = None,
    substitute: str | None = None,
) -> bytes:
    """Return the candidate's own PDF (R36): one A4 page lists all entries of a candidate.

    Neighbouring tickets with the same `registration_key` share a page, up to three on each.
    """
    fonts = fonts or find_fonts()
    stream = io.BytesIO()
    pages = list(_pages(tickets))
    first = page_template(len(pages[0]) if pages else 1, fonts)
    with PdfWriter(stream, first, title=title, substitute=substitute) as writer:
        for page in pages:
            compiled = page_template(len(page), fonts)
            writer.add(page_values(page), compiled, label=page[0].label)
    return stream.getvalue()


def small_template(fonts: FontChain | None = None) -> CompiledTemplate:
    """Return the compiled small ticket; compiled once per process and fonts."""
    return templates.get(small_html(), fonts or find_fonts())


def page_template(rows: int, fonts: FontChain | None = None) -> CompiledTemplate:
    """Return the compiled one-page ticket with `rows` entries (1 to 3)."""
    return templates.get(page_html(rows), fonts or find_fonts())


@lru_cache(maxsize=1)
def small_html() -> str:
    """Return the HTML of the small ticket."""
    return _environment.get_template(_SMALL).render()


@lru_cache(maxsize=MAXIMUM_ROWS)
def page_html(rows: int) -> str:
    """Return the HTML of the one-page ticket with `rows` entries."""
    return _environment.get_template(_PAGE).render(rows=rows)


def small_sheet(compiled: CompiledTemplate) -> Sheet:
    """Return the A4 sheet with two columns and three rows of small tickets."""
    return grid(2, TICKETS_PER_PAGE // 2, (compiled.width, compiled.height))


def page_sheet(compiled: CompiledTemplate) -> Sheet:
    """Return the A4 sheet with one ticket."""
    return single((compiled.width, compiled.height))


def small_values(ticket: Ticket) -> dict[str, Value]:
    """Return the field values of the small ticket."""
    return {
        **_person(ticket),
        "number": ticket.number,
        "subject": ticket.subject,
        "time": f"{_day(ticket)}{_hours(ticket)}",
        "room": _room(ticket),
        "room_address": ticket.room_address,
    }


def page_values(tickets: Sequence[Ticket]) -> dict[str, Value]:
    """Return the field values of the one-page ticket; `tickets` are one candidate's entries."""
    values = _person(tickets[0])
    for row, ticket in enumerate(tickets, start=1):
        values[f"number_{row}"] = ticket.number
        values[f"subject_{row}"] = ticket.subject
        values[f"date_{row}"] = _day(ticket)
        values[f"hours_{row}"] = _hours(ticket)
        values[f"room_{row}"] = _room(ticket)
        values[f"room_address_{row}"] = ticket.room_address
    return values


def _person(ticket: Ticket) -> dict[str, Value]:
    return {
        "exam_title": ticket.exam_title,
        "name": ticket.name,
        "sex": ticket.sex,
        "id_type": ticket.id_type,
        "id_number": ticket.id_number,
        "site": f"({ticket.site_code}) {ticket.site_name}",
        "site_address": ticket.site_address,
        "photo": ticket.photo,
    }


def _day(ticket: Ticket) -> str:
    return f"{ticket.day.isoformat()}（周{_WEEKDAYS[ticket.day.weekday()]}）"


def _hours(ticket: Ticket) -> str:
    return f"{ticket.starts:%H:%M}–{ticket.ends:%H:%M}"


def _room(ticket: Ticket) -> str:
    seat = f"　{ticket.seat_number} 座" if ticket.seat_number else ""
    return f"{ticket.room_number} 考场　{ticket.sitting} 批次{seat}"


def _pages(tickets: Sequence[Ticket]) -> Iterator[list[Ticket]]:
    for _, group in groupby(tickets, key=lambda ticket: ticket.registration_key):
        entries = list(group)
        for start in range(0, len(entries), MAXIMUM_ROWS):
            yield entries[start : start + MAXIMUM_ROWS]
