"""All declarations in one place; checked at start (architecture §1).

Menu, permission matrix, REST description and contract tests are read from here. A mistake stops
the start and names the declaration.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeVar

from app.metadata.declarations import (
    Declaration,
    Document,
    Import,
    Operation,
    Resource,
    Statistic,
)
from app.metadata.errors import DeclarationError
from app.metadata.fields import Field, Kind, Search, fields_of
from app.metadata.vocabulary import Area, Personal

D = TypeVar("D", bound=Declaration)
_OF_TEXTS = (Search.EXACT, Search.PREFIX, Search.CONTAINS, Search.SUFFIX)
_declarations: dict[str, Declaration] = {}


def register(declaration: D) -> D:
    """Add a declaration; returns it, so that it can be assigned in the same line."""
    known = _declarations.get(declaration.name)
    if known is not None and known is not declaration:
        raise DeclarationError(declaration.name, "this name is declared twice")
    _declarations[declaration.name] = declaration
    return declaration


def get(name: str) -> Declaration:
    """The declaration of that name; KeyError for a name that no code declares."""
    return _declarations[name]


def find(name: str, kind: type[D]) -> D | None:
    """The declaration of that name and kind, or None."""
    declaration = _declarations.get(name)
    return declaration if isinstance(declaration, kind) else None


def declared(kind: type[D]) -> list[D]:
    """All declarations of a kind, in menu order, then by name."""
    found = [item for item in _declarations.values() if isinstance(item, kind)]
    return sorted(found, key=_menu_key)


def all_declarations() -> list[Declaration]:
    return declared(Declaration)


def operations_of(resource: Resource) -> list[Operation]:
    """The operations offered on a resource's page, in the order of their declaration."""
    return [
        item
        for item in _declarations.values()
        if isinstance(item, Operation) and item.resource == resource.name
    ]


def resource_of(model: type) -> Resource | None:
    """The resource that manages a model, or None."""
    for item in declared(Resource):
        if item.model is model:
            return item
    return None


def menu() -> Iterator[tuple[Area, list[Declaration]]]:
    """Areas in the order of the work flow, each with its pages in order."""
    by_area: dict[Area, list[Declaration]] = {}
    for item in all_declarations():  # sorted once: every page asks for its menu
        if item.menu is not None:
            by_area.setdefault(item.menu.area, []).append(item)
    yield from by_area.items()


def _menu_key(item: Declaration) -> tuple[int, int, str]:
    if item.menu is None:
        return (len(Area), 0, item.name)
    return (list(Area).index(item.menu.area), item.menu.order, item.name)


def check() -> None:
    """Raise DeclarationError for the first mistake in any declaration."""
    places: dict[tuple[Area, int], str] = {}
    for item in all_declarations():
        if item.menu is not None:
            place = (item.menu.area, item.menu.order)
            if place in places:
                raise DeclarationError(item.name, f"same menu place as {places[place]}")
            places[place] = item.name
        if isinstance(item, Resource):
            _check_resource(item)
        elif isinstance(item, Operation):
            if find(item.resource, Resource) is None:
                raise DeclarationError(item.name, f"unknown resource {item.resource!r}")
            _check_fields(item.name, item.fields)
        elif isinstance(item, Import):
            _check_fields(item.name, (*item.columns, *item.options))
            if unknown := set(item.unique) - {column.name for column in item.columns}:
                raise DeclarationError(item.name, f"unique names unknown columns {sorted(unknown)}")
        elif isinstance(item, Document):
            _check_fields(item.name, item.parameters)
        elif isinstance(item, Statistic):
            _check_fields(item.name, item.filters)


def _check_fields(name: str, fields: tuple[Field, ...]) -> None:
    names = [field.name for field in fields]
    if len(names) != len(set(names)):
        raise DeclarationError(name, "two fields of one name")


def _check_resource(item: Resource) -> None:
    from sqlalchemy import inspect  # noqa: PLC0415 - only here does the vocabulary see tables

    fields = fields_of(item.model)
    computed = {column.name for column in item.computed}
    virtual = {field.name for field in item.virtual}
    if doubled := virtual & (set(fields) | computed):
        raise DeclarationError(item.name, f"virtual fields {sorted(doubled)} are columns")
    sought = tuple(found.field for found in item.sought)
    _check_fields(item.name, (*fields.values(), *sought))
    if odd := [field.name for field in sought if field.search not in _OF_TEXTS]:
        raise DeclarationError(item.name, f"{odd} are sought, but not as texts")
    known = set(fields) | computed
    for name in (*item.columns, *item.shown):
        if name not in known:
            raise DeclarationError(item.name, f"unknown column {name!r}")
    for title, names in item.fieldsets:
        if wrong := set(names) - known - virtual:
            raise DeclarationError(item.name, f"fieldset {title!r} names {sorted(wrong)}")
    mapper: Any = inspect(item.model)
    for name, direction in item.order:
        if name not in mapper.columns or direction not in ("asc", "desc"):
            raise DeclarationError(item.name, f"cannot order by {name!r} {direction!r}")
    undeclared = [
        attribute.key
        for attribute in mapper.column_attrs
        if "kaowu" not in attribute.columns[0].info and not _is_plumbing(attribute.columns[0])
    ]
    if undeclared:
        raise DeclarationError(item.name, f"columns without col(): {undeclared}")
    for field in fields.values():
        _check_resource_field(item, field)


def _check_resource_field(item: Resource, field: Field) -> None:
    if field.shown_as and not hasattr(item.model, field.shown_as):
        raise DeclarationError(item.name, f"{field.name} is shown as unknown {field.shown_as!r}")
    encrypted = getattr(getattr(item.model, field.name).type, "encrypted", False)
    if encrypted and field.personal is not Personal.SENSITIVE:
        raise DeclarationError(item.name, f"{field.name} is encrypted but not sensitive")
    if encrypted and field.search and field.search is not Search.EXACT:
        raise DeclarationError(item.name, f"{field.name} is encrypted: only exact search")
    if encrypted and field.search and not field.digest_column:
        raise DeclarationError(item.name, f"{field.name} is searched but has no digest column")
    if field.kind is Kind.HTML and field.listed:
        raise DeclarationError(item.name, f"{field.name}: rich text does not fit into a list")


def _is_plumbing(column: object) -> bool:
    """Keys, scope columns, versions and stamps need no label of their own."""
    return bool(getattr(column, "info", {}).get("plumbing"))
