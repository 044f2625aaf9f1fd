"""What is declared: resource, grid, operation, statistic, import, document.

All carry the same facts: menu place, verbs per level, window and the levels that it binds.
`app.metadata.registry` collects and checks them; engines in `jobs` and `views` interpret them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from app.metadata.actor import Actor
from app.metadata.errors import DeclarationError
from app.metadata.fields import Computed, Field, Sought
from app.metadata.vocabulary import READING, Area, Level, Verb, Window

Verbs = frozenset[Verb]
LOOK: Verbs = frozenset({Verb.LIST, Verb.SHOW, Verb.EXPORT})
MANAGE: Verbs = LOOK | {Verb.ADD, Verb.EDIT, Verb.DELETE}
CHANGE: Verbs = LOOK | {Verb.EDIT}
ONLY_RUN: Verbs = frozenset({Verb.RUN})
ONLY_VIEW: Verbs = frozenset({Verb.VIEW, Verb.EXPORT})
FILL_IN: Verbs = ONLY_VIEW | {Verb.EDIT}
IMPORT: Verbs = frozenset({Verb.VIEW, Verb.RUN})
PRODUCE: Verbs = frozenset({Verb.VIEW, Verb.GENERATE, Verb.DOWNLOAD})
#: Further role of city administrators whom their province entrusts with settings of its sites.
ENTRUSTED_CITY = "entrusted_city"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page stands in the menu: the area and the order within it."""

    area: Area
    order: int


@dataclass(frozen=True, kw_only=True, eq=False)
class Declaration:
    """What all of them share.

    `verbs` are the defaults of the permission matrix, per level; `super_verbs` those of the
    superuser role, `entrusted` those that a city has where its province says so (domain.md §5:
    “V/E cfg”). `window` gates the verbs in `gated` (default: all writing verbs) for the
    levels in `binds`. `writes` lists the models that may be written under this declaration's
    permit, beside a resource's own model. Why an organisation does not use a page (R0.5b) is a
    rule: `rules.availability`.
    """

    name: str
    label: str
    menu: Place | None = None
    verbs: Mapping[Level, Verbs] = field(default_factory=dict)
    super_verbs: Verbs = frozenset()
    entrusted: Verbs = frozenset()
    window: Window | None = None
    binds: frozenset[Level] = frozenset({Level.SITE})
    gated: Verbs | None = None
    per_exam: bool = True
    #: cross-session data that may be changed whichever session is selected (R0.4 exception 1)
    in_history: bool = False
    #: cross-session data that is changed only while the current session is selected (exception 3)
    current_only: bool = False
    writes: tuple[type, ...] = ()
    help: str = ""

    legal_verbs: Verbs = frozenset(Verb)

    def __post_init__(self) -> None:
        if not self.label:
            raise DeclarationError(self.name, "no label")
        for role, verbs in (*self.verbs.items(), (ENTRUSTED_CITY, self.entrusted)):
            if wrong := set(verbs) - self.legal_verbs:
                raise DeclarationError(self.name, f"verbs {sorted(wrong)} of {role} are not legal")

    def default_verbs(self, role: str) -> Verbs:
        """Verbs that the code grants to a role ("center" … "candidate", "super", …)."""
        if role == "super":
            return self.super_verbs
        if role == ENTRUSTED_CITY:
            return self.entrusted
        return self.verbs.get(Level(role), frozenset()) if role in set(Level) else frozenset()

    def is_gated(self, verb: Verb, level: Level) -> bool:
        """Does the operation window decide on this verb at this level?"""
        if self.window is None or level not in self.binds:
            return False
        return verb in (self.gated if self.gated is not None else frozenset(Verb) - READING)


@dataclass(frozen=True, kw_only=True, eq=False)
class Resource(Declaration):
    """A model with `col()` metadata: list, search, form, detail, export, and REST where asked.

    `row_filter(actor)` returns a SQL condition for models that carry no scope mixin
    (organisations). `order` is the default order: ((column, "asc"|"desc"), …).
    `fieldsets` groups the detail page and the form: ((title, (field names…)), …).
    `noun` is what one row is called in “修改…” and “删除…”, where the menu text (`label`) is the
    name of the page and reads badly there; the label when left out.
    """

    #: filled in when the model that carries this as `__admin__` is mapped
    model: Any = None
    row_filter: Callable[[Actor], Any] | None = None
    order: tuple[tuple[str, str], ...] = (("id", "desc"),)
    columns: tuple[str, ...] = ()
    computed: tuple[Computed, ...] = ()
    #: fields of the form, where a second resource shows another part of the same model
    form: tuple[str, ...] = ()
    fieldsets: tuple[tuple[str, tuple[str, ...]], ...] = ()
    #: fields that the list searches by, where not all that the model offers are of this page
    searches: tuple[str, ...] | None = None
    #: searches by what is no column of the model; they stand in front of the others
    sought: tuple[Sought, ...] = ()
    basic_search: int = 3
    sticky: int = 1
    api: bool = False
    dialog: bool = True
    noun: str = ""
    #: fields offered only when adding / only when editing are set with `Field.immutable`
    organisation_column: bool = False
    #: levels that have exactly one row: their page shows it, in place of a list of one
    single: frozenset[Level] = frozenset()
    #: fields of the form that are no columns: a `crud.before` rule stores them. What is in force
    #: is read from the attribute of the row of that name, where there is one
    virtual: tuple[Field, ...] = ()
    #: fields and computed columns of the detail page, where it does not show all
    shown: tuple[str, ...] = ()
    #: attribute of a row that changes whenever what the page shows does
    version: str = "version"
    #: the button that opens the form, where it is not called 修改
    edit_label: str = ""
    #: numbered remarks below the form (说明)
    remarks: tuple[str, ...] = ()
    #: (session, row) -> the form's values in the last session of the exam (R0.6b), or nothing
    former: Callable[[Any, Any], Mapping[str, Any]] | None = None
    #: rows of the actor's province are read by those below it as well
    from_above: bool = False
    #: rows belong to provinces, none to organisations below them
    of_provinces: bool = False
    #: (row, actor) -> may he change this row, where he reads rows that others keep? A rule of
    #: `crud.before` refuses; the page offers no button that it would refuse
    keeps: Callable[[Any, Actor], bool] | None = None
    legal_verbs: Verbs = MANAGE


