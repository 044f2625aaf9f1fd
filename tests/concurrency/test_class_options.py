"""R18: several people set the classes of one site at once: one is saved, the others are stale."""

from __future__ import annotations

from functools import partial

from sqlalchemy import select

from app.database.session import KaowuSession
from app.database.unit_of_work import reading, run_unit
from app.metadata.actor import system
from app.metadata.errors import StaleRow
from app.models.settings import ClassOption, SiteSettings
from app.rules import crud
from app.rules.class_options import CLASS_OPTIONS
from tests.concurrency.clients import Crowd, crowd, pauses, together

PEOPLE = 4


def save(clients: Crowd, row_id: int, version: int, client: int) -> str:
    """One of them, all of whom saw the same empty list; returns what he has saved."""
    typed = f"{client}班；{client}甲班"

    def work(session: KaowuSession) -> str:
        values = {"class_text": typed}
        crud.update(session, CLASS_OPTIONS, row_id, values, version=version)
        return typed

    return run_unit(clients.factory(client), clients.tree.actor(), work)


def test_r18_1_classes_of_two_people_are_never_merged(
    database_kind: str, fresh_database: str
) -> None:
    with crowd(fresh_database, PEOPLE, sites=1) as clients:
        with reading(clients.factory(), system("look")) as session:
            row = session.scalars(select(SiteSettings)).one()
            row_id, version = row.id, row.class_version
        wide = (
            ("SELECT class_option", "SELECT site_settings", "INSERT")
            if database_kind == "postgresql"
            else ()
        )
        with pauses(clients, *wide):
            results = together(
                [partial(save, clients, row_id, version, client) for client in range(PEOPLE)]
            )
        saved = [result for result in results if isinstance(result, str)]
        assert len(saved) == 1
        assert [type(result) for result in results if result not in saved] == [StaleRow] * 3
        with reading(clients.factory(), system("look")) as session:
            names = session.scalars(select(ClassOption.name).order_by(ClassOption.position))
            assert "；".join(names) == saved[0]
