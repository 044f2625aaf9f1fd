"""The framework's security manager on our identity, matrix and policy.

Who is logged in is a passport; what he may do is the living matrix (`Actor.grants`), one cached
set per request. The framework's own user, role and permission tables are not used
(docs/decisions/0002).
"""

from __future__ import annotations

import time
from typing import Any

from flask import g, redirect, request, session, url_for
from flask_appbuilder.const import AUTH_DB
from flask_appbuilder.security.sqla.manager import SecurityManager
from flask_login import LoginManager, UserMixin, current_user
from sqlalchemy import select

from app.database.policy import become, elevated
from app.metadata import registry
from app.metadata.errors import N_, PolicyDenied
from app.metadata.vocabulary import Verb
from app.models.account import Passport
from app.rules import actors
from app.rules.policy import granted
from app.views import request as context

#: keys of the admin cookie
PASSPORT_KEY = "_user_id"
VERSION_KEY = "v"
TOTP_KEY = "totp"
SINCE_KEY = "since"
CHANGE_KEY = "change"
#: a log-in ends after so many seconds even without rest
LONGEST_SESSION = 12 * 3600


class Administrator(UserMixin):
    """The logged-in person, for the framework's sake."""

    def __init__(self, passport: Passport, name: str) -> None:
        self.id = passport.id
        self.passport_id = passport.id
        self.name = name
        self.must_change = passport.must_change
        self.has_totp = passport.totp_confirmed

    def get_full_name(self) -> str:
        return self.name


class EntryUnfinished(PolicyDenied):
    """Who has logged in has still to change his password or to give his second factor."""

    code = "policy.entry_unfinished"
    template = N_("登录尚未完成，请先在页面上修改密码或输入动态验证码。")


class KaowuSecurity(SecurityManager):
    """Verifies the passport's session version on every request; grants by the matrix."""

    def create_login_manager(self, app: Any) -> LoginManager:
        manager = super().create_login_manager(app)
        manager.session_protection = "strong"
        manager.login_view = "Entry.login"
        return manager

    def create_db(self) -> None:
        """No framework tables."""

    def register_views(self) -> None:
        """Only our own entry pages; they are registered by the application."""

    @property
    def auth_type(self) -> int:
        return int(AUTH_DB)

    def get_public_role(self) -> None:
        """Nothing is public."""

    def load_user(self, pk: str) -> Administrator | None:
        """The person of the cookie, if his passport is active and the cookie still valid."""
        age = time.time() - session.get(SINCE_KEY, 0)
        if not str(pk).isdigit() or not 0 <= age < LONGEST_SESSION:
            return None
        database = context.read_session()
        with elevated(database, "load user", Passport):
            passport = database.scalars(
                select(Passport).where(Passport.id == int(pk))
            ).one_or_none()
        if passport is None or not passport.active:
            return None
        if session.get(VERSION_KEY) != passport.session_version:
            return None  # logged out, or the password was changed, on another device
        return Administrator(passport, passport.name or passport.email or "")

    def before_request(self) -> Any:
        """Find out who acts, in which session of the exam; then what must come first."""
        g.actor = None
        if request.endpoint is None or request.endpoint.endswith("static"):
            g.user = self.lm.anonymous_user()
            return None
        g.user = current_user
        if not current_user.is_authenticated:
            return None
        return self._before_authenticated()

    def _before_authenticated(self) -> Any:
        exam = context.exam()
        free: frozenset[str] = getattr(self.appbuilder, "kaowu_free_endpoints", frozenset())
        if session.get(TOTP_KEY):
            return None if request.endpoint in free else _finish_first("Entry.totp")
        if current_user.must_change or session.get(CHANGE_KEY):
            return None if request.endpoint in free else _finish_first("Entry.password")
        if exam is not None:
            database = context.read_session()
            g.actor = actors.load_administrator(database, current_user.passport_id, exam)
            become(database, g.actor)
        return None

    def has_access(self, permission_name: str, view_name: str) -> bool:
        """`can_<verb>` on a declaration's name, by the matrix; views without one are our own
        pages, which check for themselves."""
        acting = g.get("actor")
        if acting is None:
            return False
        try:
            declaration = registry.get(view_name)
        except KeyError:
            return bool(current_user.is_authenticated)
        verb = permission_name.removeprefix("can_")
        return verb in set(Verb) and granted(declaration, Verb(verb), acting)

    def _has_view_access(self, user: Any, permission_name: str, view_name: str) -> bool:
        return self.has_access(permission_name, view_name)

    def is_item_public(self, permission_name: str, view_name: str) -> bool:
        return False

    def add_permissions_view(self, base_permissions: Any, view_menu: Any) -> None:
        """The matrix is synchronised by a command, never at start."""

    def add_permissions_menu(self, view_menu_name: str) -> None:
        """See add_permissions_view."""


def _finish_first(endpoint: str) -> Any:
    """To the page that comes first; a program is told so."""
    if request.path.startswith("/api/"):
        raise EntryUnfinished()
    return redirect(url_for(endpoint))
