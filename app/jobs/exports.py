"""Lists as workbooks: the rows of a query, streamed by key, masked as on the screen."""

from __future__ import annotations

import datetime as dt
import secrets
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import IO, Any

from sqlalchemy.orm import Session

from app.adapters.sheets import Heading, Sheet, write_workbook
from app.database.policy import actor_of
from app.metadata.declarations import Resource
from app.metadata.fields import Computed, Field, Kind, fields_of
from app.metadata.presenting import Translate, columns_of, living_of, presenter, raw
from app.metadata.query import ListQuery
from app.metadata.text import LOCAL_ZONE
from app.rules import listing


def file_name(label: str, at: dt.datetime) -> str:
    """“标题导出(yyyyMMddHHmmss+4 digits).xlsx”, as the product has always named them."""
    stamp = at.astimezone(LOCAL_ZONE).strftime("%Y%m%d%H%M%S")
    return f"{label}导出({stamp}{secrets.randbelow(10_000):04d}).xlsx"


def write_export(
    stream: IO[bytes],
    session: Session,
    resource: Resource,
    query: ListQuery,
    *,
    translate: Translate = str,
    progress: Callable[[int], None] | None = None,
) -> int:
    """Write all rows of `query` that the session's actor may see to `stream`; returns how many.

    Memory is flat: rows are forgotten chunk by chunk, so the session must hold nothing else that
    is still needed. Personal values are masked for everybody (domain §8.1).
    """
    columns = export_columns(resource)
    living = living_of(columns, session, actor_of(session))
    cells = [cells_of(column, translate, living) for column in columns]
    headings = [Heading(translate(column.label), is_number(column)) for column in columns]

    def rows() -> Iterator[list[Any]]:
        for chunk in listing.stream(session, resource, query):
            for row in chunk:
                yield [cell(row) for cell in cells]
            session.expunge_all()

    sheet = Sheet(translate(resource.label), headings, rows())
    return write_workbook(stream, [sheet], progress=progress)


def export_columns(resource: Resource) -> list[Any]:
    """The list's columns, then the further ones of the detail page."""
    fields = fields_of(resource.model)
    listed = listing.columns_of(resource)
    further = [
        name
        for name, field in fields.items()
        if field.shown and name not in listed and field.kind not in (Kind.HTML, Kind.FILE)
        if not resource.shown or name in resource.shown
    ]
    return columns_of(resource, listed + further, fields)


def is_number(column: Field | Computed) -> bool:
    """Written as numbers: whole numbers and money."""
    return column.numeric if isinstance(column, Computed) else column.is_numeric


def cells_of(
    column: Field | Computed,
    translate: Translate,
    living: Mapping[str, Mapping[str, str]] | None = None,
) -> Callable[[Any], Any]:
    """What gives the value of that column's cell for a row."""
    if isinstance(column, Field) and column.kind is Kind.MONEY and column.mask is None:
        return lambda row: _yuan(raw(row, column))
    show = presenter(column, translate, for_file=True, living=living)
    yes, no = translate("是"), translate("否")

    def cell(row: Any) -> Any:
        value = show(row)
        if value is None or type(value) is str:  # nearly all of them
            return value
        if isinstance(value, dict):
            return value.get("text")
        if isinstance(value, bool):
            return yes if value else no
        if isinstance(value, dt.datetime):
            return value.astimezone(LOCAL_ZONE).replace(tzinfo=None)
        return value

    return cell


def _yuan(fen: int | None) -> Decimal | None:
    return None if fen is None else Decimal(fen) / 100
