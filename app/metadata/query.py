"""`ListQuery`: a list's condition as a value (JSON), used alike by page, export, operation, CLI
and REST. Interpreted in `rules.listing`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from app.metadata import registry
from app.metadata.declarations import Resource
from app.metadata.fields import fields_of

#: page sizes that a list offers
PAGE_SIZES = (20, 50, 100, 200)
#: rows are counted up to here; beyond, a list says “10000+”
COUNT_BOUND = 10_000


@dataclass(frozen=True, slots=True)
class ListQuery:
    """Filters {field: text}, `order` (field, "asc"|"desc") or None for the declared one.

    A range filter is "from..to" with either side empty. `organisation` is an organisation code
    below the actor. `high_water` bounds the ids, so that rows added after the query was shown
    are not touched; `expected` is the count that the user saw.

    A query that is kept (job, token) has no text for fields with a `digest_column`, but in
    `digests` those of the stored forms that were looked for, any of which is a hit (§8.1, §8.2).
    """

    resource: str
    filters: Mapping[str, str] = field(default_factory=dict)
    order: tuple[str, str] | None = None
    organisation: str = ""
    high_water: int | None = None
    expected: int | None = None
    digests: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        """The fields that are filtered, ascending: what logs may tell of a query."""
        return sorted({*self.filters, *self.digests})

    def to_json(self) -> dict[str, Any]:
        """A JSON value to keep; ids as text.

        ValueError for personal text that would be kept in the clear: `rules.listing.kept` first.
        """
        if clear := sorted(set(self.filters) & digested(self.resource)):
            raise ValueError(f"a kept query of {self.resource} holds the text of {clear}")
        return {
            "resource": self.resource,
            "filters": dict(self.filters),
            "digests": {name: list(digests) for name, digests in self.digests.items()},
            "order": list(self.order) if self.order else None,
            "organisation": self.organisation,
            "high_water": str(self.high_water) if self.high_water is not None else None,
            "expected": self.expected,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> ListQuery:
        """The reverse; unknown keys are refused (TypeError)."""
        data = dict(value)
        order = data.pop("order", None)
        high_water = data.pop("high_water", None)
        return cls(
            order=(str(order[0]), str(order[1])) if order else None,
            high_water=int(high_water) if high_water is not None else None,
            **data,
        )

    def bounded(self, high_water: int | None, expected: int) -> ListQuery:
        """The same query as it was seen: for operations on all results."""
        return replace(self, high_water=high_water, expected=expected)


def digested(resource: str) -> frozenset[str]:
    """The fields of a resource whose searched text is never kept: those with a digest column."""
    declared = registry.find(resource, Resource)
    if declared is None:
        return frozenset()
    fields = fields_of(declared.model)
    return frozenset(name for name, one in fields.items() if one.digest_column)
