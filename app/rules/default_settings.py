"""综合设置默认值: what new sites and new sessions begin with (R0.6b), and 套用默认值.

The province's row serves its sites; a province without one is served by the centre's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.database.policy import actor_of, elevated
from app.metadata.actor import Actor
from app.metadata.declarations import ONLY_RUN, On, Operation, RowOutcome
from app.metadata.errors import N_, Duplicate, Message, PolicyDenied
from app.metadata.registry import register
from app.metadata.vocabulary import Level, Verb, Window
from app.models.default_settings import DefaultSettings
from app.models.organisation import Organisation
from app.models.settings import GENERAL, SETTERS, SiteSettings
from app.rules import affected
from app.rules.crud import Context, before
from app.rules.effects import effects
from app.rules.entrusting import are_cities_entrusted
from app.rules.general_settings import SiteInUse, of_switch
from app.rules.operations import OperationContext
from app.rules.preference_switch import outgrown


class OthersDefaults(PolicyDenied):
    """The centre looks at the defaults of a province; they are the province's to set (§5)."""

    code = "settings.others_defaults"
    template = N_("只能设置本级的默认值；各省的默认值由省设置。")


def defaults_for(session: Session, exam_id: int, province_id: int | None) -> dict[str, Any]:
    """{column: value} that a new site begins with; empty where nobody has set any."""
    statement = select(DefaultSettings).where(
        DefaultSettings.exam_id == exam_id,
        DefaultSettings.province_id.is_(None) | (DefaultSettings.province_id == province_id),
    )
    with elevated(session, "defaults of a new site", DefaultSettings):
        rows = session.scalars(statement).all()
    chosen = next((row for row in rows if row.province_id is not None), None)
    chosen = chosen or next(iter(rows), None)
    return {name: getattr(chosen, name) for name in GENERAL} if chosen is not None else {}


def own_row(session: Session, actor: Actor) -> DefaultSettings | None:
    """The row that the actor's organisation has set."""
    statement = select(DefaultSettings).where(
        DefaultSettings.organisation_id == actor.organisation_id
    )
    return session.scalars(statement).first()


@before("default_settings", Verb.ADD)
def _add(row: DefaultSettings, context: Context) -> None:
    if own_row(context.session, context.actor) is not None:
        raise Duplicate(label=N_("综合设置默认值"))
    row.organisation_id = context.actor.organisation_id or 0


@before("default_settings", Verb.EDIT, Verb.DELETE)
def _own(row: DefaultSettings, context: Context) -> None:
    if not context.actor.is_system and row.organisation_id != context.actor.organisation_id:
        raise OthersDefaults()


@effects("default_settings", Verb.ADD, Verb.EDIT, Verb.DELETE)
def _trust(row: DefaultSettings, context: Context) -> Iterator[Message]:
    """§5: cities that get or lose the right to set their sites, also where the row is new or goes
    and others decide instead."""
    session, province = context.session, row.province_id
    stored = are_cities_entrusted(session, row.exam_id, province)
    if context.verb is not Verb.DELETE:
        new = bool(row.cities_entrusted)
    else:
        # a province's cities fall to the centre, the centre's to nobody
        new = province is not None and are_cities_entrusted(session, row.exam_id, None)
    cities = _cities_of(session, row) if new != stored else 0
    if cities:
        yield Message(_TRUST[province is None, new], count=cities)


#: (is it the centre's row, are they entrusted) -> sentence
_TRUST = {
    (False, True): N_("本省 {count} 个地市将可以代所辖考点修改报名前设置。"),
    (False, False): N_("本省 {count} 个地市将不能再代所辖考点修改报名前设置，只能查看。"),
    (True, True): N_("未设置默认值的各省共 {count} 个地市将可以代所辖考点修改报名前设置。"),
    (True, False): N_(
        "未设置默认值的各省共 {count} 个地市将不能再代所辖考点修改报名前设置，只能查看。"
    ),
}


