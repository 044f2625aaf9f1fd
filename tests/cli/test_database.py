"""`kaowu db` and `kaowu permissions`."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from app.database import migrate
from app.database.session import WRITES, make_engine
from tests.cli.conftest import Kaowu, Shells, lines

SQLITE = pytest.mark.parametrize("database_kind", ["sqlite"], scope="session")


def test_upgrade_fills_an_empty_database_and_says_what_it_did(
    shell_on: Shells, empty_url: str
) -> None:
    kaowu = shell_on(empty_url)
    said = kaowu("db", "upgrade")
    assert said.code == 0
    assert said.err == ""
    assert lines(said.out)[0] == f"数据库已从 空库 升级到 {migrate.head()}。"
    assert lines(said.out)[1].startswith("角色权限：新增 ")
    again = kaowu("db", "upgrade")
    assert lines(again.out) == [
        f"数据库已是最新版本 {migrate.head()}。",
        "角色权限没有变化。",
    ]
    assert kaowu("db", "check").code == 0
    assert kaowu("db", "head").out == f"代码 {migrate.head()}，数据库 {migrate.head()}\n"


@SQLITE
def test_check_finds_an_old_database(shell_on: Shells, empty_url: str) -> None:
    said = shell_on(empty_url)("db", "check")
    assert said.code == 1
    assert "请运行 kaowu db upgrade" in said.err


def test_check_finds_a_column_that_is_missing(shell_on: Shells, empty_url: str) -> None:
    kaowu = shell_on(empty_url)
    kaowu("db", "upgrade")
    engine = make_engine(empty_url)
    with engine.connect().execution_options(**{WRITES: True}) as connection:
        connection.execute(text("ALTER TABLE audit_entry DROP COLUMN outcome"))
        connection.commit()
    engine.dispose()
    said = kaowu("db", "check")
    assert said.code == 1
    assert "outcome" in said.err
    assert "1 处不一致" in said.err


@SQLITE
def test_downgrade_asks_and_an_answer_of_no_changes_nothing(
    shell_on: Shells, empty_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    kaowu = shell_on(empty_url)
    kaowu("db", "upgrade")
    monkeypatch.setattr("click.termui.visible_prompt_func", lambda _text: "n")
    said = kaowu("db", "downgrade")
    assert (said.code, said.err) == (1, "已取消。\n")
    assert kaowu("db", "check").code == 0
    assert kaowu("db", "downgrade", "--yes").out == "数据库已退回到 空库。\n"


@SQLITE
def test_permissions_sync_adds_once_and_a_dry_run_saves_nothing(kaowu: Kaowu) -> None:
    dry = kaowu("permissions", "sync", "--dry-run")
    assert dry.code == 0
    assert "没有保存。" in dry.out
    assert "+ site  考点开考科目设置（site_subject）  查看" in dry.out
    real = kaowu("permissions", "sync")
    assert lines(dry.out)[0] == lines(real.out)[0]
    assert kaowu("permissions", "sync").out == "角色权限没有变化。\n"


@SQLITE
def test_permissions_show_names_pages_and_verbs(kaowu: Kaowu) -> None:
    kaowu("permissions", "sync")
    said = kaowu("permissions", "show", "site")
    assert said.code == 0
    assert said.out.startswith("考点管理员（site）\n")
    row = next(line for line in lines(said.out) if " site_subject " in line)
    assert row.split() == ["考点开考科目设置", "site_subject", "查询、查看、新增、删除、导出"]
