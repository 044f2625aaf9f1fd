"""Organisations (chapter 7): the tree, enabling, review, and who may change what (R7.1-R7.6)."""

from __future__ import annotations

from typing import Any

from sqlalchemy import inspect, select
from sqlalchemy.orm import Session

from app.database.identifiers import new_id
from app.database.policy import actor_of
from app.metadata.declarations import Declaration, Place
from app.metadata.errors import N_, Duplicate, InvalidInput, KaowuError, NotFound
from app.metadata.fields import fields_of
from app.metadata.registry import register
from app.metadata.vocabulary import ADMINISTRATORS, Area, Level, Verb
from app.models.exam import OperationWindow
from app.models.organisation import Organisation, ReviewedState, below
from app.models.roster import RosterAllowedSite, RosterPolicy
from app.models.settings import SiteSettings
from app.rules.crud import Context, before
from app.rules.default_settings import defaults_for
from app.rules.policy import widened
from app.rules.roster.policy import default_policy

USER_ORGANISATION = register(
    Declaration(
        name="user_organisation",
        label=N_("用户与机构管理"),
        menu=Place(Area.BASIC, 10),
        verbs=dict.fromkeys(ADMINISTRATORS, frozenset({Verb.VIEW})),
        super_verbs=frozenset({Verb.VIEW}),
        per_exam=False,
    )
)
#: length of a code by level: (99) province, (9907) city, (990701) site (§3.3)
CODE_LENGTHS = {2: Level.PROVINCE, 4: Level.CITY, 6: Level.SITE}
_CHILDREN = {
    Level.CENTER: {Level.PROVINCE},
    Level.PROVINCE: {Level.CITY, Level.SITE},
    Level.CITY: {Level.SITE},
}


class ReviewedInformation(KaowuError):
    """R7.3."""

    code = "organisation.reviewed"
    template = N_("机构信息已审核，不能修改。如需修改，请联系上级改为“未审核”。")
    status = 403


class OwnOrganisation(KaowuError):
    """R7.6: nobody disables, reviews or deletes his own organisation."""

    code = "organisation.own"
    template = N_("不能停用、审核或删除本机构，请联系上级办理。")
    status = 403


class ParentMissing(KaowuError):
    """An organisation other than the centre hangs below one."""

    code = "organisation.parent_missing"
    template = N_("没有选择上级机构。")


def by_code(session: Session, code: str) -> Organisation:
    """The organisation of this code below the actor; NotFound otherwise."""
    row = session.scalars(
        select(Organisation).where(below(actor_of(session)), Organisation.code == code)
    ).first()
    if row is None:
        raise NotFound()
    return row


def by_id(session: Session, organisation_id: int) -> Organisation:
    """The organisation of this id below the actor; NotFound otherwise (P1)."""
    row = session.scalars(
        select(Organisation).where(below(actor_of(session)), Organisation.id == organisation_id)
    ).first()
    if row is None:
        raise NotFound()
    return row


def children_of(session: Session, organisation: Organisation) -> list[Organisation]:
    """Direct children in order of their codes."""
    statement = select(Organisation).where(Organisation.parent_id == organisation.id)
    return list(session.scalars(statement.order_by(Organisation.code)))


def place(row: Organisation, parent: Organisation) -> None:
    """Derive level and path from code and parent.

    Raises InvalidInput for a code that does not fit below this parent.
    """
    level = CODE_LENGTHS.get(len(row.code)) if row.code.isdigit() else None
    if level is None or level not in _CHILDREN.get(Level(parent.level), set()):
        raise InvalidInput(
            {"code": [N_("机构代码：省为 2 位、地市为 4 位、考点为 6 位数字，且须低于上级机构")]}
        )
    if parent.level != Level.CENTER.value and row.code[:2] != parent.code[:2]:
        raise InvalidInput({"code": [N_("机构代码：前两位应为所在省的代码")]})
    row.id = row.id or new_id()
    row.parent_id, row.exam_id, row.level = parent.id, parent.exam_id, level.value
    row.province_id = row.id if level is Level.PROVINCE else parent.province_id
    row.city_id = row.id if level is Level.CITY else parent.city_id
    row.site_id = row.id if level is Level.SITE else None


@before("organisation", Verb.ADD)
def _add(row: Organisation, context: Context) -> None:
    if row.parent_id is None:
        raise ParentMissing()
    parent = by_id(context.session, row.parent_id)
    place(row, parent)
    if context.session.scalar(
        select(Organisation.id).where(
            Organisation.exam_id == row.exam_id, Organisation.code == row.code
        )
    ):
        raise Duplicate(label=N_("机构代码"))

    if row.level == Level.SITE.value:
        add_site_rows(context.session, row)


def add_site_rows(session: Session, site: Organisation) -> None:
    """Add a site together with its 综合设置 and 学籍报考设置, which it has from the first day
    with the defaults (R0.6b, R19.4c). Inside the permit under which the site is added."""
    with widened(session, Organisation, SiteSettings, RosterPolicy, RosterAllowedSite):
        session.add(site)
        session.flush()
        _add_defaults(session, site)


def _add_defaults(session: Session, site: Organisation) -> None:
    path = {
        "exam_id": site.exam_id,
        "province_id": site.province_id,
        "city_id": site.city_id,
        "site_id": site.id,
    }
    defaults = defaults_for(session, site.exam_id, site.province_id)
    session.add(SiteSettings(**path, **defaults))
    session.add_all(default_policy(path))


@before("organisation", Verb.EDIT)
def _edit(row: Organisation, context: Context) -> None:
    changed = {
        name for name in fields_of(Organisation) if inspect(row).attrs[name].history.has_changes()
    }
    own = row.id == context.actor.organisation_id
    if own and changed & {"enabled", "reviewed"}:
        raise OwnOrganisation()
    was_reviewed = ReviewedState.REVIEWED.value in (
        inspect(row).attrs.reviewed.history.deleted or [row.reviewed]
    )
    opened = row.reviewed == ReviewedState.OPEN.value
    if was_reviewed and changed - {"enabled", "reviewed"} and not opened:
        raise ReviewedInformation()
    if was_reviewed and own and changed:
        raise ReviewedInformation()


@before("organisation", Verb.DELETE)
def _delete(row: Organisation, context: Context) -> None:
    if row.id == context.actor.organisation_id:
        raise OwnOrganisation()
    _drop_defaults(context.session, row)


#: what an organisation has from the first day; it is no data that keeps it from being deleted
_OWN_ROWS: tuple[tuple[type[Any], str], ...] = (
    (SiteSettings, "site_id"),
    (RosterAllowedSite, "site_id"),
    (RosterPolicy, "site_id"),
    (OperationWindow, "organisation_id"),
)


def _drop_defaults(session: Session, row: Organisation) -> None:
    """Settings and windows go with their organisation; anything else keeps it (InUse)."""
    models = tuple(model for model, _ in _OWN_ROWS)
    with widened(session, Organisation, *models):
        for model, column in _OWN_ROWS:
            for own in session.scalars(select(model).where(getattr(model, column) == row.id)).all():
                session.delete(own)
        session.flush()


def empty_fields(row: Organisation) -> int:
    """How many fields of the form are empty (the form says so)."""
    return sum(
        1
        for name, field in fields_of(Organisation).items()
        if field.form and getattr(row, name) in (None, "")
    )


def facts(row: Organisation) -> dict[str, Any]:
    """The public projection (R7 conflict): code, name, address on the ticket."""
    return {"code": row.code, "name": row.name, "address": row.address}
