"""The check-list itself: pure functions from the facts of a site to what is wrong with them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from app.metadata.errors import N_, Message
from app.metadata.vocabulary import Level, Window
from app.models.capacity import UNLIMITED
from app.models.settings import PERSON_FEE
from app.rules.capacity import TOTAL, subject_pool
from app.rules.checklist.facts import Facts
from app.rules.site import intersect
from app.rules.windows import Interval


class Weight(StrEnum):
    """How much a finding matters."""

    #: candidates cannot register, or not as the settings say
    MUST = "must"
    #: works, but hardly as meant
    SHOULD = "should"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to mend: the sentence, and the level that mends it."""

    text: str
    weight: Weight = Weight.MUST
    mended_by: Level = Level.SITE


@dataclass(frozen=True, slots=True)
class Item:
    """One line of the list: the page (name of its declaration, and title) and its findings."""

    page: str
    label: str
    findings: tuple[Finding, ...]

    @property
    def weight(self) -> Weight | None:
        """The heaviest of its findings; None where all is well."""
        weights = {finding.weight for finding in self.findings}
        return next((weight for weight in Weight if weight in weights), None)


#: said to the province itself and to its sites
PROVINCE_NOTICE_EMPTY = N_("省通告为空；如有事项要告知全省考生，由省填写，没有可以不填")

Check = Callable[[Facts], Iterable[Finding]]


def _province(text: str, weight: Weight = Weight.MUST) -> Finding:
    return Finding(text, weight, Level.PROVINCE)


def _named(template: str, codes: Iterable[str]) -> str:
    return Message(template, codes=sorted(codes))


def windows(facts: Facts) -> Iterator[Finding]:
    """W1, W3 and W4 govern all that follows; W2 only where student records are used."""
    roster = facts.roster is not None and facts.roster.roster_enabled
    needed = [Window.SETUP, Window.REGISTRATION, Window.ONLINE]
    needed += [Window.ELIGIBILITY] if roster else []
    for window in needed:
        interval = facts.windows[window]
        if interval.start is None or interval.end is None:
            yield _province(Message(N_("“{window}”未设置，由上级设置"), window=window.label))


def organisation(facts: Facts) -> Iterator[Finding]:
    """The address is printed on tickets, and arrangement needs it (R31.3)."""
    if not facts.site.address:
        yield Finding(N_("考点地址为空（将打印到准考证上）"), Weight.SHOULD)


def general(facts: Facts) -> Iterator[Finding]:
    """R10.4: open, and some way to register. Not to open is a choice, once somebody has made it."""
    settings = facts.settings
    if settings is None or settings.is_undecided:
        yield Finding(N_("“考点开考”未打开，考生不能报考本考点；如不开考，请保存一次综合设置"))
    elif settings.suspension_reason is not None:
        yield _province(N_("考点已停考；如需恢复，由省恢复开考后再核对其他设置"), Weight.SHOULD)
    elif not settings.open:
        yield Finding(N_("考点不开考；如需开考，请打开“考点开考”后再核对其他设置"), Weight.SHOULD)
    elif not settings.online_enabled and not settings.collective_registration:
        text = N_("集体报名未开启，考生报名时间中的个人网报也未开启，没有人能报名，请至少开启一项")
        yield Finding(text)


def subjects(facts: Facts) -> Iterator[Finding]:
    """R11: offered by the province, inside its days, and on a day of the exam."""
    if not facts.subjects:
        if not facts.provincial:
            yield _province(N_("省尚未设置开考科目，考点无法选择"))
        else:
            yield Finding(N_("没有开考科目"))
        return
    if gone := set(facts.subjects) - set(facts.provincial):
        yield Finding(_named(N_("科目{codes}：省已不开考"), gone))
    outside = {
        code
        for code, (first, last) in facts.subjects.items()
        if code in facts.provincial
        and (first < facts.provincial[code][0] or last > facts.provincial[code][1])
    }
    if outside:
        yield Finding(_named(N_("科目{codes}：考试时间超出省设置的范围"), outside))
    idle = {
        code
        for code, (first, last) in facts.subjects.items()
        if not any(first <= day <= last for day in facts.exam_days)
    }
    if idle and facts.exam_days:
        yield Finding(_named(N_("科目{codes}：考试时间内没有考试日"), idle))


def fees(facts: Facts) -> Iterator[Finding]:
    """A subject without a fee can neither be chosen nor paid (R12.5); nor, whatever its fee, one
    whose capacity is set to 0 (R13.3)."""
    if PERSON_FEE not in facts.fees:
        yield _province(N_("人次费未设置，由省设置"))
    closed = {code for code in facts.subjects if facts.pools.get(subject_pool(code)) == 0}
    if unset := set(facts.subjects) - set(facts.fees) - closed:
        yield _province(_named(N_("科目{codes}：费用未设置，由省设置"), unset))


