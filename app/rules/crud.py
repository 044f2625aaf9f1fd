"""Add, edit and delete rows of any resource: the one way for page, REST, CLI and import.

Values are cleaned by the schema, the permit is opened, scope columns come from the actor (or
from the organisation he acts for), extra rules run (`@before`), and a stale version is refused
with the difference.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import inspect, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.database import base
from app.database.policy import actor_of
from app.metadata.actor import Actor
from app.metadata.cleaning import load
from app.metadata.declarations import Declaration, Resource
from app.metadata.errors import N_, InUse, NotFound, StaleRow
from app.metadata.fields import Field, Kind, fields_of
from app.metadata.vocabulary import Level, Personal, Verb
from app.models.organisation import Organisation, below
from app.rules import availability, effects, gate, listing
from app.rules.clock import Clock, system_clock
from app.rules.policy import permit


@dataclass(frozen=True, slots=True)
class Context:
    """What a `@before` rule is told. `values` are the cleaned new values of the form; `altered`
    the names of those that differ from what an edited row had, also once they are flushed."""

    session: Session
    actor: Actor
    clock: Clock
    verb: Verb
    values: Mapping[str, Any]
    altered: frozenset[str] = frozenset()


BeforeRule = Callable[[Any, Context], None]
_before: dict[tuple[str, Verb], list[BeforeRule]] = {}


def before(resource: str, *verbs: Verb) -> Callable[[BeforeRule], BeforeRule]:
    """Register a rule that runs inside the permit, after the values were set and before the
    flush: `rule(row, context)`. It raises a typed error, or completes the row."""

    def register(rule: BeforeRule) -> BeforeRule:
        for verb in verbs:
            _before.setdefault((resource, verb), []).append(rule)
        return rule

    return register


#: name of the field by which a superior who adds a row says whose it is (P3)
SITE = "_site"


def sites_below(session: Session, actor: Actor) -> dict[str, str]:
    """{code: “(990701)地市七考点一”} of the sites that the actor may act for."""
    rows = session.execute(
        select(Organisation.code, Organisation.name)
        .where(below(actor), Organisation.level == Level.SITE.value)
        .order_by(Organisation.code)
    )
    return {code: f"({code}){name}" for code, name in rows}


SITE_FIELD = Field(
    name=SITE,
    label=N_("考点"),
    personal=Personal.NONE,
    kind=Kind.REFERENCE,
    required=True,
    options=sites_below,
)


def acts_for_sites(resource: Resource, actor: Actor) -> bool:
    """Are its rows a site's, and does the actor stand above the sites?"""
    of_sites = issubclass(resource.model, (base.SiteScoped, base.SiteCodeScoped))
    return of_sites and actor.level is not Level.SITE


def site_below(session: Session, actor: Actor, code: str) -> Organisation:
    """The site of this code below the actor. Raises NotFound."""
    site = session.scalars(
        select(Organisation).where(
            below(actor), Organisation.level == Level.SITE.value, Organisation.code == code
        )
    ).first()
    if site is None:
        raise NotFound()
    return site


def form_fields(resource: Resource, verb: Verb, actor: Actor) -> list[Field]:
    """The fields that this actor may fill in when adding or editing. Who adds a row of a site
    from above says which site (P3)."""
    fields = [
        field
        for field in fields_of(resource.model).values()
        if (field.name in resource.form if resource.form else field.form)
        and not (verb is Verb.EDIT and field.immutable)
        and actor.level.rank <= field.editable_from.rank
    ]
    if resource.virtual and not resource.form:
        fields = []
    fields += resource.virtual
    if verb is Verb.ADD and acts_for_sites(resource, actor) and not actor.is_system:
        fields.insert(0, SITE_FIELD)
    return fields


def choices_for(
    session: Session, fields: list[Field] | tuple[Field, ...], actor: Actor
) -> dict[str, Mapping[str, str]]:
    """Living lists of the fields that have `options`: {field: {value: label}}."""
    return {
        field.name: field.options(session, actor) for field in fields if field.options is not None
    }


