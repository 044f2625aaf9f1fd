"""未编排科次: entries without a seat, each with the reason (R31.9): what the last run said, or that
it is not paid and so is in the way of arranging (R31.11)."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import object_session

from app.metadata.actor import Actor
from app.metadata.declarations import LOOK, Resource
from app.metadata.errors import N_
from app.metadata.fields import Computed
from app.metadata.masking import mask_id
from app.metadata.registry import register
from app.metadata.vocabulary import Level, Personal
from app.models.arrangement import LOOKERS, ArrangementRun
from app.models.registration import HOLDING, PAID_STATES, Entry, EntryState

NOT_PAID = N_("未支付，须先收费、删除或审核后才能编排")
NOT_TRIED = N_("尚未编排")
_WITHOUT_SEAT = [
    state.value for state in HOLDING if state not in (EntryState.ARRANGED, EntryState.NUMBERED)
]


def waiting(_actor: Actor) -> Any:
    """SQL condition: entries that count and have no seat; their scope is the model's own."""
    return Entry.state.in_(_WITHOUT_SEAT)


def reason_of(entry: Entry) -> str:
    """Why it has no seat: not paid, or what the last run of its site said about it."""
    if entry.state not in PAID_STATES:
        return NOT_PAID
    key = (str(entry.registration_id), entry.subject_code)
    return _last_reasons(entry).get(key, NOT_TRIED)


def _last_reasons(entry: Entry) -> dict[tuple[str, str], str]:
    """{(candidate, subject): reason} of the site's last run; read once per session and site."""
    session = object_session(entry)
    if session is None:
        return {}
    known: dict[int | None, dict[tuple[str, str], str]]
    known = session.info.setdefault("kaowu_unplaced", {})
    if entry.site_id not in known:
        newest = (
            select(ArrangementRun.unplaced)
            .where(ArrangementRun.site_id == entry.site_id)
            .order_by(ArrangementRun.id.desc())
            .limit(1)
        )
        found = session.scalar(newest) or []
        known[entry.site_id] = {
            (str(one["candidate"]), str(one["subject"])): str(one["reason"]) for one in found
        }
    return known[entry.site_id]


def _person(name: str, label: str, personal: Personal, **more: Any) -> Computed:
    """A value of the entry's registration."""
    return Computed(
        name,
        label,
        lambda row: getattr(row.registration, name),
        personal=personal,
        loads=("registration",),
        **more,
    )


WAITING = register(
    Resource(
        name="waiting_entry",
        label=N_("未编排科次"),
        model=Entry,
        verbs=LOOKERS | {Level.SITE: LOOK},
        row_filter=waiting,
        order=(("subject_code", "asc"), ("registration_id", "asc")),
        computed=(
            Computed(
                "site_name",
                N_("考点"),
                lambda row: row.registration.site.display,
                loads=("registration", "registration.site"),
            ),
            _person("name", N_("姓名"), Personal.PERSONAL),
            _person("id_number", N_("证件号码"), Personal.SENSITIVE, mask=mask_id),
            _person("department", N_("院系"), Personal.NONE),
            Computed("reason", N_("未编排原因"), reason_of),
        ),
        columns=(
            "site_name",
            "name",
            "preference_day",
            "id_number",
            "subject_code",
            "department",
            "state",
            "reason",
        ),
        help=N_("原因为最近一次编排的结论；增加批次或座位后请重新编排。"),
    )
)

__all__ = ["NOT_PAID", "NOT_TRIED", "WAITING", "reason_of", "waiting"]
