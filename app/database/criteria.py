"""What the scope adds to a statement: constant loader criteria, values bound at execution.

A criterion is compiled once for all actors; who asks is read when the statement executes. The
branches (which criteria, elevated or not) are taken in plain Python: a branch inside a criterion
would be cached for everybody (design: proofs §2 lists the forms that leak).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from sqlalchemy import String, bindparam, false
from sqlalchemy.orm import with_loader_criteria
from sqlalchemy.sql.elements import ClauseElement, ColumnClause, TextClause
from sqlalchemy.sql.schema import Table
from sqlalchemy.sql.selectable import Exists, Select, SelectBase, TableClause
from sqlalchemy.sql.visitors import HasTraverseInternals

from app.database import base
from app.database.executing import execute_as, executing_actor
from app.database.types import Big
from app.metadata.actor import Actor
from app.metadata.errors import PolicyDenied
from app.metadata.vocabulary import Level


class NoActor(PolicyDenied):
    """A statement on a session that belongs to nobody."""

    code = "policy.no_actor"


def _executing_actor() -> Actor:
    actor = executing_actor()
    if actor is None:  # pragma: no cover - without an actor no criterion binds a value
        raise NoActor()
    return actor


def _value(name: str, read: Callable[[Actor], Any], type_: Any = Big) -> Any:
    return bindparam(f"kaowu_{name}", callable_=lambda: read(_executing_actor()), type_=type_)


_EXAM = _value("exam", lambda actor: actor.exam_id)
_PROVINCE = _value("province", lambda actor: actor.province_id)
_CITY = _value("city", lambda actor: actor.city_id)
_SITE = _value("site", lambda actor: actor.site_id)
_PASSPORT = _value("passport", lambda actor: actor.passport_id)
_PROVINCE_CODE = _value("province_code", lambda actor: actor.province_code, String)
_CITY_CODE = _value("city_code", lambda actor: actor.city_code, String)
_SITE_CODE = _value("site_code", lambda actor: actor.site_code, String)


def _pair(mixin: type, condition: Callable[[Any], Any], lifted: Callable[[Any], Any]) -> Any:
    """The criterion, and the one to use while models are elevated."""
    options: dict[str, Any] = {"include_aliases": True, "propagate_to_loaders": True}
    return (
        with_loader_criteria(mixin, condition, **options),
        with_loader_criteria(mixin, lifted, **options),
    )


# Each condition is written twice: a lambda may not call a function (see the module's head).
_IN_EXAM = _pair(
    base.ExamScoped,
    lambda cls: cls.exam_id == _EXAM,
    lambda cls: cls.kaowu_elevated | (cls.exam_id == _EXAM),
)
_IN_PROVINCE = _pair(
    base.OrganisationPath,
    lambda cls: cls.province_id == _PROVINCE,
    lambda cls: cls.kaowu_elevated | (cls.province_id == _PROVINCE),
)
_IN_CITY = _pair(
    base.OrganisationPath,
    lambda cls: cls.city_id == _CITY,
    lambda cls: cls.kaowu_elevated | (cls.city_id == _CITY),
)
_IN_SITE = _pair(
    base.OrganisationPath,
    lambda cls: cls.site_id == _SITE,
    lambda cls: cls.kaowu_elevated | (cls.site_id == _SITE),
)
_CODE_PROVINCE = _pair(
    base.SiteCodeScoped,
    lambda cls: cls.province_code == _PROVINCE_CODE,
    lambda cls: cls.kaowu_elevated | (cls.province_code == _PROVINCE_CODE),
)
_CODE_CITY = _pair(
    base.SiteCodeScoped,
    lambda cls: cls.city_code == _CITY_CODE,
    lambda cls: cls.kaowu_elevated | (cls.city_code == _CITY_CODE),
)
_CODE_SITE = _pair(
    base.SiteCodeScoped,
    lambda cls: cls.site_code == _SITE_CODE,
    lambda cls: cls.kaowu_elevated | (cls.site_code == _SITE_CODE),
)
_OWN = _pair(
    base.OwnedByPassport,
    lambda cls: cls.passport_id == _PASSPORT,
    lambda cls: cls.kaowu_elevated | (cls.passport_id == _PASSPORT),
)
_NO_ADMINISTRATION = _pair(
    base.AdministratorsOnly, lambda cls: false(), lambda cls: cls.kaowu_elevated | false()
)
_NO_EXAM = _pair(base.ExamScoped, lambda cls: false(), lambda cls: cls.kaowu_elevated | false())
_NO_CODES = _pair(
    base.SiteCodeScoped, lambda cls: false(), lambda cls: cls.kaowu_elevated | false()
)
_NO_OWNED = _pair(
    base.OwnedByPassport, lambda cls: false(), lambda cls: cls.kaowu_elevated | false()
)

_NOBODY = (_NO_EXAM, _NO_CODES, _NO_OWNED, _NO_ADMINISTRATION)
_SYSTEM = (_IN_EXAM,)
_BY_LEVEL: dict[Level, tuple[Any, ...]] = {
    Level.CENTER: (_IN_EXAM,),
    Level.PROVINCE: (_IN_EXAM, _IN_PROVINCE, _CODE_PROVINCE),
    Level.CITY: (_IN_EXAM, _IN_CITY, _CODE_CITY),
    Level.SITE: (_IN_EXAM, _IN_SITE, _CODE_SITE),
    Level.CANDIDATE: (_IN_EXAM, _OWN, _NO_ADMINISTRATION, _NO_CODES),
}


@lru_cache(maxsize=32)
def _chosen(kind: Level | str, elevated: bool) -> tuple[Any, ...]:
    pairs = {"nobody": _NOBODY, "system": _SYSTEM}.get(kind) or _BY_LEVEL[Level(kind)]
    return tuple(pair[elevated] for pair in pairs)


def kind_of(actor: Actor | None) -> Level | str:
    """All actors of one kind have the same criteria; only the bound values differ."""
    if actor is None:
        return "nobody"
    return "system" if actor.is_system else actor.level


def options_for(actor: Actor | None, *, elevated: bool) -> tuple[Any, ...]:
    """The criteria of this actor's statements."""
    return _chosen(kind_of(actor), elevated)


