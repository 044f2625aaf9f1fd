"""A whole administration for tests: one database with two sessions of the exam, people of every
level, the application, and clients that are logged in."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from flask.sessions import SecureCookieSessionInterface
from itsdangerous import URLSafeTimedSerializer
from sqlalchemy import event
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.middleware.shared_data import SharedDataMiddleware
from werkzeug.test import Client, TestResponse
from werkzeug.wrappers import Response

from app.database.policy import become
from app.database.session import WRITES, KaowuSession, make_engine, make_session_factory
from app.database.unit_of_work import reading, unit_of_work
from app.metadata.actor import Actor, system
from app.metadata.declarations import Declaration
from app.metadata.vocabulary import ADMINISTRATORS, Level, Verb
from app.models.account import Passport
from app.models.audit import AuditEntry
from app.models.roster import RosterPolicy
from app.rules import password, policy
from app.runtime import Runtime, load_declarations
from app.views.application import MOUNT, STATIC, create_admin_app
from config import Settings
from tests.contract.models import Hall, Word, create_tables
from tests.factories import Tree, bind_administrator, make_tree, plant

AGENT = "kaowu tests"
ADDRESS = {"REMOTE_ADDR": "127.0.0.1"}
PASSWORD = "Kw-2026-ceshi!"
TEST_SEED = Declaration(
    name="test_seed",
    label="测试数据",
    verbs={level: frozenset(Verb) for level in ADMINISTRATORS},
    writes=(Hall, Word),
)


def create_world_tables(url: str) -> None:
    """Schema of the product and of the test declarations."""
    from app.database.schema import create_all

    engine = make_engine(url)
    try:
        create_all(engine)
        options = {WRITES: True}
        with engine.connect().execution_options(**options) as connection, connection.begin():
            create_tables(connection)
    finally:
        engine.dispose()


@dataclass
class World:
    """The application over one database."""

    runtime: Runtime
    app: Any
    tree: Tree
    history: Tree
    people: dict[Any, Passport]
    server: Any = field(init=False)
    statements: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        mounted = DispatcherMiddleware(Response("portal"), {MOUNT: self.app})
        self.server = SharedDataMiddleware(mounted, {"/static": str(STATIC)})
        event.listen(self.runtime.engine, "before_cursor_execute", self._note)

    def _note(self, _connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        if not statement.startswith(("SET ", "BEGIN", "PRAGMA")):
            self.statements.append(statement)

    @contextmanager
    def counting(self) -> Iterator[list[str]]:
        """The statements that are executed inside."""
        before = len(self.statements)
        found: list[str] = []
        yield found
        found.extend(self.statements[before:])

    def actor(self, level: Level, number: int = 0) -> Actor:
        passport = self.people[level, number]
        return replace(self.tree.actor(level, number), passport_id=passport.id)

    def cookie(self, passport: Passport, agent: str = AGENT, address: str = "127.0.0.1") -> str:
        """The session cookie of somebody who is logged in."""
        # as Flask-Login ties a session to its browser
        origin = f"{address.encode()!r}|{agent.encode()!r}"
        identity = hashlib.sha512(origin.encode()).hexdigest()
        data = {
            "_user_id": str(passport.id),
            "_fresh": True,
            "_id": identity,
            "v": passport.session_version,
            "since": int(time.time()) - 60,
            "csrf_token": "c" * 40,
            "seen": 2**33,
        }
        signer = SecureCookieSessionInterface().get_signing_serializer(self.app)
        assert signer is not None
        return str(signer.dumps(data))

    def csrf(self) -> str:
        """The token that belongs to `cookie`."""
        return str(
            URLSafeTimedSerializer(self.app.secret_key, salt="wtf-csrf-token").dumps("c" * 40)
        )

    def browser(self, level: Level = Level.SITE, number: int = 0, exam: int = 58) -> Browser:
        """A client of the person of that level, in a session of the exam."""
        client = Client(self.server, Response)
        client.set_cookie("kaowu_admin", self.cookie(self.people[level, number]), path="/admin")
        return Browser(self, client, f"/admin/{exam}")

    def nobody(self) -> Browser:
        return Browser(self, Client(self.server, Response), "/admin/58")

    # -------------------------------------------------------- rows

    def plant(self, *rows: Any) -> Any:
        """Add rows past the rules; returns the first."""
        with (
            unit_of_work(self.runtime.factory, system("seed")) as session,
            policy.permit(session, TEST_SEED, Verb.ADD),
        ):
            session.add_all(rows)
        return rows[0]

    def hall(self, name: str, number: int = 0, tree: Tree | None = None, **values: Any) -> Hall:
        """A hall of a site."""
        tree = tree or self.tree
        row = Hall(
            **tree.path(tree.sites[number]), **({"name": name, "seats": 30, "open": True} | values)
        )
        self.plant(row)
        return row

    @contextmanager
    def looking(self) -> Iterator[KaowuSession]:
        """Everything, read only."""
        with reading(self.runtime.factory, system("look")) as session:
            yield session
            session.expunge_all()  # what was looked at stays readable

    def get(self, model: type, number: int) -> Any:
        with self.looking() as session:
            return session.get(model, number)

    def entries(self, action: str = "") -> list[AuditEntry]:
        """The audit entries whose action begins so, oldest first."""
        from sqlalchemy import select

        with self.looking() as session:
            rows = session.scalars(
                select(AuditEntry)
                .where(AuditEntry.action.startswith(action))
                .order_by(AuditEntry.id)
            )
            return list(rows)


@dataclass
class Browser:
    """A client in one session of the exam."""

    world: World
    client: Client
    prefix: str

    def _options(self, htmx: bool, options: dict[str, Any]) -> dict[str, Any]:
        headers = {"User-Agent": AGENT} | options.pop("headers", {})
        if htmx:
            headers |= {"HX-Request": "true", "HX-Target": "kw-dialog-body"}
        # buffered: the file behind an export is closed when it has been read, as a server does
        return {"headers": headers, "environ_overrides": ADDRESS, "buffered": True} | options

    def get(self, path: str, *, htmx: bool = False, **options: Any) -> TestResponse:
        return self.client.get(self.prefix + path, **self._options(htmx, options))

    def post(
        self, path: str, data: Any = None, *, htmx: bool = False, csrf: bool = True, **options: Any
    ) -> TestResponse:
        values = dict(data or {})
        if csrf:
            values["csrf_token"] = self.world.csrf()
        return self.client.post(self.prefix + path, data=values, **self._options(htmx, options))

    def rest(self, method: str, path: str, body: Any = None, *, csrf: bool = True) -> TestResponse:
        headers = {"User-Agent": AGENT}
        if csrf:
            headers["X-CSRFToken"] = self.world.csrf()
        return self.client.open(
            f"{self.prefix}/api/v1{path}",
            method=method,
            json=body,
            headers=headers,
            environ_overrides=ADDRESS,
        )


def make_world(url: str, folder: Any) -> World:
    """Fill the database and start the application."""
    load_declarations()
    settings = Settings.from_environment(
        {"KAOWU_MODE": "testing", "INSTANCE": str(folder), "DATABASE_URL": url}
    )
    engine = make_engine(url)
    factory = make_session_factory(engine)
    hashed = password.hash_password(PASSWORD)
    with unit_of_work(factory, system("seed")) as session:
        tree = make_tree(session, number=58, sites=2)
        history = make_tree(session, number=57, state="history", sites=2)
        for ground in (tree, history):  # so that no page is unused (R0.5b)
            for site in ground.sites:
                plant(session, RosterPolicy(**ground.path(site), roster_enabled=True))
        become(session, system("seed"))
        people = {}
        for level in ADMINISTRATORS:
            for number in range(2 if level is Level.SITE else 1):
                owner, _ = bind_administrator(session, tree, level, number, password_hash=hashed)
                people[level, number] = owner
    runtime = Runtime(settings, engine, factory)
    return World(runtime, create_admin_app(runtime), tree, history, people)


def text_of(answer: TestResponse) -> str:
    """The visible text of an answer: no tags, no scripts, single spaces."""
    page = re.sub(
        r"<(script|style|template).*?</\1>", " ", answer.get_data(as_text=True), flags=re.S
    )
    return " ".join(re.sub(r"<[^>]+>", " ", page).split())
