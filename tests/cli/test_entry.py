"""Exit codes, streams and help: 0 done, 1 refused, 2 wrong usage."""

from __future__ import annotations

import pytest

from app.cli import texts
from app.cli.shell import width_of
from tests.cli.conftest import Kaowu, Shells

SQLITE = pytest.mark.parametrize("database_kind", ["sqlite"], scope="session")


@SQLITE
def test_help_shows_the_commands_in_groups(kaowu: Kaowu) -> None:
    said = kaowu("--help")
    assert said.code == 0
    for heading in ("安装与维护:", "业务（代某人操作）:", "运行:"):
        assert heading in said.out
    for command in (
        "db",
        "permissions",
        "demo",
        "import",
        "document",
        "arrange",
        "jobs",
        "check",
        "audit",
    ):
        assert f"\n  {command} " in said.out


@SQLITE
@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["frobnicate"], "用法错误：No such command"),
        (["permissions", "show"], "用法错误：缺少 'ROLE'"),
        (["db", "check", "--no-such"], "用法错误：没有选项 --no-such"),
        (["jobs", "list", "--limit", "0"], "用法错误：'--limit'"),
        (["import", "--exam", "x"], "用法错误：'--exam'"),
    ],
)
def test_wrong_usage_is_2_and_goes_to_stderr(
    kaowu: Kaowu, arguments: list[str], sentence: str
) -> None:
    said = kaowu(*arguments)
    assert said.code == 2
    assert said.out == ""
    assert sentence in said.err
    assert "--help" in said.err


@SQLITE
def test_a_refusal_is_1_and_goes_to_stderr(kaowu: Kaowu) -> None:
    said = kaowu("permissions", "show", "nobody")
    assert (said.code, said.out) == (1, "")
    assert said.err.startswith("没有找到该记录")


@SQLITE
def test_wrong_settings_are_named_and_nothing_is_done(kaowu: Kaowu) -> None:
    said = kaowu("db", "head", PORT="many")
    assert said.code == 1
    assert "设置有误" in said.err
    assert "PORT" in said.err


@SQLITE
def test_a_database_that_is_not_there_is_a_sentence_without_sql(
    shell_on: Shells, empty_url: str
) -> None:
    said = shell_on(empty_url)("check", "capacity")
    assert said.code == 1
    assert "kaowu db upgrade" in said.err
    assert "SELECT" not in said.err


@SQLITE
def test_unfit_production_settings_stop_every_command(kaowu: Kaowu) -> None:
    said = kaowu("jobs", "list", KAOWU_MODE="production")
    assert said.code == 1
    assert "DATABASE_URL is SQLite" in said.err


def test_chinese_takes_two_columns() -> None:
    assert width_of("考点 a，") == 2 + 2 + 1 + 1 + 2


def test_without_a_catalogue_the_texts_are_chinese() -> None:
    assert texts._("数据库：升级、检查") == "数据库：升级、检查"
