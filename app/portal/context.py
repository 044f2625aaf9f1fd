"""What a request of the portal knows: settings, visitor, sessions, units of work.

Reading happens in one read-only session per request; every write in a unit of work of its own,
committed before the answer is made.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import wraps
from typing import Any, TypeVar, cast

from flask import current_app, g, redirect, request, session, url_for
from flask_babel import gettext
from sqlalchemy.orm import sessionmaker
from werkzeug.wrappers import Response as WerkzeugResponse

from app.database.direct import settle
from app.database.policy import become
from app.database.session import KaowuSession
from app.database.unit_of_work import run_unit
from app.metadata.actor import Actor, candidate, system
from app.metadata.errors import N_, KaowuError, PolicyDenied, say
from app.metadata.vocabulary import Level
from app.rules import rate_limit
from app.rules.account.access import Access, Limits
from app.rules.account.visitor import Visitor, visitor
from app.rules.clock import Clock
from config import InitialPassword, Settings

T = TypeVar("T")
View = Callable[..., Any]

PASSPORT_KEY = "passport"
VERSION_KEY = "version"
STAGE_KEY = "stage"
SINCE_KEY = "since"
#: Log-in ends after this many hours even without rest.
LONGEST_SESSION_HOURS = 12
_ASKING = system("portal visitor")


class NoExam(PolicyDenied):
    """No session is current, so there is nothing to register for."""

    code = "portal.no_exam"
    template = N_("目前没有开放报名的考次。请留意考试机构的通知。")


class NotAdmitted(Exception):
    """Who sent a form may not write; `refusal` says why, None where nobody is logged in. No
    KaowuError: a view shows those in its own page, which this visitor may not see."""

    def __init__(self, refusal: PolicyDenied | None = None) -> None:
        super().__init__()
        self.refusal = refusal


class ForAdministrators(PolicyDenied):
    """R3.4: a passport bound to an organisation has no candidate use."""

    code = "portal.administrator"
    template = N_("该通行证是考务管理员账号，不能用于报名。报名请使用另一个通行证。")


@dataclass(frozen=True)
class Portal:
    """What the application was made with; found by `portal()` in every request."""

    settings: Settings
    factory: sessionmaker[KaowuSession]
    clock: Clock
    readiness: Callable[[], Mapping[str, bool]] | None


def portal() -> Portal:
    """The application's settings and database."""
    return cast(Portal, current_app.extensions["kaowu_portal"])


def request_id() -> str:
    """One number per request, for log and audit."""
    if "request_id" not in g:
        g.request_id = uuid.uuid4().hex
    return cast(str, g.request_id)


def address() -> str:
    """Where the request comes from; behind proxies, as the trusted ones tell."""
    return (request.remote_addr or "")[:45]


def access() -> Access:
    """The account rules' door to the database for this request; they open sessions of their own,
    so that the one that reads ends here."""
    close_read_session()
    app, settings = portal(), portal().settings
    return Access(
        factory=app.factory,
        clock=app.clock,
        address=address(),
        request_id=request_id(),
        # the outbox page of a development machine reaches its developer
        mail=not (settings.is_production and settings.mail_url.startswith("outbox:")),
        sms=not (settings.is_production and settings.sms_url.startswith("outbox:")),
        initial_password=settings.initial_password_mode is InitialPassword.DEFAULT,
        limits=Limits(
            login_account=settings.rate_login_account,
            login_address=settings.rate_login_address,
            code_target=settings.rate_code,
        ),
    )


# ---------------------------------------------------------------- who


def sign_in(passport_id: int, session_version: int, stage: str = "") -> None:
    """Begin a session. Nothing of the visitor's former session survives (no fixation).

    A `stage` ("first", "totp", "expired") names the one page that is open until it is done.
    """
    kept = session.get("language")
    session.clear()
    session.permanent = True
    session[PASSPORT_KEY] = str(passport_id)
    session[VERSION_KEY] = session_version
    session[SINCE_KEY] = int(portal().clock().timestamp())
    if stage:
        session[STAGE_KEY] = stage
    if kept:
        session["language"] = kept
    _forget_visitor()


