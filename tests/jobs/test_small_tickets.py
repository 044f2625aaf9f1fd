"""小版准考证 (chapter 34, scenario 56) and what holds for every document (R0.5 G)."""

from __future__ import annotations

import datetime as dt
import io
import subprocess
import zipfile
from dataclasses import replace
from typing import Any

import pytest
from PIL import Image
from pypdf import PdfReader
from sqlalchemy import select

from app.database.unit_of_work import reading, unit_of_work
from app.jobs import engine
from app.jobs.documents import engine as documents
from app.jobs.documents.small_tickets import SMALL_TICKETS
from app.jobs.documents.stamping.photos import print_derivative
from app.jobs.file_expiry import delete_expired_files
from app.jobs.files import row_by_id
from app.metadata.errors import InvalidInput, NotFound
from app.metadata.vocabulary import ExamState, Level
from app.models.arrangement import AdmissionTicket, Room, Seat, Sitting
from app.models.audit import AuditEntry
from app.models.exam import Exam
from app.models.job import DocumentFile, JobRun, StoredFile
from app.models.registration import Entry, EntryState, Photo
from app.rules.policy import NoVerb
from tests.factories import make_registration, seeding
from tests.jobs.conftest import Ground

PEOPLE = (
    ("张三", "二班", "03", "计算机系"),
    ("李四", "一班", "02", "数学系"),
    ("阿依古丽·买买提", "一班", "01", "计算机系"),
    ("王𠮷", "三班", "09", "数学系"),
    ("钱七", "二班", "01", "外语系"),
    ("孙八", "二班", "02", "外语系"),
    ("周九", "四班", "01", "外语系"),
)


def picture(ground: Ground) -> str:
    """A photo as registration stores it for printing; its key."""
    stream = io.BytesIO()
    Image.new("RGB", (300, 400), (200, 210, 220)).save(stream, "JPEG")
    put = ground.machine.files.put(print_derivative(stream.getvalue()), folder="photo")
    return put.key


@pytest.fixture
def arranged(ground: Ground) -> Ground:
    """Seven numbered entries in two rooms; the second person has no photo."""
    key = picture(ground)

    def plant(session: Any) -> None:
        registrations = [
            make_registration(
                session,
                ground.tree,
                name=name,
                class_name=class_name,
                student_number=number,
                department=department,
                state=EntryState.NUMBERED,
                photo=index != 1,
            )
            for index, (name, class_name, number, department) in enumerate(PEOPLE)
        ]
        with seeding(session):
            for photo in session.scalars(select(Photo)):
                photo.print_key = key
            path = ground.tree.path(ground.tree.site)
            sittings = []
            for number in ("02", "01"):
                room = Room(**path, number=number, address=f"教学楼{number}")
                session.add(room)
                session.flush()
                times = {"day": dt.date(2026, 9, 19), "start": dt.time(8), "end": dt.time(10)}
                sitting = Sitting(**path, room_id=room.id, number=1, capacity=60, **times)
                session.add(sitting)
                sittings.append((room, sitting))
            session.flush()
            for index, registration in enumerate(registrations):
                entry = session.scalars(
                    select(Entry).where(Entry.registration_id == registration.id)
                ).one()
                room, sitting = sittings[index % 2]
                owner = path | {"passport_id": registration.passport_id, "entry_id": entry.id}
                session.add(Seat(**owner, sitting_id=sitting.id, number=10 - index))
                session.add(
                    AdmissionTicket(
                        **owner,
                        number=f"1458990701{room.number}{index + 1:04d}",
                        room_number=room.number,
                        serial=index + 1,
                    )
                )

    ground.write(plant)
    return ground


def generate(ground: Ground, **values: Any) -> JobRun:
    """Ask as the site, run the job."""
    with unit_of_work(ground.machine.factory, ground.site) as session:
        run = documents.generate(session, ground.machine, SMALL_TICKETS, {"order": "room"} | values)
    engine.execute(ground.machine, run.id)
    return ground.run(run.id)


def archive(ground: Ground) -> zipfile.ZipFile:
    """The newest document."""
    document = ground.all(DocumentFile)[-1]
    stored = next(row for row in ground.all(StoredFile) if row.id == document.file_id)
    return zipfile.ZipFile(io.BytesIO(ground.machine.files.get(stored.key)))


def words(content: bytes) -> str:
    """The text of a PDF in the order of its pages."""
    made = subprocess.run(["pdftotext", "-", "-"], input=content, capture_output=True, check=True)
    return made.stdout.decode()


def order_of(text: str) -> list[str]:
    """The names that stand in the text, as they follow one another."""
    return sorted((name for name, *_ in PEOPLE if name in text), key=text.index)


def test_r34_1_not_before_there_are_numbers(ground: Ground) -> None:
    with pytest.raises(documents.NotReady) as refusal:
        generate(ground)
    assert "准考证号" in refusal.value.message()
    assert ground.count(JobRun) == 0


def test_r34_3_a_zip_of_pdf_per_room_with_six_tickets_a_page(arranged: Ground) -> None:
    run = generate(arranged)
    assert run.state == "done", run.error
    assert run.result["notes"] == ["1 张准考证没有照片，照片位置为空。"]
    with archive(arranged) as found:
        assert found.namelist() == ["01考场.pdf", "02考场.pdf"]
        assert {entry.compress_type for entry in found.infolist()} == {zipfile.ZIP_STORED}
        text = words(found.read("01考场.pdf"))
    assert order_of(text) == ["孙八", "王𠮷", "李四"]
    assert (run.progress, run.total) == (7, 7)
    stored = next(row for row in arranged.all(StoredFile))
    assert stored.name == "小版准考证(990701)按考场、批次、座位.zip"


