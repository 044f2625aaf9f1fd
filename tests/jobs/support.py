"""Declarations that only tests use, workbooks, and conditions to wait for.

`python -m tests.jobs.support worker` is a worker that knows the test declarations.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import xlsxwriter
from sqlalchemy import select

from app.metadata import registry
from app.metadata.declarations import IMPORT, PRODUCE, Declaration, Document, Import
from app.metadata.fields import Field, Kind
from app.metadata.masking import mask_id
from app.metadata.text import Bad, normalise_code
from app.metadata.vocabulary import Level, Personal, Window
from app.models.arrangement import Room

ROOT = Path(__file__).resolve().parents[2]


def room_number(value: str) -> str:
    """Two digits."""
    gate(stage="reading")
    number = normalise_code(value).zfill(2)
    if not number.isdigit() or len(number) != 2:
        raise Bad("room.number", "考场号为 01–99")
    return number


def check_room(session: Any, row: Any, _context: Any) -> list[tuple[str, str]]:
    """A number is used once."""
    gate(stage="checking")
    taken = session.scalar(select(Room.id).where(Room.number == row["number"]))
    return [("number", "考场号已存在")] if taken else []


def apply_rooms(session: Any, rows: Sequence[Any], context: Any) -> Mapping[str, int]:
    """Add them; `KAOWU_TEST_GATE` names a folder in which a file is waited for."""
    actor = context.actor
    for row in rows:
        session.add(
            Room(
                exam_id=actor.exam_id,
                province_id=actor.province_id,
                city_id=actor.city_id,
                site_id=actor.site_id,
                number=row["number"],
                address=row["address"],
            )
        )
    session.flush()
    gate(stage="applying")
    return {"新增": len(rows)}


def field(name: str, label: str, **options: Any) -> Field:
    """A column without personal data unless it says so."""
    return Field(**{"name": name, "label": label, "personal": Personal.NONE} | options)


ROOMS = Import(
    name="test_rooms",
    label="考场导入",
    verbs={Level.SITE: IMPORT},
    window=Window.ARRANGEMENT,
    writes=(Room,),
    sheet="考场",
    columns=(
        field("serial", "序号", form=False),
        field("number", "考场号", required=True, checks=(room_number,)),
        field("address", "考场地址", required=True, max_length=60),
        field("kind", "类型", kind=Kind.CHOICE, choices={"1": "普通", "2": "备用"}),
        field("day", "日期", kind=Kind.DATE),
        field("large", "大考场", kind=Kind.BOOLEAN),
        field("keeper", "证件号码", personal=Personal.SENSITIVE, mask=mask_id),
    ),
    unique=("number",),
    check=check_room,
    apply=apply_rooms,
    options=(field("overwrite", "覆盖", kind=Kind.BOOLEAN),),
    formats=(".xlsx", ".xls", ".csv", ".zip"),
    sample=({"number": "01", "address": "教学楼101"},),
)
_PLAIN = {
    "default_date_format": "yyyy-mm-dd",
    "strings_to_formulas": False,
    "strings_to_urls": False,
}
HEADINGS = ("序号", "考场号*", "考场地址*", "类型", "日期", "大考场", "证件号码")


def render(stream: Any, snapshot: Any, _parameters: Any, progress: Any) -> None:
    """Write the snapshot; stops at the gate half-way."""
    stream.write(b"%PDF-test\n")
    progress(1, 2)
    gate(progress)
    stream.write(repr(snapshot).encode())
    progress(2, 2)


def rooms_of(session: Any, _actor: Any, _parameters: Any) -> list[tuple[str, str]]:
    """Numbers and addresses of the actor's rooms."""
    rows = session.execute(select(Room.number, Room.address).order_by(Room.number))
    return [tuple(row) for row in rows]


SLOW = Document(
    name="test_slow",
    label="考场清单",
    verbs={Level.SITE: PRODUCE},
    collect=rooms_of,
    fingerprint=lambda *arguments: repr(rooms_of(*arguments)),
    render=render,
    filename=lambda *_: "考场清单.pdf",
    media_type="application/pdf",
)


def gate(progress: Any = None, stage: str = "applying") -> None:
    """Say in which process we are, then wait until the file `go` is there (if a gate is set).
    `KAOWU_TEST_STAGE` names the part of an import that waits (applying, where it names none)."""
    folder = os.environ.get("KAOWU_TEST_GATE")
    if not folder or stage != os.environ.get("KAOWU_TEST_STAGE", "applying"):
        return
    (Path(folder) / f"reached-{os.getpid()}").touch()
    wait_for(lambda: (Path(folder) / "go").exists() or _stopped(progress), 60)


def _stopped(progress: Any) -> bool:
    if progress is not None:
        progress.checkpoint()
    return False


def wait_for(condition: Callable[[], Any], seconds: float = 20) -> Any:
    """The condition's first true value. AssertionError when it stays false too long."""
    pause, deadline = threading.Event(), time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < deadline, "waited in vain"
        pause.wait(0.02)


@contextlib.contextmanager
def registered(*declarations: Declaration) -> Iterator[None]:
    """Declarations that are known for the time being (or for longer, where they are already)."""
    new = [item for item in declarations if item.name not in registry._declarations]
    for declaration in new:
        registry.register(declaration)
    yield
    for declaration in new:
        registry._declarations.pop(declaration.name)


def workbook(
    rows: Sequence[Sequence[Any]],
    headings: Sequence[Any] = HEADINGS,
    sheet: str = "考场",
    others: Mapping[str, Sequence[Sequence[Any]]] | None = None,
) -> bytes:
    """An xlsx with one data sheet, after the other sheets."""
    stream = io.BytesIO()
    with xlsxwriter.Workbook(stream, _PLAIN) as book:
        for title, cells in (*(others or {}).items(), (sheet, [headings, *rows])):
            page = book.add_worksheet(title)
            for number, line in enumerate(cells):
                for column, value in enumerate(line):
                    if value is not None:
                        page.write(number, column, value)
    return stream.getvalue()


def main() -> int:
    """A worker or an upkeep process with the test declarations."""
    from app.jobs import upkeep, worker

    with registered(ROOMS, SLOW):
        return worker.main() if sys.argv[1] == "worker" else upkeep.main([])


if __name__ == "__main__":
    sys.exit(main())
