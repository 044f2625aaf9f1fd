"""Why entries are left over: each one's own reason first, else the shortage that it falls under."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from app.rules.arrangement.solver.instance import EntryKey, Mode, Slot, Subject
from app.rules.arrangement.solver.messages import Finding, Reason
from app.rules.arrangement.solver.model import Model, Period, Shape, fits
from app.rules.arrangement.solver.plan import Plan
from app.rules.arrangement.solver.shortage import Group, Remedy, SeatNeeds, Shortage, ShortageSearch
from app.rules.arrangement.solver.solution import Unplaced
from app.rules.arrangement.solver.timetables import Timetabler

_MAX_GROUPS, _MAX_REMEDIES = 8, 3


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """The reason of every entry that is left over, and the shortages of seats as a whole."""

    unplaced: tuple[Unplaced, ...] = ()
    findings: tuple[Finding, ...] = ()


def diagnose(
    plan: Plan,
    period_of: Mapping[EntryKey, int],
    *,
    prices: Sequence[int],
    most: int,
    proven: bool,
) -> Diagnosis:
    """Explain what a plan leaves over.

    Args:
        plan: the finished plan.
        period_of: the period (or pool) of every entry of the run.
        prices: the price of each period in the plan's certificate.
        most: no plan places more entries than this, existing ones included.
        proven: whether the plan is known to be the best.
    """
    if plan.placed == plan.model.entries:
        return Diagnosis()
    shortages = ShortageSearch(plan, prices).find()
    otherwise = Finding(Reason.EXHAUSTED if proven else Reason.NOT_FOUND, {"most": most})
    return _Explainer(plan, period_of, shortages, otherwise).explain()


class _Explainer:
    """Collects what the reasons are made of, once per run."""

    def __init__(
        self,
        plan: Plan,
        period_of: Mapping[EntryKey, int],
        shortages: Iterable[Shortage],
        otherwise: Finding,
    ) -> None:
        self.model = model = plan.model
        self.period_of = period_of
        self.needs = SeatNeeds(Timetabler(model))
        self.shortages = [
            (shortage.periods, shortage_finding(model, shortage)) for shortage in shortages
        ]
        self.otherwise = otherwise
        self.subjects = {subject.code: subject for subject in model.instance.subjects}

    def explain(self) -> Diagnosis:
        """Walk over all candidates who have an entry in the pool."""
        unplaced = []
        for kind in self.model.kinds:
            masks = tuple(shape.allowed for shape in kind.shapes)
            possible, _ = self.needs.of(masks, 0)
            for keys in kind.members:
                placed = sum(self.period_of[key] != self.model.pool for key in keys)
                for key, shape in zip(keys, kind.shapes, strict=True):
                    if self.period_of[key] == self.model.pool:
                        reason = self._reason(key, shape, keys, possible, placed)
                        unplaced.append(Unplaced(*key, reason))
        unplaced.sort(key=lambda entry: (entry.candidate, entry.subject))
        return Diagnosis(tuple(unplaced), tuple(finding for _, finding in self.shortages))

    def _reason(
        self,
        key: EntryKey,
        shape: Shape,
        keys: tuple[EntryKey, ...],
        possible: int,
        placed: int,
    ) -> Finding:
        if not shape.allowed:
            return self._nowhere(key)
        if placed >= possible:
            parameters: dict[str, int | str] = {
                "count": len(keys),
                "subjects": "、".join(sorted(subject for _, subject in keys)),
                "most": possible,
                "gap": self.model.instance.gap_minutes,
            }
            return Finding(Reason.OWN_ENTRIES, parameters)
        for periods, finding in self.shortages:
            if shape.allowed & periods:
                return finding
        return self.otherwise

    def _nowhere(self, key: EntryKey) -> Finding:
        """Why not a single sitting is open to an entry."""
        subject, slots = self.subjects[key[1]], self.model.instance.slots
        inside = [s for s in slots if s.start >= subject.start and s.end <= subject.end]
        if not inside:
            return _window_finding(subject)
        fitting = [slot for slot in inside if fits(subject, slot.start, slot.end)]
        if not fitting:
            return _length_finding(subject, inside)
        wish = self.model.entry_of[key].wish
        on_date = [slot for slot in fitting if slot.start.date() == wish]
        if self.model.mode is Mode.PREFERENCE_ONLY and wish is not None and not on_date:
            return Finding(Reason.WISH_DATE, {"date": wish.isoformat(), "subject": subject.code})
        others = sorted(code for candidate, code in self.model.fixed if candidate == key[0])
        parameters: dict[str, int | str] = {
            "subject": subject.code,
            "others": "、".join(others),
            "gap": self.model.instance.gap_minutes,
        }
        return Finding(Reason.EXISTING, parameters)


def _window_finding(subject: Subject) -> Finding:
    parameters: dict[str, int | str] = {
        "subject": subject.code,
        "start": _moment_text(subject.start),
        "end": _moment_text(subject.end),
    }
    return Finding(Reason.WINDOW, parameters)


def _length_finding(subject: Subject, inside: Iterable[Slot]) -> Finding:
    longest = max(slot.end - slot.start for slot in inside)
    parameters: dict[str, int | str] = {
        "subject": subject.code,
        "minutes": subject.minutes,
        "longest": int(longest.total_seconds()) // 60,
    }
    return Finding(Reason.LENGTH, parameters)


def shortage_finding(model: Model, shortage: Shortage) -> Finding:
    """A shortage in words: the periods, the seats, who needs them, and what would help."""
    groups = [_group_finding(group) for group in shortage.groups[:_MAX_GROUPS]]
    if rest := shortage.groups[_MAX_GROUPS:]:
        groups.append(_rest_finding(rest))
    remedies = [_remedy_finding(model, remedy) for remedy in shortage.remedies[:_MAX_REMEDIES]]
    is_everything = shortage.periods == (1 << model.pool) - 1
    return Finding(
        Reason.SHORTAGE_OF_ALL if is_everything else Reason.SHORTAGE,
        {
            "periods": periods_text(model, shortage.periods),
            "seats": shortage.seats,
            "needed": shortage.needed,
            "missing": shortage.needed - shortage.seats,
        },
        tuple(groups),
        tuple(remedies),
    )


def _group_finding(group: Group) -> Finding:
    parameters: dict[str, int | str] = {
        "subjects": "+".join(group.subjects),
        "candidates": group.candidates,
        "seats": group.seats,
    }
    return Finding(Reason.SHORTAGE_GROUP, parameters)


def _rest_finding(groups: Iterable[Group]) -> Finding:
    groups = list(groups)
    parameters: dict[str, int | str] = {
        "candidates": sum(group.candidates for group in groups),
        "seats": sum(group.seats for group in groups),
    }
    return Finding(Reason.SHORTAGE_REST, parameters)


def _remedy_finding(model: Model, remedy: Remedy) -> Finding:
    parameters: dict[str, int | str] = {
        "period": _period_text(model.periods[remedy.period]),
        "seats": remedy.seats,
        "gain": remedy.gain,
    }
    return Finding(Reason.SHORTAGE_SEATS, parameters)


def periods_text(model: Model, periods: int) -> str:
    """`2021-03-27 08:00-10:00、10:30-12:30、2021-03-28`: a date alone is the whole day."""
    parts: list[str] = []
    for day in model.days:
        members = [model.periods[t] for t in sorted(day) if periods >> t & 1]
        if not members:
            continue
        date_text = f"{members[0].start:%Y-%m-%d}"
        if len(members) == len(day):
            parts.append(date_text)
        else:
            times = "、".join(f"{p.start:%H:%M}-{p.end:%H:%M}" for p in members)
            parts.append(f"{date_text} {times}")
    return "、".join(parts)


def _period_text(period: Period) -> str:
    return f"{period.start:%Y-%m-%d %H:%M}-{period.end:%H:%M}"


def _moment_text(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M}"
