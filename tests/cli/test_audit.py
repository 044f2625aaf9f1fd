"""`kaowu audit` and `kaowu check audit`: the log as people may read it, and its chain."""

from __future__ import annotations

import pytest
from sqlalchemy import text
from sqlalchemy.orm import sessionmaker

from app.database.session import WRITES, KaowuSession, make_engine
from app.database.unit_of_work import run_unit
from app.metadata.actor import system
from app.rules import sealing
from tests.cli.conftest import Kaowu, lines

SQLITE = pytest.mark.parametrize("database_kind", ["sqlite"], scope="session")


def _seal(factory: sessionmaker[KaowuSession]) -> None:
    while run_unit(factory, system("test"), sealing.seal):
        pass


@SQLITE
def test_a_site_reads_its_own_log_only(on_demo: Kaowu) -> None:
    said = on_demo("audit", "list", "--as", "site990702@kaowu.test", "--limit", "5")
    assert said.code == 0
    rows = lines(said.out)
    assert len(rows) == 6
    assert rows[0].split()[:3] == ["时间", "操作人", "机构"]
    on_demo("arrange", "run", "--as", "site990702@kaowu.test")
    own = on_demo("audit", "list", "--as", "site990702@kaowu.test", "--limit", "5").out
    assert own.count("考点二管理员") == 5
    other = on_demo("audit", "list", "--as", "site990703@kaowu.test", "--limit", "200").out
    assert "考点二管理员" not in other
    above = on_demo("audit", "list", "--as", "province99@kaowu.test", "--limit", "200").out
    assert "考点二管理员" in above


@SQLITE
def test_reading_the_log_needs_a_reader(on_demo: Kaowu) -> None:
    for options in ([], ["--as", "candidate@kaowu.test"]):
        said = on_demo("audit", "list", *options)
        assert (said.code, said.out) == (1, "")


def test_the_chain_is_sound_until_somebody_changes_an_entry(
    on_demo: Kaowu, demo_url: str, demo_factory: sessionmaker[KaowuSession]
) -> None:
    before = on_demo("audit", "verify")
    assert before.code == 0
    assert "封存 0 段" in before.out
    _seal(demo_factory)
    sound = on_demo("audit", "verify")
    assert (sound.code, sound.err) == (0, "")
    assert "尚未封存 0 条" in sound.out
    head = sound.out.split("末尾摘要 ")[1].split()[0]
    assert on_demo("audit", "verify", "--anchor", head).code == 0
    assert on_demo("audit", "verify", "--anchor", "f" * 64).code == 1
    engine = make_engine(demo_url)
    with engine.connect().execution_options(**{WRITES: True}) as connection:
        connection.execute(
            text(
                "UPDATE audit_entry SET actor_name = 'nobody' WHERE id ="
                " (SELECT min(id) FROM audit_entry)"
            )
        )
        connection.commit()
    engine.dispose()
    for command in (["audit", "verify"], ["check", "audit"]):
        said = on_demo(*command)
        assert said.code == 1
        assert "日志内容被修改" in said.err
