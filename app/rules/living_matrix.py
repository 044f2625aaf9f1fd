"""The permission matrix as it is lived by: who holds which verbs, kept by every process until it
changes (docs/permissions.md). It is written in `rules.permissions`.

A request asks for the matrix once, when its actor is loaded; whoever asks again on the same
session, for whatever roles, is answered without a statement.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.metadata.actor import Grants
from app.metadata.declarations import ENTRUSTED_CITY, Declaration
from app.metadata.errors import N_
from app.metadata.vocabulary import ADMINISTRATORS, ROLE_LABELS, Level, Verb
from app.models.account import Role, RoleGrant, Setting

#: name of the setting that every save of the matrix changes
MATRIX_VERSION = "matrix_version"
SUPER = "super"
_NONE: Grants = frozenset()
_KEY = "kaowu_matrix"


@dataclass(frozen=True, slots=True)
class NamedRole:
    """A role of the matrix: what it is called (a msgid where it is built in), whose it is."""

    name: str
    label: str
    level: str | None


#: one for each level of administrators, and those that add to a level
BUILT_IN = (
    *(NamedRole(level.value, ROLE_LABELS[level], level.value) for level in ADMINISTRATORS),
    NamedRole(SUPER, N_("系统管理员"), Level.CENTER.value),
    NamedRole(ENTRUSTED_CITY, N_("受省委托的地市管理员"), Level.CITY.value),
)


@dataclass(frozen=True, slots=True)
class LivingMatrix:
    """The cells of one version: {role: its grants}; what roles grant together is put together
    once for each combination."""

    version: Any
    cells: Mapping[str, Grants]
    roles: tuple[NamedRole, ...]
    _sets: dict[frozenset[str], Grants] = field(default_factory=dict)

    def grants(self, roles: frozenset[str]) -> Grants:
        """What these roles may do together."""
        found = self._sets.get(roles)
        if found is None:
            found = _NONE.union(*(self.cells.get(role, _NONE) for role in roles))
            self._sets[roles] = found
        return found


class _Cache:
    """The matrix of the newest version that this process has met."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._matrix: LivingMatrix | None = None

    def get(self, session: Session) -> LivingMatrix | None:
        version = session.scalar(select(Setting.value).where(Setting.name == MATRIX_VERSION))
        if version is None:
            return None
        with self._lock:
            if self._matrix is not None and self._matrix.version == version:
                return self._matrix
        found = _load(session, version)
        with self._lock:
            self._matrix = found
        return found


_cache = _Cache()


def _load(session: Session, version: Any) -> LivingMatrix:
    known = set(Verb)
    cells: dict[str, set[tuple[str, Verb]]] = defaultdict(set)
    for role, name, verb in session.execute(
        select(RoleGrant.role, RoleGrant.declaration, RoleGrant.verb)
    ):
        if verb in known:
            cells[role].add((name, Verb(verb)))
    rows = session.execute(
        select(Role.name, Role.label, Role.level).order_by(Role.built_in.desc(), Role.id)
    )
    roles = tuple(NamedRole(*row) for row in rows)
    return LivingMatrix(version, {role: frozenset(found) for role, found in cells.items()}, roles)


def read(session: Session) -> LivingMatrix | None:
    """The matrix as it is now, remembered for the session: one statement while it stays the same.
    None before it was ever written: then what is declared holds."""
    found = _cache.get(session)
    session.info[_KEY] = found
    return found


def known(session: Session) -> LivingMatrix | None:
    """The matrix by which the session's actor was let in; read where it is not known yet."""
    return session.info[_KEY] if _KEY in session.info else read(session)


def holders(session: Session, declaration: Declaration, verbs: Iterable[Verb]) -> list[str]:
    """Who holds one of the verbs now, as labels (msgids) from the highest level down.

    Further roles are named where their level as a whole does not hold any: superusers, entrusted
    cities and those that superusers have made. Candidates are not in the matrix.
    """
    matrix = known(session)
    wanted = declaration.legal_verbs & frozenset(verbs)

    def holds(role: str) -> bool:
        if matrix is None or role == Level.CANDIDATE.value:
            return bool(wanted & declaration.default_verbs(role))
        cells = matrix.cells.get(role, _NONE)
        return any((declaration.name, verb) in cells for verb in wanted)

    roles = BUILT_IN if matrix is None else matrix.roles
    found: list[str] = []
    for level in Level:
        if holds(level.value):
            found.append(level.role_label)
        else:
            further = [role for role in roles if role.level == level.value]
            found += [role.label for role in further if holds(role.name)]
    return found


__all__ = [
    "BUILT_IN",
    "MATRIX_VERSION",
    "SUPER",
    "LivingMatrix",
    "NamedRole",
    "holders",
    "known",
    "read",
]