def _place_at(row: Any, session: Session, site: Organisation) -> None:
    """Scope columns of a new row of a site: ids in its session, or codes across sessions."""
    if isinstance(row, base.SiteScoped):
        row.province_id, row.city_id, row.site_id = site.province_id, site.city_id, site.id
        return
    paths = codes_of(session, [site])
    row.province_code, row.city_code, row.site_code = paths[site.code]


def codes_of(
    session: Session, sites: Sequence[Organisation]
) -> dict[str, tuple[str, str | None, str]]:
    """{site code: (province code, city code or None, site code)}: the path across sessions."""
    wanted = {site.province_id for site in sites} | {site.city_id for site in sites}
    rows = session.execute(
        select(Organisation.id, Organisation.code).where(Organisation.id.in_(wanted - {None}))
    )
    codes = {place_id: code for place_id, code in rows}  # noqa: C416 - no pairs to mypy
    return {
        site.code: (codes[site.province_id or 0], codes.get(site.city_id or 0), site.code)
        for site in sites
    }


def _place(row: Any, actor: Actor) -> None:
    """Scope columns of a new row are the actor's place, unless a rule has set them."""
    if isinstance(row, base.ExamScoped) and row.exam_id is None and actor.exam_id is not None:
        row.exam_id = actor.exam_id
    if isinstance(row, base.OrganisationPath):
        for name in ("province_id", "city_id", "site_id"):
            if getattr(row, name) is None:
                setattr(row, name, getattr(actor, name))
    if isinstance(row, base.SiteCodeScoped):
        for name in ("province_code", "city_code", "site_code"):
            if getattr(row, name) is None:
                setattr(row, name, getattr(actor, name) or None)
    if (
        isinstance(row, base.OwnedByPassport)
        and row.passport_id is None
        and actor.level is Level.CANDIDATE
    ):
        row.passport_id = actor.passport_id


def _run_rules(resource: Resource, row: Any, context: Context) -> None:
    for rule in _before.get((resource.name, context.verb), ()):
        rule(row, context)


def _virtual(resource: Resource) -> set[str]:
    return {field.name for field in resource.virtual}


def _ask(resource: Resource, row: Any, context: Context, confirmed: str) -> None:
    """Raise Unconfirmed for effects that were not confirmed; who confirms all is not asked."""
    if confirmed != effects.ALL:
        effects.require(_told(resource, row, context), confirmed)


def _told(resource: Resource, row: Any, context: Context) -> list[str]:
    return effects.found(resource.name, context.verb, row, context)


def create(
    session: Session,
    resource: Resource,
    values: Mapping[str, Any],
    *,
    clock: Clock = system_clock,
    preset: Mapping[str, Any] | None = None,
    reason: str | None = None,
    confirmed: str = effects.ALL,
) -> Any:
    """Add a row from raw values. `preset` sets attributes that no form offers (a parent).

    Raises InvalidInput with all field errors, or what policy and the rules raise; Unconfirmed
    where it has effects that `confirmed` does not name.
    """
    actor = actor_of(session)
    availability.require(session, resource.name, actor)
    fields = form_fields(resource, Verb.ADD, actor)
    if preset and "site_id" in preset:
        fields = [field for field in fields if field.name != SITE]
    cleaned = load(fields, values, choices_for(session, fields, actor))
    with permit(session, resource, Verb.ADD, clock=clock, reason=reason):
        given = {name: value for name, value in cleaned.items() if value is not None}
        code = given.pop(SITE, None)
        stored = {name: value for name, value in given.items() if name not in _virtual(resource)}
        row = resource.model(**(defaults_of(resource) | stored))
        for name, value in (preset or {}).items():
            setattr(row, name, value)
        if code is not None:
            _place_at(row, session, site_below(session, actor, code))
        _place(row, actor)
        with session.no_autoflush:
            context = Context(session, actor, clock, Verb.ADD, cleaned)
            _run_rules(resource, row, context)
            _ask(resource, row, context, confirmed)
        session.add(row)
        session.flush()
    return row


