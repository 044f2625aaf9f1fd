"""The list that an address asks for: filters by field name, and `_page`, `_size`, `_order`,
`_org`. Nothing else is understood; what is malformed is clipped or refused, never a 500."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from app.metadata.declarations import Resource
from app.metadata.errors import NotFound
from app.metadata.fields import Field, Search
from app.metadata.query import PAGE_SIZES, ListQuery
from app.rules import listing

#: second input of a range filter
UNTIL = "-to"
#: longest code of an organisation
_CODE_LENGTH = 10
OWN = ("_page", "_size", "_order", "_org")


@dataclass(frozen=True, slots=True)
class Asked:
    """One list as it is asked for; `texts` are the filters' texts by input name."""

    query: ListQuery
    page: int
    size: int
    texts: Mapping[str, str]

    def address(self, **changes: Any) -> str:
        """“?name=x&_page=2”: this list with changes; None drops a part."""
        order = self.query.order
        parts: dict[str, Any] = dict(self.texts)
        parts["_org"] = self.query.organisation
        parts["_order"] = f"-{order[0]}" if order and order[1] == "desc" else order and order[0]
        parts["_size"] = self.size if self.size != PAGE_SIZES[0] else None
        parts |= changes
        return "?" + urlencode({name: value for name, value in parts.items() if value})


def _number(text: str, fallback: int) -> int:
    """A small positive number; anything else is the fallback (hole 10)."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 7 else fallback


def _filters(resource: Resource, arguments: Mapping[str, str]) -> dict[str, str]:
    """{field: text}; both inputs of a range are joined to "from..to"."""
    ranges = {f.name for f in listing.searches_of(resource) if f.search is Search.RANGE}
    found: dict[str, str] = {}
    for name, text in arguments.items():
        if name.startswith("_") or not text.strip():
            continue
        stem = name.removesuffix(UNTIL)
        if stem in ranges:
            low, high = arguments.get(stem, ""), arguments.get(stem + UNTIL, "")
            found[stem] = f"{low}..{high}"
        else:
            found[name] = text
    return found


def _order(text: str) -> tuple[str, str] | None:
    if not text:
        return None
    return (text[1:], "desc") if text.startswith("-") else (text, "asc")


def asked(resource: Resource, arguments: Mapping[str, str]) -> Asked:
    """Read the arguments of an address. Whether the list offers a filter or order is decided
    when the query is interpreted (BadQuery)."""
    query = ListQuery(
        resource.name,
        _filters(resource, arguments),
        _order(arguments.get("_order", "")),
        organisation_code(arguments.get("_org", "")),
    )
    size = _number(arguments.get("_size", ""), PAGE_SIZES[0])
    texts = {n: t for n, t in arguments.items() if not n.startswith("_") and t.strip()}
    return Asked(
        query,
        max(1, _number(arguments.get("_page", ""), 1)),
        size if size in PAGE_SIZES else PAGE_SIZES[0],
        texts,
    )


def organisation_code(text: str) -> str:
    """The code of an organisation that an address or a body names, "" for none. Raises NotFound
    for what cannot be one: a database may not even take it."""
    if text and not (text.isascii() and text.isalnum() and len(text) <= _CODE_LENGTH):
        raise NotFound()
    return text


def page_and_size(arguments: Mapping[str, str], known: Iterable[str] = ()) -> tuple[int, int]:
    """`_page` and `_size` of a list that has no fields to filter by. Raises BadQuery for any name
    but these and the `known` ones."""
    require_known(arguments, {"_page", "_size", *known})
    size = _number(arguments.get("_size", ""), PAGE_SIZES[0])
    number = max(1, _number(arguments.get("_page", ""), 1))
    return number, size if size in PAGE_SIZES else PAGE_SIZES[0]


def require_known(arguments: Mapping[str, str], known: Collection[str]) -> None:
    """Raises BadQuery for a name of the address that means nothing there."""
    if unknown := sorted(set(arguments) - set(known)):
        raise listing.BadQuery({name: [name] for name in unknown})


def range_of(field: Field, texts: Mapping[str, str]) -> tuple[str, str]:
    """Both texts of a range filter."""
    return texts.get(field.name, ""), texts.get(field.name + UNTIL, "")
