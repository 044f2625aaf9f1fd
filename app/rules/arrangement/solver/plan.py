"""A plan under construction: how many candidates of each kind follow which timetable."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from app.rules.arrangement.solver.instance import EntryKey
from app.rules.arrangement.solver.model import Model, Timetable


class Plan:
    """Counts per kind and timetable, seats in use per period (the pool last), and the worth.

    A plan may hold more entries than seats for a while; `excess` tells how many.
    """

    def __init__(
        self, model: Model, counts: Sequence[Mapping[Timetable, int]] | None = None
    ) -> None:
        """An empty plan (everybody in the pool), or one with these counts per kind."""
        self.model = model
        if counts is None:
            counts = [{(model.pool,) * len(k.shapes): k.size} for k in model.kinds]
        self.counts: list[dict[Timetable, int]] = [dict(count) for count in counts]
        self.used = [0] * (model.pool + 1)
        self.worth = 0
        for kind, followed in zip(model.kinds, self.counts, strict=True):
            for timetable, units in followed.items():
                self.worth += units * model.worth(kind, timetable)
                for period in timetable:
                    self.used[period] += units

    def change(self, kind: int, old: Timetable, new: Timetable, units: int) -> None:
        """Let `units` candidates of the kind follow `new` instead of `old`."""
        counts, model = self.counts[kind], self.model
        left = counts[old] - units
        if left:
            counts[old] = left
        else:
            del counts[old]
        counts[new] = counts.get(new, 0) + units
        for before, after in zip(old, new, strict=True):
            self.used[before] -= units
            self.used[after] += units
        shapes = model.kinds[kind]
        self.worth += units * (model.worth(shapes, new) - model.worth(shapes, old))

    def spare(self, period: int) -> int:
        """Free seats of a period; negative where it is overfull."""
        return self.model.capacity[period] - self.used[period]

    @property
    def excess(self) -> int:
        """Entries without a seat."""
        return sum(max(0, -self.spare(period)) for period in range(self.model.pool))

    @property
    def placed(self) -> int:
        """Entries of the run that are placed."""
        return self.model.entries - self.used[self.model.pool]

    def periods_of_entries(self) -> dict[EntryKey, int]:
        """The period (or pool) of every entry: members in their order, timetables in time's."""
        found: dict[EntryKey, int] = {}
        for kind, counts in zip(self.model.kinds, self.counts, strict=True):
            members = iter(kind.members)
            for timetable, count in sorted(counts.items()):
                for _ in range(count):
                    found.update(zip(next(members), timetable, strict=True))
        return found