# ---------------------------------------------------------------- statements that criteria miss


@lru_cache(maxsize=4)
def _scoped_tables(_mappers: int) -> frozenset[Any]:
    """Tables of models that carry a scope; found anew when further models were mapped."""
    mixins = (
        base.ExamScoped,
        base.SiteCodeScoped,
        base.OwnedByPassport,
        base.AdministratorsOnly,
    )
    return frozenset(
        mapper.local_table
        for mapper in base.Base.registry.mappers
        if issubclass(mapper.class_, mixins)
    )


#: what names tables without reading them: correlation, and the columns that an UPDATE sets
_OMITTED = ("_correlate", "_correlate_except", "_values", "_multi_values", "_ordered_values")


def _is_entity(element: Any) -> bool:
    """Did the mapper make it: an entity, its column, or a column of a relationship?"""
    return "parentmapper" in getattr(element, "_annotations", ())


def _children(element: Any) -> list[Any]:
    if isinstance(element, ColumnClause) or _is_entity(element):
        return []
    # past Select's own method, which adds the bare tables behind annotated columns
    children = list(HasTraverseInternals.get_children(element, omit_attrs=_OMITTED))
    values = getattr(element, "_values", None) or {}
    return children + [value for value in values.values() if isinstance(value, ClauseElement)]


def names_managed(statement: Any) -> bool:
    """Does a statement without entities read anything but literals and functions? It has no
    place that criteria could be put in, even if an entity stands somewhere inside it."""
    if not isinstance(statement, (SelectBase, Exists)):
        return True
    stack: list[Any] = [statement]
    while stack:
        element = stack.pop()
        if isinstance(element, (TableClause, TextClause)):
            return True
        if isinstance(element, ColumnClause) and element.table is not None:
            return True
        stack.extend(_children(element))
    return False


def names_raw_tables(statement: Any) -> bool:
    """Does a statement with entities also read a scoped table past its entity?

    Criteria are put on entities only. A bare column is harmless where its table's entity stands
    in the same SELECT (`Session.get` is written so).
    """
    tables = _scoped_tables(len(base.Base.registry.mappers))
    selects: list[Any] = [statement]
    while selects:
        first = selects.pop()
        bare: set[Any] = set()
        entities: set[Any] = set()
        stack = [first]
        while stack:
            element = stack.pop()
            if isinstance(element, Select) and element is not first:
                selects.append(element)
                continue
            if isinstance(element, ColumnClause):
                (entities if _is_entity(element) else bare).add(element.table)
            elif isinstance(element, Table):
                if _is_entity(element):
                    entities.add(element)
                elif element in tables:
                    return True
            stack.extend(_children(element))
        if (bare & tables) - entities:
            return True
    return False


__all__ = [
    "NoActor",
    "execute_as",
    "kind_of",
    "names_managed",
    "names_raw_tables",
    "options_for",
]
