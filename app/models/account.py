"""Passports (通行证), who administers which organisation, codes and messages."""

from __future__ import annotations

import datetime as dt
from typing import Any

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    ForeignKey,
    Index,
    Integer,
    String,
    UniqueConstraint,
    false,
    text,
    true,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.database.base import (
    PLUMBING,
    AdministratorsOnly,
    Base,
    SiteCodeScoped,
    Stamped,
    UtcDateTime,
    Versioned,
)
from app.database.types import Big, Encrypted, Json
from app.metadata.actor import Actor
from app.metadata.declarations import Place, Resource
from app.metadata.errors import N_
from app.metadata.fields import Search, col
from app.metadata.masking import mask_email, mask_mobile
from app.metadata.vocabulary import Area, Level, Personal, Verb

PASSPORT_ORIGINS = {"self": N_("自行注册"), "import": N_("导入"), "demo": N_("演示")}


class Passport(Base, Stamped, Versioned):
    """The one account of a person: candidate, or bound to an organisation, never both (R3.4)."""

    __tablename__ = "passport"
    __table_args__ = (
        CheckConstraint("email = lower(email)", name="email_lower"),
        CheckConstraint("email IS NOT NULL OR mobile_digest IS NOT NULL", name="reachable"),
        # few rows: imported accounts that wait for their activation link
        Index(
            "ix_passport_uninvited",
            "id",
            postgresql_where=text("must_change AND invited_at IS NULL"),
            sqlite_where=text("must_change AND invited_at IS NULL"),
        ),
    )

    #: the public 通行证ID: 32 hexadecimal digits, as in the manual's screenshots
    number: Mapped[str] = mapped_column(
        String(32), unique=True, info=col(N_("通行证ID"), Personal.NONE, form=False)
    )
    name: Mapped[str | None] = mapped_column(
        String(30), info=col(N_("姓名"), Personal.PERSONAL, listed=True)
    )
    email: Mapped[str | None] = mapped_column(
        String(254),
        unique=True,
        info=col(N_("邮箱"), Personal.PERSONAL, mask=mask_email, search=Search.EXACT),
    )
    mobile: Mapped[str | None] = mapped_column(
        Encrypted(20),
        info=col(N_("手机"), Personal.SENSITIVE, mask=mask_mobile, digest_column="mobile_digest"),
    )
    mobile_digest: Mapped[str | None] = mapped_column(String(64), unique=True, info=PLUMBING)
    #: given at registration and not proved yet: opens nothing, gets no message, and does not keep
    #: its owner from registering it
    pending_email: Mapped[str | None] = mapped_column(
        String(254), info=col(N_("待确认邮箱"), Personal.PERSONAL, mask=mask_email, form=False)
    )
    pending_mobile: Mapped[str | None] = mapped_column(
        Encrypted(20),
        info=col(
            N_("待确认手机"), Personal.SENSITIVE, mask=mask_mobile, form=False, sortable=False
        ),
    )
    password_hash: Mapped[str] = mapped_column(String(255), info=PLUMBING)
    password_changed_at: Mapped[dt.datetime | None] = mapped_column(UtcDateTime, info=PLUMBING)
    #: the imported account's 123456 opens only the page that sets a real one (§8.3)
    must_change: Mapped[bool] = mapped_column(Boolean, default=False, info=PLUMBING)
    #: when the link that opens an imported account was sent, or shown to the superior (§8.3)
    invited_at: Mapped[dt.datetime | None] = mapped_column(UtcDateTime, info=PLUMBING)
    active: Mapped[bool] = mapped_column(Boolean, default=True, info=col(N_("可用"), Personal.NONE))
    #: raised to end every session of this passport
    session_version: Mapped[int] = mapped_column(Integer, default=1, info=PLUMBING)
    failures: Mapped[int] = mapped_column(Integer, default=0, info=PLUMBING)
    locked_until: Mapped[dt.datetime | None] = mapped_column(UtcDateTime, info=PLUMBING)
    totp_secret: Mapped[str | None] = mapped_column(Encrypted(64), info=PLUMBING)
    totp_confirmed: Mapped[bool] = mapped_column(Boolean, default=False, info=PLUMBING)
    #: last used time step, so that a code cannot be used twice
    totp_last_step: Mapped[int | None] = mapped_column(Big, info=PLUMBING)
    origin: Mapped[str] = mapped_column(
        String(10),
        default="self",
        info=col(N_("来源"), Personal.NONE, choices=PASSPORT_ORIGINS, form=False),
    )
    terms_version: Mapped[str | None] = mapped_column(String(20), info=PLUMBING)
    terms_accepted_at: Mapped[dt.datetime | None] = mapped_column(UtcDateTime, info=PLUMBING)


