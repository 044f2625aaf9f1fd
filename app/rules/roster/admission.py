"""Who may register at which site: the truth table R19.4 with R19.4a-c and R19.5-R19.8.

`refusal` is a pure function of three facts. The rest of the module finds those facts, for one
person or for a whole file. Records and policies of other sites are read with `elevated`; what
leaves this module is a verdict, never where somebody studies.

A record counts only for who knows its name and its number (R19.3a): everybody else is 社会考生, as
if there were none, so that trying numbers tells nobody who is a student.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from sqlalchemy import and_, select
from sqlalchemy.orm import Session

from app.database.policy import elevated
from app.metadata.errors import N_, KaowuError
from app.models.organisation import Organisation
from app.models.roster import RosterAllowedSite, RosterPolicy, StudentRecord

T = TypeVar("T")
#: digests asked for in one statement
CHUNK = 1_000


@dataclass(frozen=True, slots=True)
class Student:
    """A candidate with a record at a site that has 启用学籍库 (C13: rosterSite).

    `allowed` are the ids of 可报考考点 of that site; none means unlimited (R19.5). `name` is the
    one of the record.
    """

    site_id: int
    province_id: int | None
    allowed: frozenset[int] = frozenset()
    name: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Door:
    """The site somebody wants to register at, with its 学籍报考设置 (R19.4c: the defaults)."""

    site_id: int
    province_id: int | None
    enabled: bool = False
    own_province_only: bool = False
    own_site_only: bool = False


class NotAdmitted(KaowuError):
    """The site does not admit this person. As it is, for whoever has not named a record by name
    and number: the same sentence whether there is one or not (R19.3a). Who has named his own is
    told the cause, by one class per cause; each says what to do."""

    code = "registration.not_admitted"
    template = N_(
        "考点“{name}”只接受符合其学籍报考设置的考生，您填写的信息不符合。"
        "请核对姓名和证件号码，或选择其他考点、咨询考点。"
    )


class AllowedElsewhere(NotAdmitted):
    """The 可报考考点 of the person's own site do not contain this one (R19.5, R19.6)."""

    code = "registration.allowed_elsewhere"
    template = N_(
        "您的学籍所在考点只允许报考指定的考点，其中没有考点“{name}”。"
        "请选择允许的考点，或咨询学籍所在考点。"
    )


class OwnSiteOnly(NotAdmitted):
    """O: 仅接受本考点学籍库考生报考."""

    code = "registration.own_site_only"
    template = N_(
        "考点“{name}”仅接受本考点学籍库中的考生报考。"
        "请选择其他考点；如您是该校学生，请联系考点核对学籍信息。"
    )


class OwnProvinceOnly(NotAdmitted):
    """P: 仅接受本省学籍库考生报考."""

    code = "registration.own_province_only"
    template = N_(
        "考点“{name}”仅接受本省学籍库中的考生报考。"
        "请选择其他考点；如您是本省在校学生，请联系学校所在考点核对学籍信息。"
    )


Refusal = type[NotAdmitted]


def refusal(door: Door, student: Student | None) -> Refusal | None:
    """Why `door` does not admit this person; None when it does. Pure.

    `student` is None for 社会考生, and for whoever counts as one: no record, or one at a site
    without 启用学籍库 (R19.2, R19.7).
    """
    at_home = student is not None and student.province_id == door.province_id
    # outbound, R19.5; a list that leaves the own site out binds its own students too, R19.6
    if student and at_home and student.allowed and door.site_id not in student.allowed:
        return AllowedElsewhere
    if not door.enabled:
        return None  # R19.4b
    if student is not None and student.site_id == door.site_id:
        return None
    if door.own_site_only:
        return OwnSiteOnly
    if door.own_province_only and not at_home:
        return OwnProvinceOnly  # R19.4a: another province's student is 社会考生
    return None


def is_own_student(student: Student | None, site_id: int) -> bool:
    """isOwnStudent (C13): 学籍考生 of this site, everybody else is 社会考生 there (R25.4)."""
    return student is not None and student.site_id == site_id


# ---------------------------------------------------------------- the facts


class AtSite(Protocol):
    """What a site is asked for here: `rules.site.Site`, or an organisation's row of settings."""

    @property
    def exam_id(self) -> int: ...
    @property
    def province_id(self) -> int | None: ...
    @property
    def site_id(self) -> int | None: ...


def roster_sites(session: Session, exam_id: int, id_digests: Collection[str]) -> dict[str, Student]:
    """{digest: Student} of those who have one; the others are 社会考生 (C13: rosterSite).

    For whole files too (R19.8): one statement per thousand people, and one for the lists.
    """
    places: dict[str, tuple[int, int | None, str]] = {}
    for chunk in _chunks(sorted(id_digests)):
        for digest, *place in _records(session, exam_id, chunk):
            places[digest] = tuple(place)
    allowed = allowed_sites(session, {site_id for site_id, *_ in places.values()})
    return {
        digest: Student(site_id, province_id, allowed.get(site_id, frozenset()), name)
        for digest, (site_id, province_id, name) in places.items()
    }


