"""The living permission matrix (architecture §4.5): defaults in the declarations, truth in the
database, and a three-way merge between code, last baseline and what superusers made of it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from app.database.identifiers import new_id
from app.metadata import registry
from app.metadata.declarations import Declaration, Place
from app.metadata.errors import N_, Duplicate, InvalidInput, KaowuError, NotFound
from app.metadata.vocabulary import ADMINISTRATORS, Area, Level, Verb
from app.models.account import AdminBinding, Role, RoleBaseline, RoleGrant, Setting
from app.rules import audit
from app.rules.clock import Clock, system_clock
from app.rules.living_matrix import BUILT_IN, MATRIX_VERSION, SUPER
from app.rules.policy import permit

MATRIX = registry.register(
    Declaration(
        name="permission_matrix",
        label=N_("角色权限"),
        menu=Place(Area.SYSTEM, 10),
        super_verbs=frozenset({Verb.VIEW, Verb.EDIT}),
        per_exam=False,
    )
)
_KEY = (Verb.VIEW, Verb.EDIT)
_BUILT_IN = frozenset(role.name for role in BUILT_IN)
#: (role, declaration, verb)
Cell = tuple[str, str, Verb]
_ROLE_NAME = re.compile(r"[a-z][a-z0-9_]{2,29}")


class MatrixChanged(KaowuError):
    """Somebody else saved the matrix since the page was opened."""

    code = "permissions.changed"
    template = N_("权限已被他人修改，请刷新页面后重新设置。")
    status = 409


class IllegalCell(KaowuError):
    """A verb that no level has on this page."""

    code = "permissions.illegal_cell"
    template = N_("页面“{label}”没有“{verb}”这一权限。")


class SuperKeepsMatrix(KaowuError):
    """Without these cells nobody could ever change the matrix again."""

    code = "permissions.super_keeps_matrix"
    template = N_("系统管理员必须保留“{label}”的权限，否则无人能够再修改权限。")


class RoleInUse(KaowuError):
    """A role that people have, or that is built in, cannot be deleted."""

    code = "permissions.role_in_use"
    template = N_("角色“{label}”正在使用或为内置角色，不能删除。")
    status = 409


@dataclass(slots=True)
class SyncReport:
    """What `sync` did: added and removed cells, and those kept because people changed them."""

    added: list[Cell] = field(default_factory=list)
    removed: list[Cell] = field(default_factory=list)
    kept: list[Cell] = field(default_factory=list)

    @property
    def is_empty(self) -> bool:
        return not (self.added or self.removed)


def defaults() -> set[Cell]:
    """The cells that the code grants to the built-in roles."""
    return {
        (role, item.name, verb)
        for item in registry.all_declarations()
        for role in _BUILT_IN
        for verb in item.default_verbs(role)
    }


def legal_verbs(declaration: Declaration) -> list[Verb]:
    """Verbs that make sense on a page: those that some role has by default, in order."""
    found = set(declaration.super_verbs)
    for level in ADMINISTRATORS:
        found |= declaration.verbs.get(level, frozenset())
    return [verb for verb in Verb if verb in found]


def offered_verbs(declaration: Declaration, role: Role) -> list[Verb]:
    """Verbs that a role may be given on a page. The matrix itself is for people of the centre:
    whoever may change it can give himself everything."""
    if declaration is MATRIX and role.level != Level.CENTER.value:
        return []
    return legal_verbs(declaration)


def is_locked(declaration: Declaration, role: Role) -> bool:
    """Cells that cannot be taken away from the role: the superusers' own key."""
    return declaration is MATRIX and role.name == SUPER


def _cells(session: Session, model: type[RoleGrant] | type[RoleBaseline]) -> set[Cell]:
    known = set(Verb)
    rows = session.execute(select(model.role, model.declaration, model.verb))
    return {(role, name, Verb(verb)) for role, name, verb in rows if verb in known}


