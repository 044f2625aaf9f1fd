"""Registrations (报名信息), their entries (报考科目), photos, and the claim on a person."""

from __future__ import annotations

import datetime as dt
from typing import Any

from sqlalchemy import (
    Boolean,
    Date,
    ForeignKey,
    Index,
    Integer,
    String,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.database.base import (
    PLUMBING,
    Base,
    Encrypted,
    Fen,
    OwnedByPassport,
    SiteScoped,
    Stamped,
    UtcDateTime,
    Versioned,
)
from app.database.types import Json
from app.metadata.actor import Actor
from app.metadata.declarations import LOOK, Place, Resource
from app.metadata.errors import N_, listed
from app.metadata.fields import Computed, Search, col
from app.metadata.masking import mask_mobile
from app.metadata.vocabulary import Area, Level, Personal, Verb
from app.models.organisation import Organisation
from app.models.person import PersonalData
from app.models.registration_states import (
    ENTRY_STATES,
    HOLDING,
    HOLDING_SQL,
    LIVE,
    LIVE_SQL,
    LIVES,
    LOCKS,
    MODES,
    PAID_STATES,
    PAYMENTS,
    REJECTIONS,
    REVIEWS,
    EntryState,
    Life,
    Mode,
    Review,
)


def _live_rows(_actor: Actor) -> Any:
    """Drafts and active ones; expired, deleted and cancelled registrations have pages of their
    own."""
    return Registration.life.in_(LIVE)


class Registration(Base, SiteScoped, OwnedByPassport, PersonalData, Stamped, Versioned):
    """One person at one site in one session. Lock, review and payment are independent axes."""

    __tablename__ = "registration"
    __table_args__ = (
        Index(
            "uq_registration_live_passport",
            "exam_id",
            "passport_id",
            unique=True,
            postgresql_where=text(LIVE_SQL),
            sqlite_where=text(LIVE_SQL),
        ),
        # lists: newest first within each scope; names by prefix and in order, in any scope
        Index(None, "exam_id", "site_id", "id"),
        Index(None, "exam_id", "province_id", "id"),
        Index(None, "exam_id", "name"),
        Index(None, "exam_id", "id_digest"),
    )
    __admin__ = Resource(
        name="registration",
        label=N_("考生管理"),
        noun=N_("报名信息"),
        menu=Place(Area.REGISTRATION, 40),
        verbs={
            Level.CENTER: LOOK,
            Level.PROVINCE: LOOK,
            Level.CITY: LOOK,
            Level.SITE: LOOK,
        },
        super_verbs=frozenset({Verb.LIST, Verb.SHOW}),
        row_filter=_live_rows,
        order=(("id", "desc"),),
        sticky=2,
        columns=(
            "name",
            "id_number",
            "payment",
            "review",
            "locked",
            "mode",
            "sex",
            "birth",
            "id_type",
            "photo_state",
            "site_name",
            "subject_count",
            "subject_codes",
            "preference_days",
            "ethnic",
        ),
        computed=(
            Computed(
                "site_name",
                N_("考点"),
                lambda row: row.site.display if row.site else "",
                loads=("site",),
            ),
            Computed(
                "photo_state",
                N_("照片"),
                lambda row: N_("有") if row.photo_id else N_("无"),
                badges={N_("有"): "ok", N_("无"): "off"},
            ),
            Computed(
                "preference_days",
                N_("意向考试日期"),
                lambda row: listed(
                    sorted({str(e.preference_day) for e in row.entries if e.preference_day})
                ),
                loads=("entries",),
            ),
        ),
        fieldsets=(
            (
                N_("报名信息"),
                (
                    "mode",
                    "locked",
                    "review",
                    "reject_type",
                    "reject_reason",
                    "payment",
                    "submitted_at",
                ),
            ),
            (
                N_("报名个人信息"),
                (
                    "name",
                    "sex",
                    "birth",
                    "id_type",
                    "id_number",
                    "ethnic",
                    "education",
                    "occupation",
                    "department",
                    "major",
                    "class_name",
                    "student_number",
                ),
            ),
            (
                N_("联系方式"),
                ("mobile", "email", "postcode", "address", "guardian_mobile"),
            ),
            (
                N_("报考科目"),
                ("subject_count", "subject_codes", "preference_days", "extra", "remark"),
            ),
        ),
        api=True,
    )

    mode: Mapped[str] = mapped_column(
        String(10),
        default=Mode.INDIVIDUAL.value,
        info=col(
            N_("报名方式"),
            Personal.NONE,
            choices=MODES,
            listed=True,
            search=Search.CHOICE,
            form=False,
            more=True,
        ),
    )
    life: Mapped[str] = mapped_column(
        String(10),
        default=Life.DRAFT.value,
        info=col(N_("状态"), Personal.NONE, choices=LIVES, form=False),
    )
    payment: Mapped[str] = mapped_column(
        String(8),
        default="none",
        info=col(
            N_("支付状态"),
            Personal.NONE,
            choices=PAYMENTS,
            listed=True,
            search=Search.CHOICE,
            form=False,
            badges={"none": "off", "unpaid": "off", "partly": "warn", "paid": "ok"},
        ),
    )
    locked: Mapped[bool] = mapped_column(
        Boolean,
        default=False,
        info=col(
            N_("报名信息锁定"),
            Personal.NONE,
            choices=LOCKS,
            badges={"1": "off", "0": "info"},
            listed=True,
            search=Search.CHOICE,
            form=False,
            more=True,
        ),
    )
    review: Mapped[str] = mapped_column(
        String(10),
        default=Review.NONE.value,
        info=col(
            N_("报名信息审核"),
            Personal.NONE,
            choices=REVIEWS,
            listed=True,
            search=Search.CHOICE,
            form=False,
            more=True,
            badges={
                "none": "off",
                "open": "off",
                "pending": "info",
                "approved": "ok",
                "rejected": "bad",
            },
        ),
    )
    reject_type: Mapped[str | None] = mapped_column(
        String(1), info=col(N_("不通过类型"), Personal.NONE, choices=REJECTIONS, form=False)
    )
    reject_reason: Mapped[str | None] = mapped_column(
        String(200), info=col(N_("上次不过原因"), Personal.NONE, form=False)
    )
    #: a photo rejection must be answered by a new photo before resubmitting (R26.3)
    photo_renewal: Mapped[bool] = mapped_column(Boolean, default=False, info=PLUMBING)
    #: start of the running clock of R22.8a
    state_changed_at: Mapped[dt.datetime | None] = mapped_column(UtcDateTime, info=PLUMBING)
    submitted_at: Mapped[dt.datetime | None] = mapped_column(
        UtcDateTime, info=col(N_("报名时间"), Personal.NONE, form=False)
    )
    #: pinyin written instead of characters outside GBK (N8)
    pinyin: Mapped[str | None] = mapped_column(
        String(60), info=col(N_("姓名拼音"), Personal.PERSONAL)
    )
    guardian_mobile: Mapped[str | None] = mapped_column(
        Encrypted(20),
        info=col(N_("监护人电话"), Personal.SENSITIVE, mask=mask_mobile, sortable=False),
    )
    extra: Mapped[str | None] = mapped_column(String(200), info=col(N_("额外信息"), Personal.NONE))
    photo_id: Mapped[int | None] = mapped_column(ForeignKey("photo.id"), info=PLUMBING)
    #: subject codes of the live entries joined by “.” (R0.8), kept by the rules
    subject_codes: Mapped[str] = mapped_column(
        String(10),
        default="",
        info=col(N_("报考科目"), Personal.NONE, listed=True, form=False, sortable=False),
    )
    subject_count: Mapped[int] = mapped_column(
        Integer, default=0, info=col(N_("报考科目数"), Personal.NONE, listed=True, form=False)
    )
    #: version and time of the notices and the pledge that were accepted
    notice_version: Mapped[str | None] = mapped_column(String(40), info=PLUMBING)
    notice_accepted_at: Mapped[dt.datetime | None] = mapped_column(UtcDateTime, info=PLUMBING)

    site: Mapped[Organisation] = relationship(
        primaryjoin="foreign(Registration.site_id) == Organisation.id", viewonly=True
    )
    entries: Mapped[list[Entry]] = relationship(
        back_populates="registration", order_by="Entry.subject_code"
    )
    photo: Mapped[Photo | None] = relationship(foreign_keys=photo_id)


class Entry(Base, SiteScoped, OwnedByPassport, Stamped):
    """One subject of one registration. At most one live entry per subject (partial index)."""

    __tablename__ = "entry"
    __table_args__ = (
        Index(
            "uq_entry_live_subject",
            "registration_id",
            "subject_code",
            unique=True,
            postgresql_where=text(HOLDING_SQL),
            sqlite_where=text(HOLDING_SQL),
        ),
        Index(None, "exam_id", "site_id", "subject_code", "state"),
        Index(None, "exam_id", "province_id", "subject_code", "state"),
    )

    registration_id: Mapped[int] = mapped_column(
        ForeignKey("registration.id"), index=True, info=PLUMBING
    )
    subject_code: Mapped[str] = mapped_column(
        String(2),
        info=col(N_("科目"), Personal.NONE, listed=True, search=Search.EXACT, form=False),
    )
    state: Mapped[str] = mapped_column(
        String(12),
        default=EntryState.UNPAID.value,
        info=col(
            N_("状态"),
            Personal.NONE,
            choices=ENTRY_STATES,
            listed=True,
            search=Search.CHOICE,
            form=False,
        ),
    )
    preference_day: Mapped[dt.date | None] = mapped_column(
        Date, info=col(N_("意向考试日期"), Personal.NONE, listed=True, form=False)
    )
    #: fee of the subject when the order was made (R12.5)
    fee: Mapped[int | None] = mapped_column(Fen, info=col(N_("科目费"), Personal.NONE, form=False))
    order_id: Mapped[int | None] = mapped_column(ForeignKey("payment_order.id"), info=PLUMBING)
    paid_at: Mapped[dt.datetime | None] = mapped_column(
        UtcDateTime, info=col(N_("支付时间"), Personal.NONE, form=False)
    )

    registration: Mapped[Registration] = relationship(back_populates="entries")

    @property
    def holds_seat(self) -> bool:
        """Is a seat kept for it: not expired, deleted or cancelled?"""
        return self.state in HOLDING

    @property
    def is_paid(self) -> bool:
        """Paid, and perhaps arranged and numbered since."""
        return self.state in PAID_STATES


class PersonClaim(Base):
    """A person registers once per session, at one site (uniqueness across sites, §4.10)."""

    __tablename__ = "person_claim"
    __table_args__ = (UniqueConstraint("exam_id", "id_digest"),)

    exam_id: Mapped[int] = mapped_column(ForeignKey("exam.id"), info=PLUMBING)
    id_digest: Mapped[str] = mapped_column(String(64), info=PLUMBING)
    registration_id: Mapped[int] = mapped_column(
        ForeignKey("registration.id"), unique=True, info=PLUMBING
    )


class Photo(Base, SiteScoped, OwnedByPassport, Stamped):
    """A photo of (session, site, person); survives the registration (R24.2)."""

    __tablename__ = "photo"
    __table_args__ = (UniqueConstraint("exam_id", "site_id", "id_digest"),)

    id_digest: Mapped[str] = mapped_column(String(64), info=PLUMBING)
    #: keys in the file store: the original, and the derivative for printing
    file_key: Mapped[str] = mapped_column(String(100), info=PLUMBING)
    print_key: Mapped[str] = mapped_column(String(100), info=PLUMBING)
    sha256: Mapped[str] = mapped_column(String(64), info=PLUMBING)
    size: Mapped[int] = mapped_column(Integer, info=PLUMBING)
    width: Mapped[int] = mapped_column(Integer, info=PLUMBING)
    height: Mapped[int] = mapped_column(Integer, info=PLUMBING)
    #: advice of the detector, if one is installed: {"faces": 1, "notes": […]}
    advice: Mapped[Any] = mapped_column(Json, default=dict, info=PLUMBING)


__all__ = [
    "HOLDING",
    "LIVE",
    "PAID_STATES",
    "REJECTIONS",
    "Entry",
    "EntryState",
    "Life",
    "Mode",
    "PersonClaim",
    "Photo",
    "Registration",
    "Review",
]