@dataclass(frozen=True, slots=True, kw_only=True)
class GridColumn:
    """A column of a grid: what its cells are called, how they are cleaned, who may write them.

    `cell.name` is the key of the column (no blanks), `cell.label` its heading below that of
    its `group`; `cell.editable_from` is the lowest level that writes it. `words` are shown in
    place of values ({99999: 不限}), `unset` in place of none.
    """

    cell: Field
    group: str = ""
    unset: str = ""
    words: Mapping[Any, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.cell.name


@dataclass(frozen=True, slots=True)
class GridCell:
    """One stored value (None is unset), why nobody may write it now, and a line about it."""

    value: Any = None
    locked: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class GridChange:
    """The changed cells of one row: old and new values by column, and the row as it is stored."""

    site: Any
    before: Mapping[str, Any]
    after: Mapping[str, Any]
    cells: Mapping[str, GridCell]

    def value(self, column: str) -> Any:
        """What will stand in the column: the new value, else the stored one, else None."""
        if column in self.after:
            return self.after[column]
        return self.cells[column].value if column in self.cells else None


@dataclass(frozen=True, slots=True)
class StoredCells:
    """Where cells of a grid are stored, so that the log can say who set each of them.

    Either rows of `model` that hold one cell each, with the column's name in the attribute `key`;
    or one row per site, whose attributes hold several: `columns` is {attribute: column}.
    """

    model: type
    key: str = ""
    columns: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, eq=False)
class Grid(Declaration):
    """A wide table edited in place: the sites of the actor's scope down, columns that depend on
    the data across. Saved as one change, after a preview, or not at all.

    `columns(session, actor)` -> list of `GridColumn`;
    `read(session, sites, columns, lock)` -> {site id: {column: GridCell}}; a column that a row
    does not have is left out; with `lock` the rows are locked, in the order of the sites;
    `check(session, changes)` -> {(site id, column): message}: every error, each in its cell;
    `save(session, change)` writes one row inside the permit;
    `effects(session, changes)` -> sentences about what exists and is touched;
    `questions(changes)` -> sentences that must be agreed to before saving;
    `copy(session, sites, columns, exam)` -> {site code: {column: value}} of an earlier session;
    `notices(session, actor, rows)` -> sentences above the table; `rows` is what `read` gave;
    `stored` says where the cells are kept: the log tells of each who set it and when.
    `row_label` names the dialog in which one row is edited alone; empty: there is none;
    `windowless` are columns that no window binds: {name: levels whose own business they are}.
    """

    columns: Callable[..., Sequence[GridColumn]]
    read: Callable[..., Mapping[int, Mapping[str, GridCell]]]
    check: Callable[..., Mapping[tuple[int, str], Any]]
    save: Callable[..., None]
    effects: Callable[..., Sequence[Any]] | None = None
    questions: Callable[..., Sequence[Any]] | None = None
    copy: Callable[..., Mapping[str, Mapping[str, Any]]] | None = None
    notices: Callable[..., Sequence[Any]] | None = None
    stored: tuple[StoredCells, ...] = ()
    row_label: str = ""
    windowless: Mapping[str, frozenset[Level]] = field(default_factory=dict)
    legal_verbs: Verbs = FILL_IN


class On(StrEnum):
    """What an operation works on."""

    ROW = "row"
    SELECTION = "selection"
    QUERY = "query"
    #: no row: a button of the page
    PAGE = "page"


@dataclass(frozen=True, slots=True)
class RowOutcome:
    """What became of one row: done (with a word about it, where there is one to tell), or skipped
    with a reason."""

    row_id: int
    title: str
    done: bool
    reason: str = ""


