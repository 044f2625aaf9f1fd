"""A small application on the stock framework, protected as its manual says: `base_filters` and
`pre_*` hooks. It shows what they leave open (fab.md §2.1)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from flask import Flask, redirect
from flask_appbuilder import AppBuilder, Model, ModelRestApi, ModelView, action
from flask_appbuilder.models.sqla.filters import FilterEqualFunction
from flask_appbuilder.models.sqla.interface import SQLAInterface
from flask_wtf.csrf import CSRFProtect
from sqlalchemy import ForeignKey, String, UniqueConstraint, create_engine, select
from sqlalchemy.orm import Mapped, mapped_column, relationship, scoped_session, sessionmaker
from sqlalchemy.pool import StaticPool
from werkzeug.exceptions import Forbidden

OWN = 1


class StockOrganisation(Model):  # type: ignore[misc]
    """An organisation; the user belongs to number 1."""

    __tablename__ = "stock_organisation"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str | None] = mapped_column(String(50))
    people: Mapped[list[StockPerson]] = relationship(back_populates="organisation")

    def __repr__(self) -> str:
        return self.name or "?"


class StockPerson(Model):  # type: ignore[misc]
    """1-5 are of the own organisation, 11-15 of another."""

    __tablename__ = "stock_person"
    __table_args__ = (UniqueConstraint("organisation_id", "secret"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(50))
    secret: Mapped[str] = mapped_column(String(20))
    organisation_id: Mapped[int] = mapped_column(ForeignKey("stock_organisation.id"))
    organisation: Mapped[StockOrganisation] = relationship(back_populates="people")


class Stock:
    """The application, its session and a client that is logged in."""

    def __init__(self, *, csrf: bool) -> None:
        self.touched: list[str] = []
        #: something else of the request commits (an audit entry, a counter)
        self.commits = False
        self.app = Flask("stock")
        self.app.after_request(self._commit)
        self.app.config.update(
            SECRET_KEY="s" * 40,
            JWT_SECRET_KEY="x" * 40,
            WTF_CSRF_ENABLED=csrf,
            AUTH_RATE_LIMITED=True,
            AUTH_RATE_LIMIT="3 per minute",
            RATELIMIT_ENABLED=True,
        )
        self.engine = create_engine(
            "sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False}
        )
        self.session = scoped_session(sessionmaker(self.engine))
        if csrf:
            CSRFProtect(self.app)
        with self.app.app_context():
            Model.metadata.create_all(self.engine)
            self._views(AppBuilder(self.app, self.session))
            self._rows()

    def _commit(self, response: Any) -> Any:
        if self.commits:
            self.session.commit()
        return response

    def _views(self, builder: Any) -> None:
        touched = self.touched
        own = [["organisation_id", FilterEqualFunction, lambda: OWN]]

        class PersonView(ModelView):  # type: ignore[misc]
            datamodel = SQLAInterface(StockPerson)
            base_filters = own
            list_columns = ["name", "organisation"]  # noqa: RUF012
            add_columns = edit_columns = ["name", "secret", "organisation"]  # noqa: RUF012
            order_columns = ["name"]  # noqa: RUF012
            search_columns = ["name"]  # noqa: RUF012

            @action("cancel", "Cancel", "Sure?")
            def cancel(self, items: Any) -> Any:
                touched.extend(i.name for i in (items if isinstance(items, list) else [items]))
                return redirect("/")

            def pre_update(self, item: Any) -> None:
                if item.name == "FORBIDDEN":
                    raise ValueError("the window is closed")

        class PersonApi(ModelRestApi):  # type: ignore[misc]
            datamodel = SQLAInterface(StockPerson)
            base_filters = own
            resource_name = "person"
            allow_browser_login = True

        class OrganisationApi(ModelRestApi):  # type: ignore[misc]
            datamodel = SQLAInterface(StockOrganisation)
            base_filters = [["id", FilterEqualFunction, lambda: OWN]]  # noqa: RUF012
            resource_name = "organisation"
            allow_browser_login = True

            def pre_update(self, item: Any) -> None:
                if item.name == "FORBIDDEN":
                    raise Forbidden("no")

        builder.add_view(PersonView, "people")
        builder.add_api(PersonApi)
        builder.add_api(OrganisationApi)
        admin = builder.sm.find_role("Admin")
        builder.sm.add_user("a", "a", "a", "a@example.com", admin, password="pw")
        self.client = self.app.test_client()

    def _rows(self) -> None:
        self.session.add_all(
            [StockOrganisation(id=1, name="mine"), StockOrganisation(id=2, name="THEIRS")]
        )
        self.session.flush()
        for number in (*range(1, 6), *range(11, 16)):
            self.session.add(
                StockPerson(
                    id=number,
                    name=f"p{number}",
                    secret=str(99 - number),
                    organisation_id=1 if number < 10 else 2,
                )
            )
        self.session.commit()

    def log_in(self) -> None:
        self.client.post("/login/", data={"username": "a", "password": "pw"})

    def person(self, **values: Any) -> Any:
        """The row with these values, read anew."""
        with self.app.app_context():
            self.session.remove()
            return self.session.scalars(select(StockPerson).filter_by(**values)).one_or_none()

    def close(self) -> None:
        with self.app.app_context():
            self.session.remove()
        self.engine.dispose()


@contextmanager
def stock(*, csrf: bool = False) -> Iterator[Stock]:
    """A fresh application over a database in memory."""
    made = Stock(csrf=csrf)
    try:
        if not csrf:
            made.log_in()
        yield made
    finally:
        made.close()