def capacity(facts: Facts) -> Iterator[Finding]:
    """R13: the total, some subject, and nothing for subjects that are not offered. A subject
    without seats is one way of not offering it (R13.3)."""
    total = facts.pools.get(TOTAL, 0)
    limits = {code: facts.pools.get(subject_pool(code), 0) for code in facts.subjects}
    if not total:
        yield Finding(N_("总科次数未设置，考生不能报考"))
    if closed := {code for code, limit in limits.items() if not limit}:
        weight = Weight.SHOULD if any(limits.values()) else Weight.MUST
        yield Finding(_named(N_("科目{codes}：容量未设置或为 0，视为不开考"), closed), weight)
    offered = {subject_pool(code) for code in facts.subjects}
    strays = {
        pool[2:]
        for pool, limit in facts.pools.items()
        if pool.startswith("S:") and limit and pool not in offered
    }
    if strays:
        yield Finding(_named(N_("科目{codes}：设置了容量，但没有开考"), strays), Weight.SHOULD)
    if total and limits and UNLIMITED not in (total, *limits.values()):
        together = sum(limits.values())
        if 0 < together < total:
            yield Finding(
                Message(
                    N_("各科目容量之和为 {together}，小于总科次数 {total}，多出的名额用不上"),
                    together=together,
                    total=total,
                ),
                Weight.SHOULD,
            )


def preference(facts: Facts) -> Iterator[Finding]:
    """R14: quotas where the province allows a choice, one for every exam day."""
    if facts.settings is None or not facts.settings.preference_allowed:
        return
    unset = [day for day in facts.exam_days if not facts.pools.get(f"D:{day.isoformat()}")]
    if unset:
        days = [day.isoformat() for day in unset]
        yield Finding(
            Message(N_("{days} 的意向人数未设置，考生不能选择这些日期"), days=days), Weight.SHOULD
        )


def online(facts: Facts) -> Iterator[Finding]:
    """R15: inside W4, or it is cut short."""
    settings = facts.settings
    if settings is None:
        return
    if not settings.online_enabled:
        # beside 综合设置, which says that nobody can register: not to be read as “all is well”
        if not settings.collective_registration:
            text = N_("个人网报未开启；如由考生自己报名，请开启并设置报名时间")
            yield Finding(text, Weight.SHOULD)
        return
    own = Interval(settings.online_start, settings.online_end)
    bounds = facts.windows[Window.ONLINE]
    common = intersect(own, bounds)
    if None in (own.start, own.end, bounds.start, bounds.end):
        if own.start is None or own.end is None:
            yield Finding(N_("开启了个人网报，但没有设置报名时间"))
    elif common.start is None:
        yield Finding(N_("网报时间在上级设置的最早、最晚时间之外，考生不能报名"))
    elif (common.start, common.end) != (own.start, own.end):
        yield Finding(
            Message(N_("网报时间超出上级设置的范围，实际为 {interval}"), interval=common.show()),
            Weight.SHOULD,
        )


def province_notice(facts: Facts) -> Iterator[Finding]:
    """May be empty (R16.1)."""
    if not facts.province_has_notice:
        yield _province(PROVINCE_NOTICE_EMPTY, Weight.SHOULD)


def site_notice(facts: Facts) -> Iterator[Finding]:
    """May be empty (R17.2)."""
    if not facts.has_notice:
        text = N_("考点通告为空；如有事项要告知本考点考生，请填写，没有可以不填")
        yield Finding(text, Weight.SHOULD)


def roster(facts: Facts) -> Iterator[Finding]:
    """R19.4: a site that takes its own students alone needs some."""
    policy = facts.roster
    if policy is None or not policy.roster_enabled or facts.students:
        return
    if policy.own_site_only:
        yield Finding(N_("仅接受本考点学籍库考生报考，但学籍库为空，没有人能报名"))
    else:
        yield Finding(N_("已启用学籍库，但学籍库为空"), Weight.SHOULD)


_GENERAL = "site_settings"
#: in the order of the work: (page, its title, the check)
CHECKS: tuple[tuple[str, str, Check], ...] = (
    ("operation_window", N_("考点操作时间设置"), windows),
    ("user_organisation", N_("用户与机构管理"), organisation),
    (_GENERAL, N_("考点报名综合设置"), general),
    ("site_subject", N_("考点开考科目设置"), subjects),
    ("fee", N_("考点费用设置"), fees),
    ("capacity", N_("考点容量设置"), capacity),
    ("preference", N_("意向考试相关设置"), preference),
    ("online_time", N_("考生报名时间设置"), online),
    ("province_notice", N_("省报名通告设置"), province_notice),
    ("site_notice", N_("考点报名通告设置"), site_notice),
    ("student_record", N_("学籍库信息管理"), roster),
)


def items(facts: Facts) -> list[Item]:
    """Every line of the list for one site, those without findings too.

    Of a site that has decided not to open, or was stopped, the line that says so alone: its other
    settings are void (R13.2, R15.2, R18.3).
    """
    settings = facts.settings
    closed = settings is not None and not (settings.open or settings.is_undecided)
    return [
        Item(page, label, tuple(check(facts)))
        for page, label, check in CHECKS
        if page == _GENERAL or not closed
    ]


def is_closed(lines: Sequence[Item]) -> bool:
    """Is it the list of a site that does not open?"""
    return [line.page for line in lines] == [_GENERAL]


def count(lines: Iterable[Item], weight: Weight) -> int:
    """How many findings of this weight."""
    return sum(finding.weight is weight for line in lines for finding in line.findings)