@dataclass(frozen=True, kw_only=True, eq=False)
class Operation(Declaration):
    """A rule on one row, on selected rows, on all query results, or on the page.

    `apply(session, rows, values, context)` -> list of `RowOutcome` (or None for PAGE).
    `confirm` is a Chinese sentence with {count}. `limit` refuses larger runs before anything is
    changed. `allowed(row)` greys the button of a row out with the returned reason.
    """

    resource: str
    on: frozenset[On]
    apply: Callable[..., Any]
    fields: tuple[Field, ...] = ()
    confirm: str = ""
    #: (session, chosen rows) -> the sentence in place of `confirm`, where it must name what is
    #: concerned; for operations on rows only
    question: Callable[[Any, Sequence[Any]], str] | None = None
    danger: bool = False
    limit: int | None = None
    icon: str = ""
    #: query results above this count run as a job
    inline_up_to: int = 500
    reason_required: bool = False
    legal_verbs: Verbs = ONLY_RUN
    #: field defaults for one row: (session, row) -> {field: value}
    initial: Callable[[Any, Any], Mapping[str, Any]] | None = None
    #: row -> None, or the reason why it cannot be done to this row (its button is greyed out and
    #: the row is skipped)
    allowed: Callable[[Any], str | None] | None = None
    #: (session, chosen, cleaned values) -> None: asked before rows are counted, on the page and
    #: again where it runs; raises what refuses the whole run, and takes locks
    prepare: Callable[[Any, Any, Mapping[str, Any]], None] | None = None
    #: (session, None) -> further fields: where what is asked depends on the data
    living_fields: Callable[[Any, Any], tuple[Field, ...]] | None = None
    #: re-authentication (quality.md: group payment, settlement, identity, mass deletion)
    reauthenticate: bool = False


@dataclass(frozen=True, kw_only=True, eq=False)
class Statistic(Declaration):
    """A table of numbers: one row per key, columns in groups.

    `compute(session, actor, filters)` -> `StatisticTable`; `filters` is a
    `rules.statistics.engine.Filters`. `chart` is the form of its chart: bar, stacked, line, pie.
    """

    compute: Callable[..., StatisticTable]
    filters: tuple[Field, ...] = ()
    chart: str | None = None
    legal_verbs: Verbs = ONLY_VIEW


@dataclass(frozen=True, slots=True)
class ColumnGroup:
    """A heading over several columns: ("(14) …", ("总容量", "剩余容量")); of texts, not numbers,
    where it is not `numeric`."""

    label: str
    columns: tuple[str, ...]
    numeric: bool = True


@dataclass(frozen=True, slots=True)
class Chart:
    """Figures drawn above a table: per series (its label, one number per category)."""

    title: str
    categories: Sequence[str]
    series: Sequence[tuple[str, Sequence[float]]]
    unit: str = ""


@dataclass(slots=True)
class StatisticTable:
    """Result of a statistic. `rows`: first the heading of the row, then its cells in order.

    A cell is a value or (value, tone) with tone in ok / warn / bad / off; None is shown as “—”.
    The number of cells is that of all columns of the groups; a group without label stands alone.
    """

    row_label: str
    groups: list[ColumnGroup]
    rows: list[tuple[str, list[Any]]]
    total: list[Any] | None = None
    computed_at: Any = None
    notes: list[str] = field(default_factory=list)
    #: drawn in the form that `Statistic.chart` names
    drawn: Chart | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Import(Declaration):
    """A file of rows. `columns` are the template's columns in order.

    `check(session, row, context)` -> list of (field name, Chinese message) for one cleaned row;
    `apply(session, rows, context)` writes all rows (atomic) or the good ones and returns counts.
    `options` are ticks of the upload form (覆盖 …). `looked(session, context)` writes into the log
    what a run that is refused has asked about other people's rows.
    """

    columns: tuple[Field, ...]
    sheet: str
    check: Callable[..., Any]
    apply: Callable[..., Any]
    looked: Callable[[Any, Any], None] | None = None
    atomic: bool = True
    options: tuple[Field, ...] = ()
    unique: tuple[str, ...] = ()
    #: name of the option that says for which organisation a superior imports (P3)
    on_behalf: str = ""
    sample: Sequence[Mapping[str, Any]] = ()
    formats: tuple[str, ...] = (".xlsx", ".xls")
    max_rows: int = 20_000
    max_bytes: int = 20 * 1024 * 1024
    legal_verbs: Verbs = IMPORT


@dataclass(frozen=True, kw_only=True, eq=False)
class Document(Declaration):
    """A generated file.

    `collect(session, actor, parameters)` -> a snapshot (picklable, ordered, without session);
    `fingerprint(session, actor, parameters)` -> text that changes when the content would;
    `render(stream, snapshot, parameters, progress)` writes the file.
    `ready(session, actor, parameters)` -> sentence why it cannot be generated yet, or None.
    """

    collect: Callable[..., Any]
    fingerprint: Callable[..., str]
    render: Callable[..., None]
    filename: Callable[..., str]
    media_type: str
    parameters: tuple[Field, ...] = ()
    ready: Callable[..., str | None] | None = None
    legal_verbs: Verbs = PRODUCE
