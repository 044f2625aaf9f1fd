"""A country's registrations in PostgreSQL, multiplied inside the database from one row."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import psycopg
from sqlalchemy import Table, make_url
from sqlalchemy.dialects.postgresql import dialect

from app.database.base import Base
from app.models.organisation import Organisation
from app.models.registration import Entry, Registration
from bench.seat_claim import durable
from tests import servers

#: so many sites in the province, and as many provinces beside it with ten sites each
SITES, OTHERS = 200, 30
#: registrations of the site that looks
AT_SITE = 5_000
#: one of so many registrations is in the province that looks
SHARE = 8
#: ids of what is multiplied begin here, above those of a snowflake of today
_FIRST = 1 << 61
_PREPARER = dialect().identifier_preparer  # type: ignore[no-untyped-call] # untyped in SQLAlchemy


@contextmanager
def postgresql() -> Iterator[str | None]:
    """An address of an empty database with production's settings; None without PostgreSQL."""
    binaries = servers.find_postgresql()
    if binaries is None:
        yield None
        return
    server = servers.Postgres(binaries)
    try:
        durable(server)
        yield make_url(server.url).set(database="bench").render_as_string(hide_password=False)
    finally:
        server.stop()


def multiply(
    connection: psycopg.Connection,
    table: Table,
    template: int,
    count: int,
    changes: Mapping[str, str],
) -> None:
    """Copy the row `template` so many times. `changes` are SQL by column; `g` counts from 1, `t`
    is the row."""
    names = [column.name for column in table.columns]
    values = [changes.get(name, "t." + _PREPARER.quote(name)) for name in names]
    into = ", ".join(_PREPARER.quote(name) for name in names)
    connection.execute(
        f"INSERT INTO {table.name} ({into}) SELECT {', '.join(values)} "  # noqa: S608 - of models
        f"FROM {table.name} t, generate_series(1, {count}) g WHERE t.id = {template}"
    )


def _table(model: type[Base]) -> Table:
    found = model.__table__
    assert isinstance(found, Table)
    return found


def _only(connection: psycopg.Connection, name: str) -> int:
    """The id of the one row of that table."""
    rows = connection.execute(f"SELECT id FROM {name}").fetchall()  # noqa: S608 - of models
    assert len(rows) == 1, f"{len(rows)} rows in {name}"
    return int(rows[0][0])


def fill(url: str, count: int) -> None:
    """`count` more registrations with one entry each, like the only ones that are there.

    Their site gets AT_SITE of them, its province one in SHARE, the others go to further
    provinces. Passports are left out: no list reads them.
    """
    address = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")  # no foreign keys
        registration, entry = _only(connection, "registration"), _only(connection, "entry")
        _organisations(connection, registration)
        multiply(connection, _table(Registration), registration, count, _PERSON)
        multiply(connection, _table(Entry), entry, count, _ENTRY)
        connection.execute("VACUUM ANALYZE")


#: first ids of the further sites, of the other provinces' sites, and of those provinces
_OWN, _FOREIGN, _PROVINCES = _FIRST + 1, _FIRST + 10_000, _FIRST + 20_000
_PATH = {
    "id": f"{_FIRST} + g",
    "passport_id": f"{_FIRST} + g",
    "site_id": f"CASE WHEN g <= {AT_SITE} THEN t.site_id "
    f"WHEN g % {SHARE} = 0 THEN {_OWN} + (g / {SHARE}) % {SITES} "
    f"ELSE {_FOREIGN} + (g % {OTHERS * 10}) END",
    "province_id": f"CASE WHEN g <= {AT_SITE} OR g % {SHARE} = 0 THEN t.province_id "
    f"ELSE {_PROVINCES} + (g % {OTHERS * 10}) / 10 END",
}
_ENTRY = _PATH | {"registration_id": f"{_FIRST} + g"}
_PERSON = _PATH | {
    "city_id": f"CASE WHEN g <= {AT_SITE} THEN t.city_id END",
    "id_digest": "encode(sha256(g::text::bytea), 'hex')",
    "name": "'考' || chr(19968 + g % 5000) || chr(19968 + g % 77)",
    "payment": "(ARRAY['unpaid','paid','none'])[1 + g % 3]",
    "photo_id": "NULL",
    "submitted_at": "t.submitted_at - g * interval '1 second'",
}
_OWN_SITE = {
    **dict.fromkeys(("id", "site_id"), f"{_OWN} + g - 1"),
    "code": "(995000 + g)::text",
    "name": "'第' || g || '考点'",
}
_PROVINCE = {
    **dict.fromkeys(("id", "province_id"), f"{_PROVINCES} + g - 1"),
    "code": "(60 + g)::text",
    "name": "'第' || g || '省'",
}
_FOREIGN_SITE = {
    **dict.fromkeys(("id", "site_id"), f"{_FOREIGN} + g - 1"),
    **dict.fromkeys(("province_id", "parent_id"), f"{_PROVINCES} + (g - 1) / 10"),
    "city_id": "NULL",
    "code": "(600000 + g)::text",
    "name": "'外省' || g || '考点'",
}


def _organisations(connection: psycopg.Connection, registration: int) -> None:
    """Further sites of the province, and other provinces with theirs."""
    found = connection.execute(
        "SELECT site_id, province_id FROM registration WHERE id = %s", (registration,)
    ).fetchone()
    assert found is not None
    site, province = found
    table = _table(Organisation)
    multiply(connection, table, site, SITES, _OWN_SITE)
    multiply(connection, table, province, OTHERS, _PROVINCE)
    multiply(connection, table, site, OTHERS * 10, _FOREIGN_SITE)