class PasswordHistory(Base):
    """The last five passwords may not be used again (§8.3)."""

    __tablename__ = "password_history"
    __table_args__ = (Index(None, "passport_id", "id"),)

    passport_id: Mapped[int] = mapped_column(ForeignKey("passport.id"), info=PLUMBING)
    password_hash: Mapped[str] = mapped_column(String(255), info=PLUMBING)


class AdminBinding(Base, SiteCodeScoped, AdministratorsOnly, Stamped, Versioned):
    """A passport administers one organisation code, whatever the session (R8.4, C16)."""

    __tablename__ = "admin_binding"
    __table_args__ = (Index(None, "organisation_code"),)

    passport_id: Mapped[int] = mapped_column(ForeignKey("passport.id"), unique=True, info=PLUMBING)
    organisation_code: Mapped[str] = mapped_column(
        String(6), info=col(N_("机构代码"), Personal.NONE, form=False, search=Search.PREFIX)
    )
    level: Mapped[str] = mapped_column(String(10), info=PLUMBING)
    name: Mapped[str] = mapped_column(
        String(30),
        info=col(
            N_("姓名"),
            Personal.PERSONAL,
            listed=True,
            search=Search.PREFIX,
            placeholder=N_("请输入姓名"),
        ),
    )
    #: superuser: session, code tables, matrix, audit; no silent business edits (§5)
    is_super: Mapped[bool] = mapped_column(Boolean, default=False, info=PLUMBING)
    #: extra roles made by superusers, by name
    extra_roles: Mapped[list[str]] = mapped_column(Json, default=list, info=PLUMBING)
    passport: Mapped[Passport] = relationship()


class VerificationCode(Base):
    """A code sent by mail or SMS; only its digest is kept."""

    __tablename__ = "verification_code"
    __table_args__ = (Index(None, "target_digest", "purpose"),)
    __unguarded__ = True

    purpose: Mapped[str] = mapped_column(String(20), info=PLUMBING)
    target_digest: Mapped[str] = mapped_column(String(64), info=PLUMBING)
    code_digest: Mapped[str] = mapped_column(String(64), info=PLUMBING)
    created_at: Mapped[dt.datetime] = mapped_column(UtcDateTime, info=PLUMBING)
    expires_at: Mapped[dt.datetime] = mapped_column(UtcDateTime, info=PLUMBING)
    tries: Mapped[int] = mapped_column(Integer, default=0, info=PLUMBING)
    used_at: Mapped[dt.datetime | None] = mapped_column(UtcDateTime, info=PLUMBING)


MESSAGE_CHANNELS = {"mail": N_("邮件"), "sms": N_("短信")}
MESSAGE_STATES = {"queued": N_("待发送"), "sent": N_("已发送"), "failed": N_("发送失败")}


def _centre_only(actor: Actor) -> Any:
    """Messages go to people of every organisation; only the centre looks after them."""
    return true() if actor.level is Level.CENTER else false()