def sync(session: Session, *, dry_run: bool = False) -> SyncReport:
    """Bring the living matrix up to the code (`kaowu permissions sync`).

    A cell changes only where the code changed it since the baseline and the living cell still
    equals the baseline; cells of built-in roles changed by hand are kept and reported. A dry run
    only reports.
    """
    code = defaults()
    report = merge(code, _cells(session, RoleBaseline), _cells(session, RoleGrant))
    if dry_run:
        return report
    _make_roles(session)
    _write(session, report.added, report.removed)
    _replace_baseline(session, code)
    never = session.scalar(select(Setting.id).where(Setting.name == MATRIX_VERSION)) is None
    if never or not report.is_empty:
        _record_sync(session, report)
        bump_version(session)
    return report


def _record_sync(session: Session, report: SyncReport) -> None:
    """One entry for the whole merge: its cells are those of the code of that version."""
    counts = {
        "added": (N_("新增权限"), len(report.added)),
        "removed": (N_("移除权限"), len(report.removed)),
        "kept": (N_("保留手工修改"), len(report.kept)),
    }
    audit.record(
        session,
        "account.role_grant.sync",
        object_type="RoleGrant",
        changes={
            name: {"label": label, "old": None, "new": number}
            for name, (label, number) in counts.items()
        },
    )


def merge(code: set[Cell], base: set[Cell], live: set[Cell]) -> SyncReport:
    """What to add and remove so that the living cells follow the code, and what to keep."""
    report = SyncReport()
    by_hand = {cell for cell in live if cell[0] in _BUILT_IN}
    for cell in sorted(code | base | by_hand):
        wanted, before, now = cell in code, cell in base, cell in live
        if wanted == before:
            if now != before:
                report.kept.append(cell)
        elif now == before:
            (report.added if wanted else report.removed).append(cell)
    return report


def _make_roles(session: Session) -> None:
    known = set(session.scalars(select(Role.name)))
    for role in BUILT_IN:
        if role.name not in known:
            session.add(Role(name=role.name, label=role.label, level=role.level, built_in=True))
    session.flush()


def _write(session: Session, added: Iterable[Cell], removed: Iterable[Cell]) -> None:
    for role, name, verb in added:
        session.add(RoleGrant(role=role, declaration=name, verb=verb.value))
    for role, name, verb in removed:
        session.execute(
            delete(RoleGrant).where(
                RoleGrant.role == role,
                RoleGrant.declaration == name,
                RoleGrant.verb == verb.value,
            )
        )
    session.flush()


def _replace_baseline(session: Session, cells: set[Cell]) -> None:
    old = _cells(session, RoleBaseline)
    if old == cells:
        return
    session.execute(delete(RoleBaseline))
    for role, name, verb in sorted(cells):
        session.add(RoleBaseline(role=role, declaration=name, verb=verb.value))
    session.flush()


def _lock(session: Session) -> Setting | None:
    """Hold the matrix until the end of the transaction: two saves at once would each find their
    token in order. None before the matrix was ever written."""
    return session.scalars(
        select(Setting)
        .where(Setting.name == MATRIX_VERSION)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).one_or_none()


def bump_version(session: Session) -> None:
    """Every process drops its cached grant sets on the next request.

    A version is a number that never comes again: after a rollback, or a restored backup, a
    counter would give one number to two matrices.
    """
    row = _lock(session)
    version = str(new_id())
    if row is None:
        session.add(Setting(name=MATRIX_VERSION, value=version))
    else:
        row.value = version
    session.flush()


def grants_of(session: Session, role: str) -> set[tuple[str, Verb]]:
    """The cells of one role in the living matrix."""
    return {(name, verb) for owner, name, verb in _cells(session, RoleGrant) if owner == role}


def token_of(session: Session, role: str) -> str:
    """Digest of a role's cells; a save with another one is refused."""
    text = "\n".join(f"{name}:{verb}" for name, verb in sorted(grants_of(session, role)))
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def role_named(session: Session, name: str) -> Role:
    """The role; NotFound."""
    row = session.scalars(select(Role).where(Role.name == name)).one_or_none()
    if row is None:
        raise NotFound()
    return row


