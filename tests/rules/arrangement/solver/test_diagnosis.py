"""Why entries are left over: the sentences that the site reads (R31.9)."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings

from app.rules.arrangement.solver import (
    Candidate,
    Entry,
    Finding,
    Instance,
    Mode,
    Reason,
    Slot,
    Subject,
    solve,
)
from app.rules.arrangement.solver.messages import TEMPLATES
from app.rules.arrangement.solver.model import build_model
from app.rules.arrangement.solver.plan import Plan
from app.rules.arrangement.solver.shortage import ShortageSearch
from tests.rules.arrangement.solver.problems import (
    candidate,
    day,
    load,
    optimum,
    slot,
    small_instances,
    subject,
)


def _only_reason(instance: Instance, mode: Mode = Mode.BALANCED) -> Finding:
    (unplaced,) = solve(instance, mode=mode).unplaced
    return unplaced.reason


def test_p10_names_the_hall_set_its_seats_who_needs_them_and_what_helps() -> None:
    solution = solve(load("p10_hall"))
    (finding,) = solution.findings
    assert finding.text() == (
        "时段 2021-03-27 08:00-10:00 共 20 个空座，但以下考生至少需要 25 座，缺 5 座："
        "（31）14 人至少 14 座；（41）11 人至少 11 座。"
        "在 2021-03-27 08:00-10:00 增加 5 座，可多排 5 科次。"
    )
    assert len(solution.unplaced) == 5
    assert all(entry.reason == finding for entry in solution.unplaced)
    assert all(entry.subject in ("31", "41") for entry in solution.unplaced)


def test_promise_of_p10_holds_when_the_seats_are_added() -> None:
    instance = load("p10_hall")
    slots = tuple(
        replace(item, capacity=item.capacity + 5) if item.id == "01#1" else item
        for item in instance.slots
    )
    assert solve(replace(instance, slots=slots)).placed == 55


def test_p11_says_that_the_candidates_own_entries_do_not_fit() -> None:
    (unplaced,) = solve(load("p11_impossible_candidate")).unplaced
    assert unplaced.candidate == "BAD"
    assert unplaced.reason.text() == (
        "该考生待编排的 3 科（14、24、31）最多只能排 2 科（各科间隔须大于 15 分钟），"
        "请增加批次或调整批次时间。"
    )


def test_independent_shortages_are_told_apart() -> None:
    morning = Subject("14", 90, slot("x", "08:00", "10:00").start, slot("x", "08:00", "10:00").end)
    evening = replace(
        subject("24"), start=slot("x", "18:00", "20:00").start, end=slot("x", "18:00", "20:00").end
    )
    instance = Instance(
        subjects=(morning, evening),
        slots=(
            slot("01#1", "08:00", "10:00", 1),
            slot("01#2", "12:00", "14:00", 9),
            slot("01#3", "18:00", "20:00", 1),
        ),
        candidates=tuple(candidate(f"m{n}", "14") for n in range(3))
        + tuple(candidate(f"e{n}", "24") for n in range(2)),
    )
    solution = solve(instance)
    missing = [finding.parameters["missing"] for finding in solution.findings]
    assert missing == [2, 1]
    missing_of = [(u.subject, u.reason.parameters["missing"]) for u in solution.unplaced]
    assert Counter(missing_of) == {("14", 2): 2, ("24", 1): 1}


def test_all_seats_together_may_be_too_few() -> None:
    instance = Instance(
        (subject("14"),), (slot("01#1", "08:00", "10:00"),), (candidate("a", "14"),)
    )
    instance = replace(instance, candidates=(*instance.candidates, candidate("b", "14")))
    finding = _only_reason(instance)
    assert finding.code is Reason.SHORTAGE_OF_ALL
    assert finding.text().startswith("全部批次共 1 个空座，但以下考生至少需要 2 座，缺 1 座：")


def test_where_no_set_of_periods_explains_it_the_proof_is_named() -> None:
    finding = _only_reason(load("no_hall_set"))
    assert finding.text() == (
        "现有批次无法容纳全部考生，已证明最多可排 4 科次，请增加批次或座位后重新编排。"
    )


def _impossible(one: Subject, *slots: Slot) -> Instance:
    return Instance((one,), slots, (Candidate("c", "A", (Entry("14", day(0)),)),))


def test_no_sitting_in_the_date_range() -> None:
    finding = _only_reason(_impossible(subject("14", 90, "08:00", "12:00"), _late()))
    assert finding.text() == (
        "没有任何批次落在科目 14 的考试时间（2026-03-28 08:00 至 2026-03-28 12:00）之内，"
        "请在该时间内新增批次。"
    )


def _late() -> Slot:
    return slot("01#1", "13:00", "15:00")


def test_no_sitting_is_long_enough() -> None:
    finding = _only_reason(_impossible(subject("14", 121), _late()))
    assert finding.parameters == {"subject": "14", "minutes": 121, "longest": 120}
    assert finding.code is Reason.LENGTH


def test_no_sitting_on_the_intended_day() -> None:
    two_days = replace(subject("14"), end=subject("14").end.replace(day=29))
    instance = _impossible(two_days, slot("01#1", "13:00", "15:00", on=1))
    finding = _only_reason(instance, Mode.PREFERENCE_ONLY)
    assert (finding.code, finding.parameters["date"]) == (Reason.WISH_DATE, "2026-03-28")
    assert solve(instance).unplaced == ()


def test_existing_placements_of_the_candidate_are_in_the_way() -> None:
    instance = Instance(
        subjects=(subject("14"), subject("24")),
        slots=(slot("01#1", "13:00", "15:00"), slot("02#1", "15:15", "17:15")),
        candidates=(candidate("c", "14", "24"),),
        existing={("c", "24"): "01#1"},
    )
    finding = _only_reason(instance)
    assert finding.code is Reason.EXISTING
    assert finding.parameters["others"] == "24"


@pytest.mark.parametrize("reason", list(Reason))
def test_every_reason_has_a_sentence(reason: Reason) -> None:
    assert TEMPLATES[reason]


def test_findings_survive_json_and_can_be_translated() -> None:
    (finding,) = solve(load("p10_hall")).findings
    assert Finding.from_json(finding.to_json()) == finding
    assert (
        finding.text(lambda template: "{seats}" if "{seats}" in template else template)[:2] == "20"
    )


@given(small_instances())
@settings(max_examples=50, deadline=None)
def test_shortages_are_real(instance: Instance) -> None:
    """More seats are missing than anybody could find: the best plan leaves entries over."""
    model = build_model(instance, Mode.SELECTED, 0)
    placed, _ = optimum(instance)
    for shortage in ShortageSearch(Plan(model)).find()[:1]:
        assert shortage.needed > shortage.seats
        assert sum(group.seats for group in shortage.groups) == shortage.needed
        assert placed < model.entries


@given(small_instances())
@settings(max_examples=50, deadline=None)
def test_seats_that_a_remedy_adds_place_as_many_entries_as_promised(instance: Instance) -> None:
    solution = solve(instance, mode=Mode.SELECTED)
    for remedy in (remedy for finding in solution.findings[:1] for remedy in finding.remedies):
        extra = next(
            item
            for item in instance.slots
            if f"{item.start:%Y-%m-%d %H:%M}-{item.end:%H:%M}" == remedy.parameters["period"]
        )
        more = int(remedy.parameters["seats"])
        added = Slot("extra", "99", extra.start, extra.end, more)
        better = solve(replace(instance, slots=(*instance.slots, added)), mode=Mode.SELECTED)
        assert better.placed >= solution.placed + int(remedy.parameters["gain"])