class OutboxMessage(Base, Stamped):
    """A mail or SMS to be sent; written in the transaction that causes it, sent after it."""

    __tablename__ = "outbox_message"
    __table_args__ = (Index(None, "state", "id"),)
    __unguarded__ = True
    __admin__ = Resource(
        name="outbox_message",
        label=N_("邮件与短信"),
        menu=Place(Area.SYSTEM, 50),
        verbs={Level.CENTER: frozenset({Verb.LIST, Verb.SHOW})},
        super_verbs=frozenset({Verb.LIST, Verb.SHOW}),
        row_filter=_centre_only,
        per_exam=False,
        help=N_("收件人以遮盖形式显示；内容可能含有一次性验证码，只能在非生产环境查看。"),
    )

    channel: Mapped[str] = mapped_column(
        String(4),
        info=col(
            N_("方式"), Personal.NONE, choices=MESSAGE_CHANNELS, listed=True, search=Search.CHOICE
        ),
    )
    target: Mapped[str] = mapped_column(
        Encrypted(254),
        info=col(
            N_("收件人"),
            Personal.SENSITIVE,
            mask=lambda text: mask_email(text) if "@" in text else mask_mobile(text),
            listed=True,
            sortable=False,
        ),
    )
    subject: Mapped[str] = mapped_column(
        String(100), info=col(N_("主题"), Personal.NONE, listed=True)
    )
    #: may hold a one-time code: never shown outside the development outbox
    body: Mapped[str] = mapped_column(
        Encrypted(2000),
        info=col(N_("内容"), Personal.SENSITIVE, mask=lambda _text: "******", sortable=False),
    )
    state: Mapped[str] = mapped_column(
        String(8),
        default="queued",
        info=col(
            N_("状态"),
            Personal.NONE,
            choices=MESSAGE_STATES,
            listed=True,
            search=Search.CHOICE,
            badges={"queued": "info", "sent": "ok", "failed": "bad"},
        ),
    )
    attempts: Mapped[int] = mapped_column(
        Integer, default=0, info=col(N_("次数"), Personal.NONE, listed=True)
    )
    sent_at: Mapped[dt.datetime | None] = mapped_column(
        UtcDateTime, info=col(N_("发送时间"), Personal.NONE, listed=True)
    )
    error: Mapped[str | None] = mapped_column(
        String(200), info=col(N_("错误"), Personal.NONE, listed=True)
    )


class RoleGrant(Base):
    """The living permission matrix: one row per role, declaration and verb that is granted."""

    __tablename__ = "role_grant"
    __table_args__ = (UniqueConstraint("role", "declaration", "verb"),)
    __unguarded__ = True

    role: Mapped[str] = mapped_column(String(30), info=PLUMBING)
    declaration: Mapped[str] = mapped_column(String(60), info=PLUMBING)
    verb: Mapped[str] = mapped_column(String(20), info=PLUMBING)


class RoleBaseline(Base):
    """What the code granted at the last `kaowu permissions sync` (three-way merge, §4.5)."""

    __tablename__ = "role_baseline"
    __table_args__ = (UniqueConstraint("role", "declaration", "verb"),)
    __unguarded__ = True

    role: Mapped[str] = mapped_column(String(30), info=PLUMBING)
    declaration: Mapped[str] = mapped_column(String(60), info=PLUMBING)
    verb: Mapped[str] = mapped_column(String(20), info=PLUMBING)


class Role(Base, Stamped):
    """A role of the matrix: one per level, "super", and those that superusers make."""

    __tablename__ = "role"
    __unguarded__ = True

    name: Mapped[str] = mapped_column(String(30), unique=True, info=PLUMBING)
    label: Mapped[str] = mapped_column(String(30), info=PLUMBING)
    #: level whose people may be given this role; None for "super"
    level: Mapped[str | None] = mapped_column(String(10), info=PLUMBING)
    built_in: Mapped[bool] = mapped_column(Boolean, default=False, info=PLUMBING)


class Setting(Base):
    """Small facts of the installation, by name (version of the matrix, …)."""

    __tablename__ = "setting"
    __unguarded__ = True

    name: Mapped[str] = mapped_column(String(60), unique=True, info=PLUMBING)
    value: Mapped[Any] = mapped_column(Json, info=PLUMBING)


class RateLimit(Base):
    """Counted attempts per key and window, shared by all processes (log-in, codes, look-ups)."""

    __tablename__ = "rate_limit"
    __table_args__ = (UniqueConstraint("bucket", "window_start"),)
    __unguarded__ = True

    bucket: Mapped[str] = mapped_column(String(100), info=PLUMBING)
    window_start: Mapped[dt.datetime] = mapped_column(UtcDateTime, info=PLUMBING)
    count: Mapped[int] = mapped_column(Integer, default=0, info=PLUMBING)


__all__ = [
    "AdminBinding",
    "OutboxMessage",
    "Passport",
    "PasswordHistory",
    "RateLimit",
    "Role",
    "RoleBaseline",
    "RoleGrant",
    "Setting",
    "VerificationCode",
]
