"""`kaowu demo`: loaded once, the same each time, never in production."""

from __future__ import annotations

import stat
import time
from pathlib import Path

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import sessionmaker

from app.database.base import Base
from app.database.session import KaowuSession, make_engine, make_session_factory
from app.database.unit_of_work import reading
from app.demo.accounts import ACCOUNTS
from app.metadata.actor import system
from app.models.account import Passport
from app.models.registration import Photo
from app.rules.account.access import Access
from app.rules.account.errors import LoginRefused
from app.rules.account.login import authenticate
from tests.cli.conftest import PASSWORD, Kaowu, Shells, lines

SQLITE = pytest.mark.parametrize("database_kind", ["sqlite"], scope="session")
_FORGETFUL = {"job_run", "rate_limit"}


def _counts(url: str) -> dict[str, int]:
    factory = make_session_factory(make_engine(url))
    with reading(factory, system("test")) as session:
        connection = session.connection()
        found = {
            name: connection.execute(select(func.count()).select_from(table)).scalar_one()
            for name, table in Base.metadata.tables.items()
        }
    factory.kw["bind"].dispose()
    return found


def test_upgrade_and_load_fill_an_empty_database_and_a_second_load_is_a_no_op(
    shell_on: Shells, empty_url: str
) -> None:
    kaowu = shell_on(empty_url)
    assert kaowu("db", "upgrade").code == 0
    started = time.monotonic()
    first = kaowu("demo", "load", "--once")
    assert time.monotonic() - started < 60
    assert (first.code, first.err) == (0, "")
    assert first.out.startswith("已载入：6 个考点，485 名考生，")
    before = _counts(empty_url)
    files = sum(1 for path in (kaowu.instance / "files").rglob("*.jpg"))
    assert files == 2 * before["photo"]
    again = kaowu("demo", "load", "--once")
    assert (again.code, again.out) == (0, "演示数据已载入。\n")
    assert _counts(empty_url) == before
    assert kaowu("check", "capacity").code == 0
    assert kaowu("db", "check").code == 0
    refused = kaowu("demo", "load")
    assert refused.code == 1
    assert "已有数据" in refused.err


@SQLITE
def test_accounts_are_printed_aligned_with_the_password_last(
    shell_on: Shells, empty_url: str
) -> None:
    kaowu = shell_on(empty_url)
    kaowu("db", "upgrade")
    assert kaowu("demo", "accounts").out == "没有演示账号：数据库中不是演示数据。\n"
    kaowu("demo", "load", DEMO_PASSWORD=PASSWORD)
    path = kaowu.instance / "demo.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    said = lines(kaowu("demo", "accounts").out)
    assert said[-1] == f"密码（全部账号）：{PASSWORD}"
    assert len(said) == len(ACCOUNTS) + 2
    starts = {line.index("139000000") + sum(ord(c) > 0x2E7F for c in line) for line in said[1:-1]}
    assert len(starts) == 1


@SQLITE
def test_a_weak_demo_password_is_refused_before_anything_is_loaded(
    shell_on: Shells, empty_url: str
) -> None:
    kaowu = shell_on(empty_url)
    kaowu("db", "upgrade")
    said = kaowu("demo", "load", DEMO_PASSWORD="demo")
    assert said.code == 1
    assert said.err.startswith("DEMO_PASSWORD 不能使用：")
    assert _counts(empty_url)["exam"] == 0
    assert not (kaowu.instance / "demo.json").exists()


@SQLITE
def test_other_data_are_left_alone(kaowu: Kaowu) -> None:
    factory = make_session_factory(make_engine(kaowu.environ["DATABASE_URL"]))
    from tests.factories import populate

    populated, _tree = populate(kaowu.environ["DATABASE_URL"])
    populated.kw["bind"].dispose()
    factory.kw["bind"].dispose()
    said = kaowu("demo", "load", "--once")
    assert (said.code, said.out) == (0, "数据库中已有其他数据，未载入演示数据。\n")
    assert kaowu("demo", "load").code == 1


@pytest.mark.postgres
def test_production_refuses_the_demo(kaowu: Kaowu) -> None:
    fit = {
        "KAOWU_MODE": "production",
        "REDIS_URL": "redis://queue/0",
        "PUBLIC_URL": "https://exam.example/",
        "ADMIN_SECRET_KEY": "a" * 40,
        "PORTAL_SECRET_KEY": "b" * 40,
        "PAYMENT_GATEWAY": "bank",
        "MAIL_URL": "smtp://mail.example:25",
    }
    for command in (["demo", "load", "--once"], ["demo", "accounts"]):
        said = kaowu(*command, **fit)
        assert (said.code, said.err) == (1, "生产环境不能载入演示数据。\n")


def test_every_demo_account_can_log_in(demo_factory: sessionmaker[KaowuSession]) -> None:
    access = Access(demo_factory)
    for account in ACCOUNTS:
        by_mail = authenticate(access, account.email.upper(), PASSWORD)
        assert by_mail.administrator is (account.organisation is not None)
        assert not by_mail.must_change
        assert authenticate(access, account.mobile, PASSWORD).passport_id == by_mail.passport_id
    with pytest.raises(LoginRefused):
        authenticate(access, ACCOUNTS[0].email, f"{PASSWORD}x")


@SQLITE
def test_other_people_of_the_demo_cannot_log_in(demo_factory: sessionmaker[KaowuSession]) -> None:
    with reading(demo_factory, system("test")) as session:
        known = [account.email for account in ACCOUNTS]
        email = session.scalars(select(Passport.email).where(Passport.email.not_in(known))).first()
    assert email is not None
    with pytest.raises(LoginRefused):
        authenticate(Access(demo_factory), email, PASSWORD)


def test_photos_of_the_demo_are_another_one_for_everybody(demo_url: str, demo_files: Path) -> None:
    factory = make_session_factory(make_engine(demo_url))
    with reading(factory, system("test")) as session:
        photos = session.scalars(select(Photo)).all()
        assert len({photo.sha256 for photo in photos}) == len(photos) > 250
        assert all(20 * 1024 <= photo.size <= 40 * 1024 for photo in photos)
        assert {(photo.width, photo.height) for photo in photos} == {(240, 320)}
        assert all((demo_files / photo.print_key).stat().st_size > 3000 for photo in photos[:20])
    factory.kw["bind"].dispose()