def sign_out() -> None:
    """End the session of this browser; `account.login.log_out` ends all of the passport."""
    kept = session.get("language")
    session.clear()
    if kept:
        session["language"] = kept
    _forget_visitor()


def _forget_visitor() -> None:
    g.pop("visitor", None)
    g.pop("actor", None)


def _find_visitor(unit: KaowuSession | None = None) -> Visitor | None:
    """Whose cookie it is, looked for in the session that reads; or in the unit of work, with the
    count of his writes."""
    stored = session.get(PASSPORT_KEY)
    if not isinstance(stored, str) or not stored.isdigit():
        return None
    age = portal().clock().timestamp() - session.get(SINCE_KEY, 0)
    found = None
    if 0 <= age < LONGEST_SESSION_HOURS * 3600:
        counter = None
        if unit is not None:
            seconds = portal().settings.rate_write[1]
            counter = rate_limit.key_of(_bucket(int(stored)), seconds, portal().clock())
        asking = unit or _read_as(_ASKING)
        found = visitor(asking, int(stored), session.get(VERSION_KEY, 0), counter)
    if found is None:
        sign_out()
    return found


def person() -> Visitor | None:
    """Whose cookie it is, also before the second step of a log-in; None for strangers."""
    if "visitor" not in g:
        g.visitor = _find_visitor()
    return cast("Visitor | None", g.visitor)


def stage() -> str:
    """What must be done before anything else: "", "first", "totp" or "expired"."""
    return cast(str, session.get(STAGE_KEY, "")) if person() else ""


def version() -> int:
    """The session version of this cookie."""
    return cast(int, session.get(VERSION_KEY, 0))


def current_visitor() -> Visitor | None:
    """Who is logged in completely; None for strangers and those in between."""
    return None if stage() else person()


def this_visitor() -> Visitor:
    """Who is logged in. Raises PolicyDenied behind a view without `login_required`."""
    found = current_visitor()
    if found is None:
        raise PolicyDenied()
    return found


def actor() -> Actor:
    """The candidate in the current session (R3.6). Raises NoExam, ForAdministrators."""
    if "actor" not in g:
        g.actor = _actor()
    return cast(Actor, g.actor)


def _actor() -> Actor:
    found = this_visitor()
    if found.administrator:
        raise ForAdministrators()
    if found.exam_id is None:
        raise NoExam()
    return candidate(found.passport_id, found.exam_id)


def login_required(view: View) -> View:
    """Send strangers to the log-in page, and back here afterwards."""

    @wraps(view)
    def guarded(*positional: Any, **named: Any) -> Any:
        if current_visitor() is None:
            return to_login()
        return view(*positional, **named)

    return guarded


def candidate_required(view: View) -> View:
    """`login_required`, and a candidate in a current session; others read why not."""

    @wraps(view)
    def guarded(*positional: Any, **named: Any) -> Any:
        if current_visitor() is None:
            return to_login()
        actor()
        return view(*positional, **named)

    return guarded


def candidate_form(view: View) -> View:
    """`candidate_required` for a form that does nothing before it calls `run`: there, in the
    transaction of the write, is the look for the visitor. For the rush: it needs no transaction of
    its own."""

    @wraps(view)
    def guarded(*positional: Any, **named: Any) -> Any:
        try:
            return view(*positional, **named)
        except NotAdmitted as found:
            if found.refusal is not None:
                raise found.refusal from None
            return to_login()

    return guarded


_PENDING = {"first": "passport.first", "totp": "passport.totp", "expired": "passport.password"}


def to_login() -> WerkzeugResponse:
    """Where a visitor without a complete log-in is sent to; he comes back to this page, or to
    the page of origin that a form carries."""
    origin = request.full_path.rstrip("?") if request.method == "GET" else _carried()
    return redirect(url_for(_PENDING.get(stage(), "passport.login"), next=origin))


