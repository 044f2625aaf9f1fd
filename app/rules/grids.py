"""Grids: reading a page of sites, examining what was typed, saving all of it or nothing.

What was typed is compared with what its writer saw: cells that he left alone are not his, and
a cell that somebody else changed meanwhile is shown with both values. One way for page, row
dialog, workbook, copy of the last session and command line.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import Select, func, or_, select
from sqlalchemy.orm import Session

from app.database.policy import actor_of
from app.metadata.actor import Actor
from app.metadata.cleaning import clean
from app.metadata.declarations import Grid, GridCell, GridChange, GridColumn
from app.metadata.errors import N_, KaowuError, Message, PolicyDenied
from app.metadata.fields import Kind
from app.metadata.text import Bad, fen_to_yuan
from app.metadata.vocabulary import Level, Verb
from app.models.organisation import Organisation, below
from app.rules import audit, availability
from app.rules.clock import Clock, system_clock
from app.rules.effects import ALL
from app.rules.effects import require as require_confirmed
from app.rules.grid_windows import leaves_some, shut
from app.rules.policy import WindowClosed, check, permit

#: what was typed, or seen: {site code: {column name: raw value}}
Raw = Mapping[str, Mapping[str, Any]]
#: a cell: (site code, column name); an empty column name is the row itself
Key = tuple[str, str]
#: what files and lists show where a row has no such cell
NO_CELL = "—"
#: sites whose cells are read and checked in one go
CHUNK = 200


class GridRefused(KaowuError):
    """Cells are wrong, or were changed by somebody else: nothing was saved."""

    code = "grid.refused"
    template = N_("有 {count} 处不能保存，没有保存任何内容：{first}")

    def __init__(self, examined: Examined) -> None:
        self.examined = examined
        errors = list(examined.errors.values())
        found = errors or [Message(CHANGED_MEANWHILE)]
        super().__init__(count=len(errors) + len(examined.conflicts), first=found[0])


CHANGED_MEANWHILE = N_("在您修改期间已被他人改动，请核对后重新预览")


@dataclass(frozen=True, slots=True)
class Row:
    """One site and its cells by column; columns that it does not have are missing."""

    site: Organisation
    cells: Mapping[str, GridCell]


@dataclass(frozen=True, slots=True)
class Table:
    """Some rows of a grid; `total` counts those of the whole choice."""

    columns: Sequence[GridColumn]
    rows: Sequence[Row]
    total: int


@dataclass(frozen=True, slots=True)
class Conflict:
    """A cell that two people changed: what is stored now, and what was typed."""

    stored: Any
    typed: Any


@dataclass(slots=True)
class Examined:
    """What the typed values would do: rows to change, errors and conflicts by cell."""

    columns: Sequence[GridColumn]
    changes: list[GridChange] = field(default_factory=list)
    errors: dict[Key, Any] = field(default_factory=dict)
    conflicts: dict[Key, Conflict] = field(default_factory=dict)

    @property
    def is_good(self) -> bool:
        return not (self.errors or self.conflicts)

    @property
    def cells(self) -> int:
        """How many cells change."""
        return sum(len(change.after) for change in self.changes)


# ---------------------------------------------------------------- reading


@dataclass(frozen=True, slots=True)
class Choice:
    """Which sites: those below the organisation of that code, whose code or name has `words`."""

    organisation: str = ""
    words: str = ""


EVERY_SITE = Choice()


def sites_of(actor: Actor, choice: Choice = EVERY_SITE) -> Select[Organisation]:
    """The chosen sites of the actor's scope, by code."""
    chosen = select(Organisation).where(below(actor), Organisation.level == Level.SITE.value)
    # the centre stands above all of its session
    whole = actor.level is Level.CENTER and choice.organisation == actor.organisation_code
    if choice.organisation and not whole:
        named = Organisation.code == choice.organisation
        found = select(Organisation.id).where(below(actor), named).scalar_subquery()
        path = (Organisation.province_id, Organisation.city_id, Organisation.id)
        chosen = chosen.where(or_(*(column == found for column in path)))
    if choice.words:
        chosen = chosen.where(
            Organisation.code.startswith(choice.words, autoescape=True)
            | Organisation.name.contains(choice.words, autoescape=True)
        )
    return chosen.order_by(Organisation.code)


