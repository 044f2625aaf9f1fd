"""学籍报考设置 (chapter 19): set by the province, for one site on its form or for many at once."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session, object_session

from app.database.base import utc_now
from app.metadata.actor import Actor
from app.metadata.declarations import ONLY_RUN, On, Operation, RowOutcome
from app.metadata.errors import N_, InvalidInput, Message
from app.metadata.fields import Field, Kind
from app.metadata.registry import register
from app.metadata.vocabulary import Level, Personal, Verb
from app.models.organisation import Organisation, below
from app.models.roster import (
    ALLOWED_SITES,
    UNLIMITED_SITES,
    RosterAllowedSite,
    RosterPolicy,
)
from app.rules import audit
from app.rules.availability import unused_when
from app.rules.crud import Context, before
from app.rules.effects import effects
from app.rules.policy import widened
from app.rules.roster.policy_effects import DOOR, NewSettings, site_codes, touched

FLAGS = tuple(DOOR)
NOT_ENABLED = N_(
    "本考点未启用学籍库，不使用此功能。如需启用，请向省申请修改《报名前设置》→《学籍报考设置》。"
)


def foreign_site(codes: Iterable[str]) -> InvalidInput:
    """R19.1: 可报考考点 are sites of the own province only."""
    message = Message(N_("可报考考点：考点不在本省：{codes}"), codes=sorted(codes))
    return InvalidInput({ALLOWED_SITES.name: [message]})


# ---------------------------------------------------------------- is the roster in use?


def roster_enabled(session: Session, actor: Actor) -> bool:
    """Has the actor's site 启用学籍库 in his session? Remembered for the unit of work."""
    known = _known(session)
    key = (actor.exam_id, actor.site_id)
    if key not in known:
        found = session.scalar(
            select(RosterPolicy.roster_enabled).where(
                RosterPolicy.exam_id == actor.exam_id, RosterPolicy.site_id == actor.site_id
            )
        )
        known[key] = bool(found)
    return known[key]


def remember_enabled(
    session: Session, exam_id: int | None, site_id: int | None, enabled: bool
) -> None:
    """A statement has read it along: do not ask for it again."""
    _known(session)[exam_id, site_id] = enabled


def _known(session: Session) -> dict[tuple[int | None, int | None], bool]:
    found: dict[tuple[int | None, int | None], bool]
    found = session.info.setdefault("kaowu_roster_enabled", {})
    return found


@unused_when("student_record")
def _unused(session: Session, actor: Actor) -> str | None:
    """R0.5b: chapter 21 is not used by a site without 启用学籍库."""
    if actor.level is Level.SITE and not actor.is_system and not roster_enabled(session, actor):
        return NOT_ENABLED
    return None


def enabled_sites(session: Session, actor: Actor) -> dict[str, str]:
    """The sites below the actor that use the roster: {code: “(990701)地市七考点一”}."""
    rows = session.execute(
        select(Organisation.code, Organisation.name)
        .join(RosterPolicy, RosterPolicy.site_id == Organisation.id)
        .where(
            below(actor),
            RosterPolicy.exam_id == actor.exam_id,
            RosterPolicy.roster_enabled.is_(True),
        )
        .order_by(Organisation.code)
    )
    return {code: f"({code}){name}" for code, name in rows}


# ---------------------------------------------------------------- 可报考考点


def set_allowed(session: Session, policy: RosterPolicy, codes: Collection[str]) -> bool:
    """Make the 可报考考点 of the policy's site exactly these; none = unlimited (R19.5, R19.6).

    Raises InvalidInput for a code that is no site of the same province. Returns whether anything
    changed; then the log tells both lists and the policy counts as changed.
    """
    wanted = _sites(session, policy, set(codes))
    with widened(session, RosterAllowedSite):
        return _store(session, policy, wanted)


def _store(session: Session, policy: RosterPolicy, wanted: Mapping[int, str]) -> bool:
    stored = session.scalars(
        select(RosterAllowedSite).where(RosterAllowedSite.site_id == policy.site_id)
    ).all()
    present = {row.allowed_site_id: row for row in stored}
    if set(present) == set(wanted):
        return False
    before = _codes(session, present)
    for row in stored:
        if row.allowed_site_id not in wanted:
            session.delete(row)
    for site_id in wanted:
        if site_id not in present:
            session.add(_allowed(policy, site_id))
    after = sorted(wanted.values())
    if not session.is_modified(policy):
        policy.updated_at = utc_now()  # so that its version tells of the list as well
    audit.record(
        session,
        "roster.rosterpolicy.edit",
        row=policy,
        changes={ALLOWED_SITES.name: {"label": ALLOWED_SITES.label, "old": before, "new": after}},
    )
    session.flush()
    session.expire(policy, ["allowed"])
    return True


def _sites(session: Session, policy: RosterPolicy, codes: set[str]) -> dict[int, str]:
    rows = session.execute(
        select(Organisation.id, Organisation.code).where(
            Organisation.exam_id == policy.exam_id,
            Organisation.province_id == policy.province_id,
            Organisation.level == Level.SITE.value,
            Organisation.code.in_(codes),
        )
    )
    found = {site_id: code for site_id, code in rows}  # noqa: C416 - rows are not pairs to mypy
    if missing := codes - set(found.values()):
        raise foreign_site(missing)
    return found


def _codes(session: Session, site_ids: Collection[int]) -> list[str]:
    return sorted(
        session.scalars(select(Organisation.code).where(Organisation.id.in_(list(site_ids))))
    )


def _allowed(policy: RosterPolicy, site_id: int) -> RosterAllowedSite:
    return RosterAllowedSite(
        exam_id=policy.exam_id,
        province_id=policy.province_id,
        city_id=policy.city_id,
        site_id=policy.site_id,
        allowed_site_id=site_id,
    )


