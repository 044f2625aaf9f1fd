"""`kaowu check` and `kaowu jobs`."""

from __future__ import annotations

import base64

import pytest
from sqlalchemy import text

from app.database.session import WRITES, make_engine
from tests.cli.conftest import Kaowu

SQLITE = pytest.mark.parametrize("database_kind", ["sqlite"], scope="session")


def test_capacity_of_the_demo_agrees_and_a_wrong_counter_is_named(
    on_demo: Kaowu, demo_url: str
) -> None:
    assert on_demo("check", "capacity").out == "容量计数与报考记录一致。\n"
    engine = make_engine(demo_url)
    with engine.connect().execution_options(**{WRITES: True}) as connection:
        connection.execute(
            text("UPDATE capacity_pool SET used = used - 1 WHERE pool = 'S:66' AND used > 30")
        )
        connection.commit()
    engine.dispose()
    said = on_demo("check", "capacity", "--exam", "58")
    assert said.code == 1
    assert "(990701)地市七考点一 科目66：计数 37，实际 38" in said.err
    assert on_demo("check", "capacity", "--exam", "57").code == 0
    assert on_demo("check", "capacity", "--exam", "12").code == 1


@SQLITE
def test_settings_of_a_development_machine_are_unfit_for_production(kaowu: Kaowu) -> None:
    said = kaowu("check", "settings")
    assert said.code == 1
    assert "PAYMENT_GATEWAY is sandbox" in said.err


@SQLITE
def test_settings_of_production_pass(kaowu: Kaowu) -> None:
    key = base64.b64encode(b"k" * 32).decode()
    said = kaowu(
        "check",
        "settings",
        KAOWU_MODE="production",
        DATABASE_URL="postgresql://kaowu@db/kaowu",
        REDIS_URL="redis://queue/0",
        PUBLIC_URL="https://exam.example/",
        ADMIN_SECRET_KEY="a" * 40,
        PORTAL_SECRET_KEY="b" * 40,
        DATA_KEYS=f"p1:{key}",
        DIGEST_KEY=key,
        PAYMENT_GATEWAY="bank",
        MAIL_URL="smtp://mail.example:25",
    )
    assert said.err == ""
    assert (said.code, said.out) == (0, "设置可以用于生产环境。\n")


@SQLITE
def test_jobs_of_an_empty_database(kaowu: Kaowu) -> None:
    assert kaowu("jobs", "list").out == "没有任务。\n"
    assert kaowu("jobs", "work").out == "执行了 0 个任务。\n"
    said = kaowu("jobs", "retry", "12345")
    assert said.code == 1
    assert said.err.startswith("没有找到该记录")