def page(
    session: Session,
    grid: Grid,
    choice: Choice = EVERY_SITE,
    *,
    number: int = 1,
    size: int | None = None,
    clock: Clock = system_clock,
) -> Table:
    """One page of rows (all of them without `size`), with what is locked by this clock."""
    chosen = sites_of(actor_of(session), choice)
    total = session.scalar(select(func.count()).select_from(chosen.order_by(None).subquery())) or 0
    if size is not None:
        last = max(1, -(-total // size))
        chosen = chosen.limit(size).offset((min(max(number, 1), last) - 1) * size)
    columns = grid.columns(session, actor_of(session))
    rows = rows_of(session, grid, session.scalars(chosen).all(), columns, clock=clock)
    return Table(columns, rows, total)


def rows_of(
    session: Session,
    grid: Grid,
    sites: Sequence[Organisation],
    columns: Sequence[GridColumn],
    *,
    lock: bool = False,
    clock: Clock = system_clock,
) -> list[Row]:
    """The rows of these sites, in their order. Cells that a closed window leaves out say so.

    What is locked is read in one statement per table: each table has one order for its locks,
    which need not be that of the sites.
    """
    found: list[Row] = []
    size = max(1, len(sites)) if lock else CHUNK
    window = closed(session, grid, clock)
    for start in range(0, len(sites), size):
        part = sites[start : start + size]
        cells = grid.read(session, part, columns, lock)
        found += [Row(site, shut(grid, cells.get(site.id, {}), window)) for site in part]
    return found


def sites_named(session: Session, codes: Iterable[str]) -> list[Organisation]:
    """The sites of these codes within the actor's scope, in the order of their keys: the order
    in which rows are locked."""
    wanted = sorted(set(codes))
    found: list[Organisation] = []
    for start in range(0, len(wanted), CHUNK):
        chosen = sites_of(actor_of(session)).where(
            Organisation.code.in_(wanted[start : start + CHUNK])
        )
        found += session.scalars(chosen)
    return sorted(found, key=lambda site: site.id)


def hold(session: Session, sites: Sequence[Organisation]) -> None:
    """One writer of grids per site at a time. The locks of the cells are not enough: a cell that
    is set for the first time has no row yet, and who waits at the rows beside it does not see the
    new one. Rows that refer to the site may still be inserted meanwhile."""
    ids = select(Organisation.id).where(Organisation.id.in_([site.id for site in sites]))
    session.execute(ids.order_by(Organisation.id).with_for_update(key_share=True))


def text_of(column: GridColumn, value: Any) -> str:
    """A value as an input of the form and a cell of the workbook hold it; "" for none."""
    if value is None:
        return ""
    if column.cell.kind is Kind.MONEY:
        return fen_to_yuan(value)
    if column.cell.kind is Kind.BOOLEAN:
        return "1" if value else "0"
    return str(value)


def shown(column: GridColumn, value: Any) -> Any:
    """A value as people read it, a msgid where it is a word: 未设置, 不限, 是."""
    if value is None:
        return column.unset or None
    if column.cell.kind is Kind.BOOLEAN:
        return N_("是") if value else N_("否")
    return column.words[value] if value in column.words else text_of(column, value)


def title_of(column: GridColumn) -> str:
    """The column's heading in one line."""
    if not column.group:
        return column.cell.label
    return Message(N_("{group} {label}"), group=column.group, label=column.cell.label)


# ---------------------------------------------------------------- who may write


def refusal(session: Session, grid: Grid, clock: Clock = system_clock) -> PolicyDenied | None:
    """Why the actor cannot edit the grid here and now; None where he can, be it only the columns
    that no window binds (`closed`)."""
    found = check(session, grid, Verb.EDIT, actor_of(session), clock).refusal
    return None if leaves_some(found, grid, actor_of(session)) else found


def closed(session: Session, grid: Grid, clock: Clock = system_clock) -> WindowClosed | None:
    """The window that is closed to all but some columns of the actor's own (`Grid.windowless`)."""
    if not grid.windowless:
        return None
    found = check(session, grid, Verb.EDIT, actor_of(session), clock).refusal
    return found if leaves_some(found, grid, actor_of(session)) else None


def is_writable(column: GridColumn, cell: GridCell | None, actor: Actor) -> bool:
    """May this actor write the cell, windows aside?"""
    level_may = actor.level.rank <= column.cell.editable_from.rank
    return cell is not None and not cell.locked and level_may


# ---------------------------------------------------------------- examining


def examine(
    session: Session,
    grid: Grid,
    sent: Raw,
    seen: Raw,
    *,
    lock: bool = False,
    clock: Clock = system_clock,
) -> Examined:
    """Compare what was sent with what its writer saw and with what is stored.

    Every error is collected, none is raised. A cell whose seen value is not told counts as seen
    as it is stored; one that is told as None was not seen: what stands there is a conflict. With
    `lock` the rows stay locked until the transaction ends.
    """
    columns = grid.columns(session, actor_of(session))
    found = Examined(columns)
    sites = sites_named(session, sent)
    if lock:
        hold(session, sites)
    for code in sorted(set(sent) - {site.code for site in sites}):
        found.errors[code, ""] = Message(
            N_("没有代码为 {code} 的考点，或不在您的管辖范围内"), code=code
        )
    for row in rows_of(session, grid, sites, columns, lock=lock, clock=clock):
        code = row.site.code
        _examine_row(found, row, sent[code], seen.get(code, {}), actor_of(session))
    codes = {change.site.id: change.site.code for change in found.changes}
    for (site_id, name), message in grid.check(session, found.changes).items():
        found.errors.setdefault((codes[site_id], name), message)
    return found


def _examine_row(
    found: Examined, row: Row, sent: Mapping[str, Any], seen: Mapping[str, Any], actor: Actor
) -> None:
    columns = {column.name: column for column in found.columns}
    before: dict[str, Any] = {}
    after: dict[str, Any] = {}
    for name, raw in sent.items():
        key = (row.site.code, name)
        column, cell = columns.get(name), row.cells.get(name)
        if column is None or cell is None:
            if not _is_blank(raw):
                found.errors[key] = N_("该考点没有这个项目，不能填写")
            continue
        stored = text_of(column, cell.value)
        known = seen.get(name, stored)
        if _is_same(column, raw, stored if known is None else known):
            continue
        if not is_writable(column, cell, actor):
            found.errors[key] = cell.locked or _needs(column)
            continue
        try:
            value = clean(column.cell, raw)
        except Bad as error:
            found.errors[key] = error.as_message()
            continue
        if value == cell.value:
            continue  # somebody else has entered the same
        if not _is_same(column, known, stored):
            found.conflicts[key] = Conflict(cell.value, value)
        before[name], after[name] = cell.value, value
    if after:
        found.changes.append(GridChange(row.site, before, after, row.cells))


def _needs(column: GridColumn) -> Message:
    return Message(N_("需由{level}及以上管理员修改"), level=column.cell.editable_from.label)


def _is_blank(raw: Any) -> bool:
    return raw is None or str(raw).strip() in ("", NO_CELL)


def _is_same(column: GridColumn, one: Any, other: Any) -> bool:
    """Do two raw values mean the same? “72” and “72.00” do; what cannot be read is its text."""
    if _is_blank(one) or _is_blank(other):
        return _is_blank(one) and _is_blank(other)
    if str(one).strip() == str(other).strip():
        return True
    try:
        return bool(clean(column.cell, one) == clean(column.cell, other))
    except Bad:
        return False


# ---------------------------------------------------------------- what it does, saving


def effects(session: Session, grid: Grid, changes: Sequence[GridChange]) -> list[Any]:
    """Sentences about what exists and would be touched."""
    return list(grid.effects(session, changes)) if grid.effects and changes else []


def questions(grid: Grid, changes: Sequence[GridChange]) -> list[Any]:
    """Sentences that must be agreed to before these changes are saved."""
    return list(grid.questions(changes)) if grid.questions else []


def save(
    session: Session,
    grid: Grid,
    sent: Raw,
    seen: Raw,
    *,
    clock: Clock = system_clock,
    reason: str | None = None,
    confirmed: str = ALL,
) -> int:
    """Save all changed cells in the session's transaction; returns how many.

    Rows are written in the order of their keys. The log says by itself what a superior did on
    behalf of a site (P3). Raises GridRefused with every error, Unconfirmed where the changes have
    effects by now that `confirmed` does not name, and what the policy refuses; the caller rolls
    back.
    """
    actor = actor_of(session)
    availability.require(session, grid.name, actor)
    if found := refusal(session, grid, clock):
        raise found
    # asked before the cells are: where the window is closed, only those that it does not bind pass
    granting = replace(grid, window=None) if closed(session, grid, clock) else grid
    examined = examine(session, grid, sent, seen, lock=True, clock=clock)
    if not examined.is_good:
        raise GridRefused(examined)
    require_confirmed(effects(session, grid, examined.changes), confirmed)
    with permit(session, granting, Verb.EDIT, clock=clock, reason=reason):
        for change in examined.changes:
            try:
                grid.save(session, change)
            except PolicyDenied:
                raise
            except KaowuError as error:
                # what `check` cannot foresee, in the row that it is about
                examined.errors[change.site.code, next(iter(change.after))] = error.as_message()
                raise GridRefused(examined) from error
    return examined.cells


def record_export(session: Session, grid: Grid, count: int) -> None:
    """Whoever takes the values of `count` sites away is known."""
    changes: audit.Changes = {"count": {"label": N_("行数"), "old": None, "new": count}}
    action = f"grid.{grid.name}.export"
    audit.record(session, action, object_type="Grid", title=grid.label, changes=changes)