def update(
    session: Session,
    resource: Resource,
    row_id: int,
    values: Mapping[str, Any],
    *,
    version: int | None = None,
    clock: Clock = system_clock,
    reason: str | None = None,
    confirmed: str = effects.ALL,
    under: Declaration | None = None,
) -> Any:
    """Change the given values of a row (names that are missing stay as they are).

    `version` is what the form was made from; a newer row raises StaleRow with the difference
    {label: (yours, stored)} in `parameters["difference"]`. Raises Unconfirmed where the change
    has effects that `confirmed` does not name. `under` is the declaration whose RUN decides in
    place of the resource's EDIT (a repair).
    """
    actor = actor_of(session)
    availability.require(session, resource.name, actor)
    gate.close_for(session, resource.model, [row_id])
    row = listing.row_by_id(session, resource, row_id)
    fields = form_fields(resource, Verb.EDIT, actor)
    cleaned = load(fields, values, choices_for(session, fields, actor), partial=True)
    _check_version(resource, row, fields, cleaned, version)
    virtual = _virtual(resource)
    with _to_edit(session, resource, clock, reason, under):
        with session.no_autoflush:
            altered = _altered(row, cleaned)
            for name, value in cleaned.items():
                if name in altered and name not in virtual:
                    setattr(row, name, value)
            context = Context(session, actor, clock, Verb.EDIT, cleaned, altered)
            _run_rules(resource, row, context)
            _ask(resource, row, context, confirmed)
        session.flush()
    return row


def _altered(row: Any, values: Mapping[str, Any]) -> frozenset[str]:
    """Names of the values that the row does not have yet. A virtual field that it cannot show
    counts as one; nothing chosen is cleaned to None, and shown as an empty list."""
    unknown = object()
    held = {name: getattr(row, name, unknown) for name in values}
    return frozenset(
        name
        for name, value in values.items()
        if (None if held[name] == [] else held[name]) != value
    )


def _to_edit(
    session: Session,
    resource: Resource,
    clock: Clock,
    reason: str | None,
    under: Declaration | None,
) -> AbstractContextManager[Actor]:
    """The permit for EDIT, or for RUN of `under` on the same models."""
    if under is None:
        return permit(session, resource, Verb.EDIT, clock=clock, reason=reason)
    models = (resource.model, *resource.writes)
    return permit(session, under, Verb.RUN, clock=clock, reason=reason, models=models)


def version_of(resource: Resource, row: Any) -> int | None:
    """What changes whenever the row does; None for rows without versions."""
    return getattr(row, resource.version, None)


def _check_version(
    resource: Resource,
    row: Any,
    fields: list[Field],
    values: Mapping[str, Any],
    version: int | None,
) -> None:
    if version is None or version_of(resource, row) in (None, version):
        return
    difference = {
        field.label: (values[field.name], getattr(row, field.name, None))
        for field in fields
        if field.name in values and values[field.name] != getattr(row, field.name, None)
    }
    raise StaleRow(difference=difference)


def remove(
    session: Session,
    resource: Resource,
    row_id: int,
    *,
    clock: Clock = system_clock,
    reason: str | None = None,
    confirmed: str = effects.ALL,
) -> None:
    """Delete a row that nothing refers to (InUse otherwise).

    Raises what policy and the rules raise; Unconfirmed where it has effects that `confirmed` does
    not name.
    """
    actor = actor_of(session)
    availability.require(session, resource.name, actor)
    row = listing.row_by_id(session, resource, row_id)
    with permit(session, resource, Verb.DELETE, clock=clock, reason=reason):
        context = Context(session, actor, clock, Verb.DELETE, {})
        # counted before the rules take anything away, as it was for the question
        told = [] if confirmed == effects.ALL else _told(resource, row, context)
        try:
            # what the rules take away with the row stays where the row stays
            with session.begin_nested():
                with session.no_autoflush:
                    _run_rules(resource, row, context)
                effects.require(told, confirmed)
                session.delete(row)
        except IntegrityError:
            raise InUse() from None


def effects_of_removal(session: Session, resource: Resource, row: Any, clock: Clock) -> list[str]:
    """What deleting the row does, for the question that is asked anyway."""
    return _told(resource, row, Context(session, actor_of(session), clock, Verb.DELETE, {}))


def defaults_of(resource: Resource) -> dict[str, Any]:
    """First values of an add form, from the columns' defaults."""
    mapper: Any = inspect(resource.model)
    found = {}
    for name in fields_of(resource.model):
        default = mapper.columns[name].default
        if default is not None and default.is_scalar:
            found[name] = default.arg
    return found