def difference(
    session: Session, role: str, wanted: set[tuple[str, Verb]]
) -> tuple[list[tuple[str, Verb]], list[tuple[str, Verb]]]:
    """(granted anew, taken away), sorted: the preview. Raises IllegalCell, SuperKeepsMatrix."""
    row = role_named(session, role)
    for name, verb in wanted:
        declaration = registry.find(name, Declaration)
        if declaration is None or verb not in offered_verbs(declaration, row):
            label = declaration.label if declaration else name
            raise IllegalCell(label=label, verb=verb.label)
    if is_locked(MATRIX, row) and any((MATRIX.name, verb) not in wanted for verb in _KEY):
        raise SuperKeepsMatrix(label=MATRIX.label)
    present = grants_of(session, role)
    # cells of declarations that the code no longer has stay untouched
    visible = {cell for cell in present if registry.find(cell[0], Declaration) is not None}
    return sorted(wanted - visible), sorted(visible - wanted)


def save(
    session: Session,
    role: str,
    wanted: set[tuple[str, Verb]],
    token: str,
    *,
    clock: Clock = system_clock,
) -> int:
    """Make the role's cells exactly `wanted`; returns how many changed. One audit entry per cell.

    Raises MatrixChanged when the token is not that of the present cells.
    """
    with permit(session, MATRIX, Verb.EDIT, clock=clock):
        row = role_named(session, role)
        _lock(session)
        if token != token_of(session, role):
            raise MatrixChanged()
        added, removed = difference(session, role, wanted)
        _write(
            session,
            [(role, name, verb) for name, verb in added],
            [(role, name, verb) for name, verb in removed],
        )
        for granted, cells in ((True, added), (False, removed)):
            for name, verb in cells:
                audit.record(
                    session,
                    "account.role_grant.edit",
                    object_type="RoleGrant",
                    title=f"{row.label} {registry.get(name).label}",
                    changes={verb.value: {"label": verb.label, "old": not granted, "new": granted}},
                )
        if added or removed:
            bump_version(session)
    return len(added) + len(removed)


def copied(session: Session, source: str, role: Role) -> set[tuple[str, Verb]]:
    """The cells of another role that this one may have too. Raises NotFound."""
    role_named(session, source)
    return {
        (name, verb)
        for name, verb in grants_of(session, source)
        if (page := registry.find(name, Declaration)) is not None
        and verb in offered_verbs(page, role)
    }


def create_role(
    session: Session, name: str, label: str, level: str, copy_from: str | None = None
) -> Role:
    """A further role for people of a level, optionally with those cells of another role that it
    may have. Raises InvalidInput, Duplicate, NotFound (`copy_from`)."""
    errors: dict[str, list[str]] = {}
    if not _ROLE_NAME.fullmatch(name):
        errors["name"] = [N_("角色代码：3–30 位小写字母、数字或下划线，字母开头")]
    if not label.strip() or len(label) > Role.label.type.length:
        errors["label"] = [N_("角色名称：1–30 个字")]
    if level not in {known.value for known in ADMINISTRATORS}:
        errors["level"] = [N_("适用级别：请选择机构级别")]
    if errors:
        raise InvalidInput(errors)
    with permit(session, MATRIX, Verb.EDIT):
        if session.scalar(select(Role.id).where(Role.name == name)):
            raise Duplicate(label=N_("角色代码"))
        row = Role(name=name, label=label.strip(), level=level, built_in=False)
        session.add(row)
        if copy_from:
            cells = copied(session, copy_from, row)
            _write(session, [(name, page, verb) for page, verb in sorted(cells)], [])
        audit.record(
            session,
            "account.role.add",
            row=row,
            title=row.label,
            changes={
                "level": {"label": N_("适用级别"), "old": None, "new": level},
                "copy_from": {"label": N_("复制自"), "old": None, "new": copy_from},
            },
        )
        bump_version(session)
    return row


def delete_role(session: Session, name: str) -> None:
    """Delete a role that nobody has. Raises RoleInUse."""
    with permit(session, MATRIX, Verb.EDIT):
        row = role_named(session, name)
        used = any(name in extra for extra in session.scalars(select(AdminBinding.extra_roles)))
        if row.built_in or used:
            raise RoleInUse(label=row.label)
        audit.record(session, "account.role.delete", row=row, title=row.label)
        session.execute(delete(RoleGrant).where(RoleGrant.role == name))
        session.delete(row)
        bump_version(session)
