"""The run from instance to solution, and the warning that goes before intention mode."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from app.rules.arrangement.solver.certificate import Certifier
from app.rules.arrangement.solver.diagnosis import diagnose
from app.rules.arrangement.solver.exchange import ExchangeGraph
from app.rules.arrangement.solver.fill import fill_rooms
from app.rules.arrangement.solver.greedy import greedy_plan
from app.rules.arrangement.solver.instance import EntryKey, Instance, Mode
from app.rules.arrangement.solver.model import Model, build_model
from app.rules.arrangement.solver.prover import Verdict, prove
from app.rules.arrangement.solver.repair import repair
from app.rules.arrangement.solver.solution import Bound, Interval, Solution


def solve(
    instance: Instance, *, mode: Mode | None = None, seed: int = 0, prove: bool = True
) -> Solution:
    """Arrange the entries of an instance (R31.4-R31.9).

    Args:
        instance: what is to be placed, and what is placed already.
        mode: what the run strives for; None takes the instance's own mode.
        seed: the lot between candidates of equal claim. Same input in any order and same seed
            give the same solution.
        prove: consult HiGHS, where installed, if the solver's own certificate is not tight.
    """
    model = build_model(instance, mode or instance.mode, seed)
    certifier = Certifier(model)
    verdict = _search(model, certifier, ask_prover=prove)
    period_of = verdict.plan.periods_of_entries()
    placements = fill_rooms(model, period_of)
    score = _Score.of(instance, {**model.fixed, **placements})
    bound = _bound_of(model, verdict, score)
    proven = verdict.plan.worth >= verdict.bound
    diagnosis = diagnose(
        verdict.plan,
        period_of,
        prices=verdict.certificate.prices,
        most=bound.placed,
        proven=proven,
    )
    return Solution(
        mode=model.mode,
        seed=seed,
        placements=dict(sorted(placements.items())),
        unplaced=diagnosis.unplaced,
        findings=diagnosis.findings,
        placed=score.placed,
        wishes=score.wishes,
        bound=bound,
        proven=proven,
        place_weight=model.weights.place,
        prices=_prices_by_interval(model, verdict),
        name=instance.name,
    )


def warn_preference(instance: Instance, *, seed: int = 0) -> int:
    """How many entries intention mode would make unplaceable (R31.6).

    The difference between what can be placed at all and what can still be placed when the
    placements of intention mode with the same seed are there.
    """
    freely = _count_placed(instance, seed)
    preferred = solve(instance, mode=Mode.PREFERENCE_ONLY, seed=seed, prove=False)
    existing = {**instance.existing, **preferred.placements}
    afterwards = _count_placed(replace(instance, existing=existing, allow_move=False), seed)
    return max(0, freely - afterwards)


def _count_placed(instance: Instance, seed: int) -> int:
    model = build_model(instance, Mode.SELECTED, seed)
    verdict = _search(model, Certifier(model), ask_prover=False)
    return len(model.fixed) + verdict.plan.placed


def _search(model: Model, certifier: Certifier, *, ask_prover: bool) -> Verdict:
    """Greedy, exchange, repair, and where wanted the prover: each only if the last left a gap."""
    graph = ExchangeGraph(greedy_plan(model))
    graph.improve()
    certificate = repair(graph, certifier)
    if ask_prover:
        return prove(graph.plan, certifier, certificate)
    return Verdict(graph.plan, certificate)


@dataclass(frozen=True, slots=True)
class _Score:
    """Placed entries, met intentions, and entries of the instance that name an intention."""

    placed: int
    wishes: int
    wishing: int

    @classmethod
    def of(cls, instance: Instance, placed: Mapping[EntryKey, str]) -> _Score:
        date_of = {slot.id: slot.start.date() for slot in instance.slots}
        met = wishing = 0
        for candidate in instance.candidates:
            for entry in candidate.entries:
                if entry.wish is not None:
                    slot = placed.get((candidate.id, entry.subject))
                    met += slot is not None and date_of[slot] == entry.wish
                    wishing += 1
        return cls(len(placed), met, wishing)


def _bound_of(model: Model, verdict: Verdict, score: _Score) -> Bound:
    """The bound on the worth, split into placed entries and wishes."""
    weights, plan = model.weights, verdict.plan
    most, rest = divmod(verdict.bound, weights.place)
    placed = len(model.fixed) + most
    if most > plan.placed or model.mode is Mode.SELECTED:
        return Bound(placed, score.wishing)
    gap = (rest - (plan.worth - plan.placed * weights.place)) // weights.wish
    return Bound(placed, score.wishes + gap)


def _prices_by_interval(model: Model, verdict: Verdict) -> dict[Interval, float]:
    """Prices other than zero; exact, for the scale is a power of two."""
    certificate = verdict.certificate
    return {
        (period.start, period.end): price / certificate.scale
        for period, price in zip(model.periods, certificate.prices, strict=True)
        if price
    }