def default_policy(path: Mapping[str, Any]) -> list[RosterPolicy | RosterAllowedSite]:
    """The rows of a new site: nothing enabled, 可报考考点 its own (R19.4c). `path` are its scope
    columns."""
    return [RosterPolicy(**path), RosterAllowedSite(**path, allowed_site_id=path["site_id"])]


@before("roster_policy", Verb.EDIT)
def _edit(row: RosterPolicy, context: Context) -> None:
    if ALLOWED_SITES.name in context.values:
        set_allowed(context.session, row, context.values[ALLOWED_SITES.name] or ())
    context.session.info.pop("kaowu_roster_enabled", None)


# ---------------------------------------------------------------- what a change touches


@effects("roster_policy", Verb.EDIT)
def _effects(row: RosterPolicy, context: Context) -> list[str]:
    """How many records and registrations the site has that the change is about; none where the
    form comes back as it was."""
    return touched(context.session, [row]) if context.altered else []


# ---------------------------------------------------------------- many sites at once

_UNCHANGED = N_("不更改")
_SWITCH = {"1": N_("是"), "0": N_("否")}
OWN, ANY, LISTED = "own", "any", "listed"
_LISTS = {OWN: N_("仅本考点（默认）"), ANY: UNLIMITED_SITES, LISTED: N_("指定下列考点")}


def _switch(name: str, label: str) -> Field:
    return Field(
        name=name,
        label=label,
        personal=Personal.NONE,
        kind=Kind.CHOICE,
        choices=_SWITCH,
        help=N_("不选为不更改"),
    )


def _codes_for(
    session: Session, policy: RosterPolicy, values: Mapping[str, Any]
) -> Collection[str] | None:
    wanted = values.get("allowed")
    if wanted == OWN:
        return site_codes(session, [policy.site_id]).values()
    if wanted == ANY:
        return ()
    return values.get(ALLOWED_SITES.name) or () if wanted == LISTED else None


def _flags(values: Mapping[str, Any]) -> dict[str, bool]:
    """The flags that a batch changes."""
    return {name: values[name] == "1" for name in FLAGS if values.get(name) is not None}


@effects("roster_policies", Verb.RUN)
def _batch_effects(rows: Sequence[RosterPolicy], context: Any) -> list[str]:
    session = object_session(rows[0]) if rows else None
    if session is None:
        return []
    values = context.values
    if not _changes_anything(values):
        return []  # `_apply` refuses it
    return touched(session, rows, NewSettings(_flags(values), _lists(session, rows, values)))


def _lists(
    session: Session, rows: Sequence[RosterPolicy], values: Mapping[str, Any]
) -> dict[int, frozenset[int]]:
    """The 可报考考点 that `_apply` will set, by site; nothing where they stay."""
    wanted, sites = values.get("allowed"), [row.site_id or 0 for row in rows]
    if wanted == OWN:
        return {site_id: frozenset({site_id}) for site_id in sites}
    if wanted == ANY:
        return dict.fromkeys(sites, frozenset())
    codes = values.get(ALLOWED_SITES.name)
    if wanted != LISTED or not codes:
        return {}
    return dict.fromkeys(sites, frozenset(_sites(session, rows[0], set(codes))))


def _changes_anything(values: Mapping[str, Any]) -> bool:
    return bool(_flags(values) or values.get("allowed") or values.get(ALLOWED_SITES.name))


def _require_list(values: Mapping[str, Any]) -> None:
    if not _changes_anything(values):
        raise InvalidInput({"roster_enabled": [N_("没有选择任何更改，请至少选择一项")]})
    listed, codes = values.get("allowed") == LISTED, values.get(ALLOWED_SITES.name)
    if listed and not codes:
        text = N_("可报考考点：请选择考点；如不限制，请选“不限”")
        raise InvalidInput({ALLOWED_SITES.name: [text]})
    if codes and not listed:
        text = N_("可报考考点：选了考点，请同时选“指定下列考点”")
        raise InvalidInput({"allowed": [text]})


def _apply(
    session: Session, rows: Sequence[RosterPolicy], values: Mapping[str, Any], _context: object
) -> list[RowOutcome]:
    _require_list(values)
    for row in rows:
        for name, value in _flags(values).items():
            setattr(row, name, value)
        codes = _codes_for(session, row, values)
        if codes is not None:
            set_allowed(session, row, codes)
    session.info.pop("kaowu_roster_enabled", None)
    return [RowOutcome(row.id, row.display, True) for row in rows]


SET_POLICIES = register(
    Operation(
        name="roster_policies",
        label=N_("批量设置学籍报考"),
        resource="roster_policy",
        on=frozenset({On.SELECTION, On.QUERY}),
        apply=_apply,
        verbs={Level.PROVINCE: ONLY_RUN},
        fields=(
            _switch("roster_enabled", N_("启用学籍库")),
            _switch("own_province_only", N_("仅接受本省学籍库考生报考")),
            _switch("own_site_only", N_("仅接受本考点学籍库考生报考")),
            Field(
                name="allowed",
                label=N_("可报考考点范围"),
                personal=Personal.NONE,
                kind=Kind.CHOICE,
                choices=_LISTS,
                help=N_("不选为不更改"),
            ),
            ALLOWED_SITES,
        ),
        confirm=N_("为 {count} 个考点设置学籍报考？已有的报名不受影响。"),
        icon="fa-pen",
    )
)


__all__ = [
    "ALLOWED_SITES",
    "FLAGS",
    "NOT_ENABLED",
    "SET_POLICIES",
    "default_policy",
    "enabled_sites",
    "foreign_site",
    "roster_enabled",
    "set_allowed",
    "touched",
]