def _cities_of(session: Session, row: DefaultSettings) -> int:
    """Cities for which the row decides: the province's, or those of provinces without a row."""
    own = select(DefaultSettings.province_id).where(
        DefaultSettings.exam_id == row.exam_id, DefaultSettings.province_id.is_not(None)
    )
    place = Organisation.province_id
    decided = place.not_in(own) if row.province_id is None else place == row.province_id
    cities = select(func.count()).select_from(Organisation)
    city = (Organisation.level == Level.CITY.value, Organisation.exam_id == row.exam_id)
    return session.scalar(cities.where(*city, decided)) or 0


# ---------------------------------------------------------------- 套用默认值


def _differences(row: SiteSettings, wanted: Mapping[str, Any]) -> dict[str, Any]:
    """What applying the defaults changes at a site; 停考 is not undone by them. A site that was
    closed stays undecided: who applies them for their other values has not thought of it."""
    return {
        name: value
        for name, value in wanted.items()
        if getattr(row, name) != value
        and not (name == "open" and row.suspension_reason is not None)
    }


@dataclass(frozen=True, slots=True)
class _Plan:
    """What applying the defaults does to one site: the values that change, or why it is left."""

    row: SiteSettings
    values: Mapping[str, Any]
    reason: str


def _plans(
    session: Session, rows: Sequence[SiteSettings], wanted: Mapping[str, Any]
) -> list[_Plan]:
    switched_on = [row.site_id for row in rows if not row.preference_allowed]
    refused = outgrown(session, switched_on) if wanted.get("preference_allowed") else {}
    plans = []
    for row in rows:
        found, reason = _differences(row, wanted), ""
        if not wanted:
            reason = N_("尚未设置默认值")
        elif not found:
            reason = N_("与默认值相同")
        elif found.get("open") is False and (count := affected.registrations(session, row.site_id)):
            reason = SiteInUse(count=count).as_message()
        elif row.site_id in refused:
            reason = refused[row.site_id].as_message()
        plans.append(_Plan(row, {} if reason else found, reason))
    return plans


def _apply(
    session: Session, rows: Sequence[SiteSettings], _values: Any, _context: OperationContext
) -> list[RowOutcome]:
    actor = actor_of(session)
    wanted = defaults_for(session, actor.exam_id or 0, actor.province_id)
    outcomes = []
    for plan in _plans(session, rows, wanted):
        title = plan.row.site.display if plan.row.site else ""
        for name, value in plan.values.items():
            setattr(plan.row, name, value)
        if "open" in plan.values:
            plan.row.opening_decided = True
        outcomes.append(RowOutcome(plan.row.id, title, not plan.reason, plan.reason))
    session.flush()
    return outcomes


APPLY_DEFAULTS = register(
    Operation(
        name="site_defaults",
        label=N_("套用默认值"),
        resource="site_settings",
        on=frozenset({On.SELECTION, On.QUERY}),
        apply=_apply,
        verbs={Level.PROVINCE: ONLY_RUN},
        window=Window.SETUP,
        binds=SETTERS,
        writes=(SiteSettings,),
        confirm=N_("把 {count} 个考点的综合设置改为本省的默认值？"),
    )
)


@effects("site_defaults", Verb.RUN)
def _effects(rows: Sequence[SiteSettings], context: Context) -> Iterator[Message]:
    """R10.2, then each item as the page of one site tells it, for all of them together."""
    session, actor = context.session, context.actor
    wanted = defaults_for(session, actor.exam_id or 0, actor.province_id)
    plans = [plan for plan in _plans(session, rows, wanted) if plan.values]
    people = sum(affected.registrations(session, plan.row.site_id) for plan in plans)
    if people:
        yield Message(
            N_("{sites} 个考点的设置将改变，涉及 {people} 名考生、{entries} 科次。"),
            sites=len(plans),
            people=people,
            entries=sum(affected.entries(session, plan.row.site_id) for plan in plans),
        )
    now = context.clock()
    running = sum(affected.running_at(session, plan.row, now) is not None for plan in plans)
    if running:
        text = N_("{sites} 个考点的考生正在网上报名，不建议在报名期间修改。")
        yield Message(text, sites=running)
    for name in GENERAL:
        sites = [plan.row.site_id for plan in plans if name in plan.values]
        if sites:
            yield from of_switch(session, sites, name, wanted[name])


__all__ = ["APPLY_DEFAULTS", "OthersDefaults", "defaults_for", "own_row"]