def test_r0_4_a_file_of_a_history_session_is_made_and_marked(arranged: Ground) -> None:
    def close(session: Any) -> None:
        with seeding(session):
            session.get_one(Exam, arranged.tree.exam.id).state = ExamState.HISTORY.value

    arranged.write(close)
    assert generate(arranged).state == "done"
    (stored,) = arranged.all(StoredFile)
    assert stored.name == "历史考次_小版准考证(990701)按考场、批次、座位.zip"


@pytest.mark.parametrize(
    ("order", "key"),
    [("class", (1, 2)), ("department", (3, 1, 0)), ("name", (0,))],
)
def test_scenario_56_the_chosen_order_is_kept(
    arranged: Ground, order: str, key: tuple[int, ...]
) -> None:
    assert generate(arranged, order=order).state == "done"
    with archive(arranged) as found:
        (name,) = found.namelist()
        content = found.read(name)
    ordered = sorted(PEOPLE, key=lambda person: tuple(person[index] for index in key))
    assert order_of(words(content)) == [person[0] for person in ordered]
    assert len(PdfReader(io.BytesIO(content)).pages) == 2, "seven tickets, six a page"


def test_an_unknown_order_is_refused(arranged: Ground) -> None:
    with pytest.raises(InvalidInput):
        generate(arranged, order="random")


def test_a_document_gets_stale_when_what_is_printed_changes(arranged: Ground) -> None:
    generate(arranged)

    def is_stale() -> bool:
        with reading(arranged.machine.factory, arranged.site) as session:
            ((row, _),) = documents.present(session, SMALL_TICKETS)
            return documents.is_stale(session, SMALL_TICKETS, row)

    assert not is_stale()

    def rename(session: Any) -> None:
        with seeding(session):
            room = session.scalars(select(Room).where(Room.number == "01")).one()
            room.address = "新楼"

    arranged.write(rename)
    assert is_stale()
    assert generate(arranged).state == "done"
    assert not is_stale()


def test_generating_again_replaces_and_the_old_file_goes_after_a_day(arranged: Ground) -> None:
    generate(arranged)
    generate(arranged)
    generate(arranged, order="name")
    with reading(arranged.machine.factory, arranged.site) as session:
        orders = [row.parameters["order"] for row, _ in documents.present(session, SMALL_TICKETS)]
    assert orders == ["name", "room"]
    assert arranged.count(DocumentFile) == 3
    later = replace(arranged.machine, clock=lambda: dt.datetime.now(dt.UTC) + dt.timedelta(days=2))
    assert delete_expired_files(later) == 1
    assert arranged.count(DocumentFile) == 2


def test_asking_twice_makes_one_job(arranged: Ground) -> None:
    with unit_of_work(arranged.machine.factory, arranged.site) as session:
        first = documents.generate(session, arranged.machine, SMALL_TICKETS, {"order": "name"})
        second = documents.generate(session, arranged.machine, SMALL_TICKETS, {"order": "name"})
        other = documents.generate(session, arranged.machine, SMALL_TICKETS, {"order": "room"})
    assert first.id == second.id
    assert other.id != first.id


def test_a_download_is_asked_counted_and_logged(arranged: Ground) -> None:
    generate(arranged)
    (document,) = arranged.all(DocumentFile)

    def download(session: Any) -> StoredFile:
        return documents.download(session, SMALL_TICKETS, document.id)

    stored = arranged.write(download, arranged.site)
    assert arranged.machine.files.get(stored.key).startswith(b"PK")
    assert arranged.all(DocumentFile)[0].downloads == 1
    actions = [entry.action for entry in arranged.all(AuditEntry)]
    assert {"job.document.generate", "job.document.download"} <= set(actions)
    with pytest.raises(NotFound):
        arranged.write(download, arranged.tree.actor(Level.SITE, 1))
    with pytest.raises(NoVerb):
        arranged.write(download, arranged.province)
    assert arranged.all(DocumentFile)[0].downloads == 1


def test_an_unprintable_character_is_found_before_the_first_page(arranged: Ground) -> None:
    def rename(session: Any) -> None:
        with seeding(session):
            room = session.scalars(select(Room).where(Room.number == "02")).one()
            room.address = "楼\ue863"

    arranged.write(rename)
    run = generate(arranged)
    assert run.state == "failed"
    assert "无法打印" in (run.error or "")
    assert arranged.count(DocumentFile) == 0
    assert arranged.count(StoredFile) == 0


def test_a_document_of_a_superior_is_listed_but_not_of_a_sibling(arranged: Ground) -> None:
    generate(arranged)
    for actor, seen in (
        (arranged.province, 1),
        (arranged.city, 1),
        (arranged.tree.actor(Level.SITE, 1), 0),
    ):
        with reading(arranged.machine.factory, actor) as session:
            assert len(documents.present(session, SMALL_TICKETS)) == seen
            assert (row_by_id(session, JobRun, arranged.all(JobRun)[0].id) is not None) == bool(
                seen
            )
