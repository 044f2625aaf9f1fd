"""What a request of the administration knows: runtime, actor, session of the exam, units of work.

Reading happens in one read-only session per request; every write in a unit of work of its own,
committed before flash and redirect.
"""

from __future__ import annotations

import datetime as dt
import re
import uuid
from collections.abc import Callable
from typing import Any, TypeVar, cast

from flask import current_app, g, request, session
from flask_babel import gettext
from sqlalchemy import select

from app.database.policy import become
from app.database.session import KaowuSession
from app.database.unit_of_work import run_unit
from app.metadata.actor import Actor
from app.metadata.errors import KaowuError, PolicyDenied
from app.models.exam import Exam
from app.rules import actors
from app.rules.clock import Clock, fixed, system_clock
from app.runtime import Runtime
from app.views.exam_prefix import exam_number

T = TypeVar("T")
#: key of the cookie: the moment that a superuser previews
PREVIEW = "preview"
_REQUEST_ID = re.compile(r"[0-9A-Za-z-]{8,40}")


def runtime() -> Runtime:
    """The process's engine, factory and settings."""
    return cast(Runtime, current_app.extensions["kaowu"])


def clock() -> Clock:
    """The request's clock: the server's."""
    return cast(Clock, current_app.extensions.get("kaowu_clock", system_clock))


def previewed() -> dt.datetime | None:
    """The moment that a superuser previews, in UTC; None for everybody else."""
    acting, text = g.get("actor"), session.get(PREVIEW)
    if acting is None or not acting.is_super or not isinstance(text, str):
        return None
    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else None


def shown_clock() -> Clock:
    """By which a page shows the states of windows. Never for what is saved, run or downloaded:
    a request that may change anything gets the server's clock."""
    moment = previewed() if shows_preview() else None
    return clock() if moment is None else fixed(moment)


def shows_preview() -> bool:
    """Does this page show the previewed moment? One that answers what was sent shows now."""
    return request.method in ("GET", "HEAD")


def request_id() -> str:
    """One number per request, for log and audit: of the proxy in front (where it is trusted, else
    everybody could write what he likes into the log), or our own."""
    if "request_id" not in g:
        given = request.headers.get("X-Request-Id", "")
        trusted = runtime().settings.trusted_proxies and _REQUEST_ID.fullmatch(given)
        g.request_id = given if trusted else uuid.uuid4().hex
    return cast(str, g.request_id)


def read_session() -> KaowuSession:
    """The request's read-only session; it belongs to the actor as soon as he is known."""
    if "read_session" not in g:
        g.read_session = runtime().factory()
        become(g.read_session, g.get("actor"))
    return cast(KaowuSession, g.read_session)


def exam() -> Exam | None:
    """The session of the address, or on plain pages the one that the administration opens in."""
    if "exam" not in g:
        session = read_session()
        number = exam_number()
        if number is None:
            g.exam = actors.entrance_exam(session)
        else:
            g.exam = session.scalars(select(Exam).where(Exam.number == number)).one_or_none()
    return cast("Exam | None", g.exam)


def actor() -> Actor:
    """Who acts. Raises PolicyDenied when nobody is logged in."""
    found = g.get("actor")
    if found is None:
        raise PolicyDenied()
    return cast(Actor, found)


def run(work: Callable[[KaowuSession], T], *, acting: Actor | None = None) -> T:
    """Run a write in its own unit of work as the request's actor (or as `acting`).

    The read session is ended first, so that it does not show what was before.
    """
    close_read_session()
    return run_unit(
        runtime().factory,
        acting or actor(),
        work,
        request_id=request_id(),
        address=request.remote_addr or "",
    )


def close_read_session(_error: BaseException | None = None) -> None:
    """End the read transaction; what was loaded stays readable (no expiry)."""
    session: Any = g.pop("read_session", None)
    if session is not None:
        session.close()


def message_of(error: KaowuError) -> str:
    """The error's sentence in the user's language."""
    return error.message(gettext)