def recognised(session: Session, exam_id: int, people: Mapping[str, str]) -> dict[str, Student]:
    """`roster_sites` of those whose name is that of their record too (R19.3a).

    `people` are {digest: name as it is stored}.
    """
    found = roster_sites(session, exam_id, people)
    return {digest: student for digest, student in found.items() if student.name == people[digest]}


def _records(session: Session, exam_id: int, digests: list[str]) -> Any:
    """(digest, site id, province id, name) of the records of these people at sites with
    启用学籍库."""
    in_exam = and_(Organisation.code == StudentRecord.site_code, Organisation.exam_id == exam_id)
    with elevated(session, "R19.4 where is the record", StudentRecord, RosterPolicy):
        return session.execute(
            select(
                StudentRecord.id_digest,
                Organisation.id,
                Organisation.province_id,
                StudentRecord.name,
            )
            .join(Organisation, in_exam)
            .join(RosterPolicy, RosterPolicy.site_id == Organisation.id)
            .where(
                StudentRecord.id_digest.in_(digests),
                RosterPolicy.exam_id == exam_id,
                RosterPolicy.roster_enabled.is_(True),
            )
        ).all()


def roster_site(session: Session, exam_id: int, id_digest: str) -> Student | None:
    """rosterSite(candidate) of C13: his record's site if that has 启用学籍库, else None."""
    return roster_sites(session, exam_id, [id_digest]).get(id_digest)


def allowed_sites(session: Session, site_ids: Collection[int]) -> dict[int, frozenset[int]]:
    """{site: 可报考考点} of the sites that have a list; a site without one is unlimited."""
    found: dict[int, set[int]] = {}
    with elevated(session, "R19.5 sites that students may choose", RosterAllowedSite):
        for chunk in _chunks(sorted(site_ids)):
            rows = session.execute(
                select(RosterAllowedSite.site_id, RosterAllowedSite.allowed_site_id).where(
                    RosterAllowedSite.site_id.in_(chunk)
                )
            )
            for site_id, allowed_id in rows:
                found.setdefault(site_id or 0, set()).add(allowed_id)
    return {site_id: frozenset(ids) for site_id, ids in found.items()}


def doors(session: Session, sites: Iterable[AtSite]) -> dict[int, Door]:
    """{site id: Door}; a site without a row has the defaults (R19.4c)."""
    wanted = {site.site_id or 0: site.province_id for site in sites}
    found: dict[int, Door] = {}
    with elevated(session, "R19.4 whom sites admit", RosterPolicy):
        for chunk in _chunks(sorted(wanted)):
            rows = session.scalars(select(RosterPolicy).where(RosterPolicy.site_id.in_(chunk)))
            found |= {row.site_id or 0: door_of(row) for row in rows}
    return {
        site_id: found.get(site_id) or Door(site_id, province_id)
        for site_id, province_id in wanted.items()
    }


def door_of(policy: RosterPolicy) -> Door:
    """The facts of a row as it now is."""
    return Door(
        policy.site_id or 0,
        policy.province_id,
        policy.roster_enabled,
        policy.own_province_only,
        policy.own_site_only,
    )


@dataclass(frozen=True, slots=True)
class Named:
    """Who wants to register: the digest of the number, and the name as it is stored."""

    id_digest: str
    name: str


def refusals(
    session: Session, exam_id: int, sites: Iterable[AtSite], person: Named
) -> Mapping[int, Refusal]:
    """{site id: why not} of the sites that do not admit this person."""
    student = recognised(session, exam_id, {person.id_digest: person.name}).get(person.id_digest)
    verdicts = {site_id: refusal(door, student) for site_id, door in doors(session, sites).items()}
    return {
        site_id: NotAdmitted if student is None else found
        for site_id, found in verdicts.items()
        if found is not None
    }


def require_admitted(session: Session, site: AtSite, person: Named, site_name: str) -> None:
    """Raises NotAdmitted; `site_name` is how the site is called in the sentence."""
    found = refusals(session, site.exam_id, [site], person).get(site.site_id or 0)
    if found is not None:
        raise found(name=site_name)


def _chunks(items: list[T]) -> Iterable[list[T]]:
    return (items[start : start + CHUNK] for start in range(0, len(items), CHUNK))


__all__ = [
    "AllowedElsewhere",
    "AtSite",
    "Door",
    "Named",
    "NotAdmitted",
    "OwnProvinceOnly",
    "OwnSiteOnly",
    "Refusal",
    "Student",
    "allowed_sites",
    "door_of",
    "doors",
    "is_own_student",
    "recognised",
    "refusal",
    "refusals",
    "require_admitted",
    "roster_site",
    "roster_sites",
]