def elsewhere() -> WerkzeugResponse:
    """Where a visitor belongs who is not at the stage of the page that he asked for."""
    if current_visitor() is not None:
        return redirect(url_for("home.index"))
    return redirect(url_for(_PENDING.get(stage(), "passport.login"), next=_carried()))


def _carried() -> str | None:
    """The page of origin as it was sent; `addresses.origin` judges it when it is used."""
    return request.values.get("next") or None


# ---------------------------------------------------------------- the database


def read_session() -> KaowuSession:
    """The request's read-only session, as the candidate. Raises as `actor`."""
    return _read_as(actor())


def _read_as(acting: Actor) -> KaowuSession:
    """The one session in which the request reads, given to `acting`: first to who looks for the
    visitor, then to him."""
    if "read_session" not in g:
        g.read_session = portal().factory()
    database = cast(KaowuSession, g.read_session)
    become(database, acting)
    return database


def run(work: Callable[[KaowuSession], T], *, acting: Actor | None = None) -> T:
    """Run a write in one unit of work as the candidate (or as `acting`); counted per passport.

    Whose writes are used up is refused before the work; the count itself comes last, with what
    the work writes. What is refused is rolled back, its count with it; so it is counted once more,
    by itself. The read session is ended first, so that it does not show what was before. Raises
    `rate_limit.TooMany`, what `work` raises, and behind `candidate_form` NotAdmitted.
    """
    looks = acting is None and "visitor" not in g
    who = _ASKING if looks else acting or actor()
    close_read_session()
    if not looks and who.passport_id is None:
        return _unit(who, work)
    rate, now = portal().settings.rate_write, portal().clock()

    def counted(database: KaowuSession) -> T:
        bucket = _bucket((_admit(database) if looks else who).passport_id)
        if looks:
            rate_limit.refuse_above(this_visitor().writes + 1, rate, now)
        else:
            rate_limit.require_left(database, bucket, rate, now)
        rate_limit.require_along(database, bucket, rate, now)
        found = work(database)
        settle(database)
        return found

    try:
        return _unit(who, counted)
    except NotAdmitted:
        raise
    except Exception:
        _count_refused(who, (actor() if looks else who).passport_id)
        raise


def count_refused() -> None:
    """Count a write that was refused before it came to `run`. Raises `rate_limit.TooMany`."""
    _count_refused(actor(), actor().passport_id)


def _count_refused(who: Actor, passport_id: int | None) -> None:
    bucket, rate, now = _bucket(passport_id), portal().settings.rate_write, portal().clock()
    made = _unit(who, lambda database: rate_limit.hit(database, bucket, rate[1], now))
    rate_limit.refuse_above(made, rate, now)


def note(work: Callable[[KaowuSession], T]) -> T:
    """Run what a write needs to have noted, whatever becomes of it, in a unit of its own; not
    counted among the candidate's writes. Raises what `work` raises."""
    close_read_session()
    return _unit(actor(), work)


def _bucket(passport_id: int | None) -> str:
    return f"write:{passport_id}"


def _admit(unit: KaowuSession) -> Actor:
    """Give a unit of work to the candidate whose cookie it is. Raises NotAdmitted."""
    _forget_visitor()  # a unit that is tried again looks again
    g.visitor = _find_visitor(unit)
    if current_visitor() is None:
        raise NotAdmitted()
    try:
        become(unit, actor())
    except PolicyDenied as refusal:
        raise NotAdmitted(refusal) from None
    return actor()


def _unit(who: Actor, work: Callable[[KaowuSession], T]) -> T:
    return run_unit(
        portal().factory,
        who,
        work,
        request_id=request_id(),
        address=address(),
        by_keys=who.level is Level.CANDIDATE or who is _ASKING,
    )


def close_read_session(_error: BaseException | None = None) -> None:
    """End the read transaction; what was loaded stays readable (no expiry)."""
    database: Any = g.pop("read_session", None)
    if database is not None:
        database.close()


def message_of(error: KaowuError | str) -> str:
    """The error's sentence in the visitor's language."""
    return str(say(error, gettext))
