"""Tickets: the documents themselves, looked at through poppler, qpdf and pikepdf."""

from __future__ import annotations

import io
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pikepdf
import pytest

from app.jobs.documents.stamping import tickets as engine
from app.jobs.documents.stamping.errors import (
    DocumentCancelled,
    PhotoNotPrepared,
    TemplateError,
    UncoveredText,
)
from app.jobs.documents.stamping.fonts import FontChain, FontFace, FontSource, find_fonts
from app.jobs.documents.stamping.preview import preview_bytes
from app.jobs.documents.stamping.sheet import MILLIMETRE
from app.jobs.documents.stamping.writer import PdfWriter
from tests.jobs.documents.samples import (
    BASE,
    NAMES,
    PHOTO,
    boxes_of,
    make_font,
    make_tickets,
    photo,
    picture_of,
    text_of,
    tool,
    visible_difference,
    words_of,
)

FONTS = find_fonts()
PRIVATE_USE = "\ue863"
#: Share of pixels; the seen value is 0.1 %, all of it anti-aliasing of lines and photo edges.
PIXEL_BOUND = 0.003


class OneWay(io.RawIOBase):
    """A stream that can only be written to."""

    def __init__(self) -> None:
        self.data = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self.data += data
        return len(data)


def small(folder: Path, tickets: list[engine.Ticket], **options: object) -> Path:
    target = folder / "small.pdf"
    engine.write_small_tickets(target, tickets, **options)  # type: ignore[arg-type]
    return target


def candidate(folder: Path, tickets: list[engine.Ticket], **options: object) -> Path:
    target = folder / "candidate.pdf"
    target.write_bytes(engine.candidate_ticket_pdf(tickets, **options))  # type: ignore[arg-type]
    return target


def numbers_on(document: Path, page: int) -> list[str]:
    """Return the ticket numbers of one page in the order in which they were stamped."""
    words = text_of(document, "-raw", "-f", str(page), "-l", str(page)).split()
    return [word for word in words if len(word) == 16 and word.isdigit()]


# --- the same as the layout engine would have drawn ------------------------------------------


def test_small_tickets_equal_the_layout_engine_in_words_and_pixels(tmp_path: Path) -> None:
    tickets = make_tickets(8)
    reference = tmp_path / "reference.pdf"
    compiled = engine.small_template()
    records = [engine.small_values(ticket) for ticket in tickets]
    sheet = engine.small_sheet(compiled)
    reference.write_bytes(preview_bytes(engine.small_html(), FONTS, records, sheet))
    stamped = small(tmp_path, tickets)
    assert words_of(stamped) == words_of(reference)
    assert visible_difference(stamped, reference) < PIXEL_BOUND


@pytest.mark.parametrize("rows", [1, 2, 3])
def test_page_tickets_equal_the_layout_engine_in_words_and_pixels(
    tmp_path: Path, rows: int
) -> None:
    tickets = make_tickets(rows + 1, registration_key="1", subject="(24) C语言程序设计")[1:]
    reference = tmp_path / "reference.pdf"
    sheet = engine.page_sheet(engine.page_template(rows))
    records = [engine.page_values(tickets)]
    reference.write_bytes(preview_bytes(engine.page_html(rows), FONTS, records, sheet))
    stamped = candidate(tmp_path, tickets)
    assert words_of(stamped) == words_of(reference)
    assert visible_difference(stamped, reference) < PIXEL_BOUND


# --- chapters 34 to 36 -----------------------------------------------------------------------


def test_r34_3_six_tickets_on_a4_and_r34_2_the_chosen_order_is_kept(tmp_path: Path) -> None:
    tickets = sorted(make_tickets(14), key=lambda ticket: ticket.number[::-1])
    document = small(tmp_path, tickets)
    chosen = [ticket.number for ticket in tickets]
    assert [numbers_on(document, page) for page in (1, 2, 3)] == [
        chosen[:6],
        chosen[6:12],
        chosen[12:],
    ]
    assert "A4" in tool("pdfinfo", document)
    places = {word: (x, y) for word, x, y, _, _ in boxes_of(document)}
    rows = [[places[number] for number in chosen[start : start + 2]] for start in (0, 2, 4)]
    assert all(left[0] < right[0] and left[1] == right[1] for left, right in rows)
    assert rows[0][0][1] < rows[1][0][1] < rows[2][0][1]


def test_r35_1_big_ticket_is_one_page_each_with_the_notice(tmp_path: Path) -> None:
    target = tmp_path / "big.pdf"
    assert engine.write_big_tickets(target, make_tickets(3)) == 3
    assert [numbers_on(target, page) for page in (1, 2, 3)] == [
        [ticket.number] for ticket in make_tickets(3)
    ]
    assert text_of(target).count("考生须知") == 3


def test_r36_candidate_has_one_page_with_all_entries_and_a_number_for_each(tmp_path: Path) -> None:
    mine = make_tickets(3, name="赵娜", registration_key="1")
    other = make_tickets(5, registration_key="2")[3:]
    document = candidate(tmp_path, [*mine, *other])
    assert numbers_on(document, 1) == [ticket.number for ticket in mine]
    assert numbers_on(document, 2) == [ticket.number for ticket in other]
    assert text_of(document, "-l", "1").count("赵娜") == 1
    assert text_of(document).count("考生须知") == 2


def test_more_entries_than_rows_go_on_on_the_next_page(tmp_path: Path) -> None:
    document = candidate(tmp_path, make_tickets(4, registration_key="1"))
    assert [len(numbers_on(document, page)) for page in (1, 2)] == [3, 1]


def test_seat_is_printed_when_there_is_one(tmp_path: Path) -> None:
    document = small(tmp_path, [replace(BASE, seat_number="12"), replace(BASE, number="9" * 16)])
    assert text_of(document).count("12 座") == 1


# --- characters ------------------------------------------------------------------------------


def test_rare_characters_copy_as_they_were_written(tmp_path: Path) -> None:
    text = text_of(small(tmp_path, make_tickets(6)))
    assert [name for name in NAMES if name not in text] == []


def test_two_characters_with_one_glyph_both_copy_right(tmp_path: Path) -> None:
    text = text_of(small(tmp_path, [replace(BASE, name="人\u2f08人")]))
    assert "人\u2f08人" in text


@pytest.mark.parametrize("cff", [False, True], ids=["truetype", "name-keyed cff"])
def test_fallback_font_is_embedded_drawn_and_copied(tmp_path: Path, cff: bool) -> None:
    rare = "\U00030000\U00030001"
    make_font(tmp_path / "Squares.ttf", "Squares", rare, cff=cff)
    source = FontSource("Squares.ttf", "Squares", "Squares")
    chain = FontChain([FONTS.faces[0], FontFace(tmp_path / source.file, source)])
    document = small(tmp_path, [replace(BASE, name=f"张{rare}甲")], fonts=chain)
    assert f"张{rare}甲" in text_of(document)
    assert "Squares" in tool("pdffonts", document)
    tool("qpdf", "--check", document)
    ((_, left, top, right, bottom),) = [box for box in boxes_of(document) if rare in box[0]]
    quarter = (right - left) / 4
    scale = 200 / 72
    area: Any = (left + quarter, top, right - quarter, bottom)
    middle = picture_of(document, 200).crop(tuple(round(edge * scale) for edge in area))
    black = middle.histogram()[0] / (middle.width * middle.height)
    assert black > 0.4


def test_private_use_is_refused_with_its_code_point_and_no_file_is_left(tmp_path: Path) -> None:
    tickets = [*make_tickets(7), replace(BASE, name=f"张{PRIVATE_USE}")]
    with pytest.raises(UncoveredText, match=r"U\+E863"):
        small(tmp_path, tickets)
    assert list(tmp_path.iterdir()) == []


def test_a_substitute_is_printed_where_the_caller_asks_for_it(tmp_path: Path) -> None:
    ticket = replace(BASE, name=f"张{PRIVATE_USE}甲")
    document = small(tmp_path, [ticket], substitute=engine.MISSING_GLYPH_SIGN)
    assert "张〓甲" in text_of(document)


def test_preflight_names_ticket_name_and_code_point_before_anything_is_printed() -> None:
    tickets = [
        *make_tickets(3),
        replace(BASE, number="1" * 16, name=f"张{PRIVATE_USE}"),
        replace(BASE, number="2" * 16, photo=None),
        replace(BASE, number="3" * 16, room_address="测试路" * 60),
    ]
    problems = list(engine.preflight(tickets))
    assert [(problem.number[0], problem.kind) for problem in problems] == [
        ("1", "uncovered"),
        ("2", "no_photo"),
        ("3", "long"),
    ]
    assert problems[0].name == f"张{PRIVATE_USE}"
    assert problems[0].detail == f"{PRIVATE_USE} (U+E863)"
    assert float(problems[2].detail) < 5


@pytest.mark.parametrize(
    "name",
    ["阿卜杜热合曼·买买提吐尔逊·阿卜杜拉", "Wolfeschlegelsteinhausenbergerdorff", "Anna " * 9],
)
def test_a_name_that_is_too_long_shrinks_into_its_place(tmp_path: Path, name: str) -> None:
    document = small(tmp_path, [replace(BASE, name=name), BASE])
    slot = next(slot for slot in engine.small_template().texts if slot.name == "name")
    left = 5 * MILLIMETRE + slot.x
    top = 4.5 * MILLIMETRE + 25 * MILLIMETRE
    inside = [
        word
        for word, x, y, right, bottom in boxes_of(document)
        if x >= left - 0.5
        and right <= left + slot.width + 1
        and y >= top - 1
        and bottom <= top + 9 * MILLIMETRE
    ]
    assert "".join(inside).startswith(name.replace(" ", ""))


# --- photos ----------------------------------------------------------------------------------


def test_without_photo_there_is_an_empty_frame_that_says_so(tmp_path: Path) -> None:
    document = small(tmp_path, [replace(BASE, photo=None), replace(BASE, registration_key="2")])
    assert text_of(document).split().count("无照片") == 1
    slot = engine.small_template().images[0]
    height = engine.small_template().height
    scale = 200 / 72
    left, top = 5 * MILLIMETRE + slot.x, 4.5 * MILLIMETRE + height - slot.y - slot.height
    area: Any = (left - 1, top - 1, left + slot.width + 1, top + slot.height + 1)
    frame = picture_of(document, 200).crop(tuple(round(edge * scale) for edge in area))
    columns, rows = range(3), range(frame.height // 3, frame.height // 2)
    pixel: Any = frame.getpixel
    darkest = [min(pixel((x, y)) for x in columns) for y in rows]
    assert max(darkest) < 220  # the left edge is a line
    assert sum(frame.histogram()[230:]) / (frame.width * frame.height) > 0.9


def test_photos_are_embedded_byte_for_byte_and_once_for_one_candidate(tmp_path: Path) -> None:
    shared = make_tickets(3, photo=PHOTO)
    document = small(tmp_path, [*shared, replace(BASE, photo=photo(99))])
    data = document.read_bytes()
    assert data.count(PHOTO) == 1
    assert data.count(photo(99)) == 1


@pytest.mark.parametrize("data", [b"GIF89a", PHOTO[:2] + b"\xff\xe1\x00\x04ab" + PHOTO[2:]])
def test_a_photo_that_was_not_prepared_is_refused_with_its_owner(
    tmp_path: Path, data: bytes
) -> None:
    with pytest.raises(PhotoNotPrepared, match="赵娜（准考证号 1458990701010001）"):
        small(tmp_path, [replace(BASE, photo=data)])


# --- the file --------------------------------------------------------------------------------


def test_qpdf_finds_no_fault(tmp_path: Path) -> None:
    big = tmp_path / "big.pdf"
    engine.write_big_tickets(big, make_tickets(70))
    documents = [small(tmp_path, make_tickets(400)), candidate(tmp_path, make_tickets(3)), big]
    for document in documents:
        assert "No syntax or stream encoding errors found" in tool("qpdf", "--check", document)


def test_language_and_title_are_set(tmp_path: Path) -> None:
    with pikepdf.open(small(tmp_path, make_tickets(1), title="小版准考证 990701")) as document:
        assert document.Root.Lang == "zh-CN"
        assert document.docinfo.Title == "小版准考证 990701"
        assert document.Root.ViewerPreferences.DisplayDocTitle


def test_same_input_gives_the_same_bytes_in_every_process(tmp_path: Path) -> None:
    code = (
        "import sys, hashlib\n"
        "from app.jobs.documents.stamping import tickets\n"
        "from tests.jobs.documents.samples import make_tickets\n"
        "data = tickets.candidate_ticket_pdf(make_tickets(9, registration_key='1'))\n"
        "tickets.write_small_tickets(sys.stdout.buffer, make_tickets(20))\n"
        "sys.stdout.buffer.write(data)\n"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", code],
            check=True,
            capture_output=True,
            env={"PYTHONHASHSEED": seed, "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)},
        ).stdout
        for seed in ("1", "2")
    }
    stream = io.BytesIO()
    engine.write_small_tickets(stream, make_tickets(20))
    stream.write(engine.candidate_ticket_pdf(make_tickets(9, registration_key="1")))
    assert outputs == {stream.getvalue()}


def test_different_tickets_give_different_identifiers() -> None:
    first, second = (
        engine.candidate_ticket_pdf([replace(BASE, name=name)]) for name in ("赵娜", "赵一")
    )
    assert first.rsplit(b"/ID", 1)[1][:70] != second.rsplit(b"/ID", 1)[1][:70]


def test_a_stream_that_cannot_seek_is_enough(tmp_path: Path) -> None:
    stream = OneWay()
    engine.write_small_tickets(stream, make_tickets(7))  # type: ignore[arg-type]
    assert bytes(stream.data) == small(tmp_path, make_tickets(7)).read_bytes()


def test_no_tickets_give_one_empty_page(tmp_path: Path) -> None:
    document = small(tmp_path, [])
    tool("qpdf", "--check", document)
    assert text_of(document).split() == []


def test_progress_is_reported_at_most_once_a_page(tmp_path: Path) -> None:
    reports: list[int] = []
    small(tmp_path, make_tickets(14), progress=reports.append)
    assert reports == [6, 12, 14]


def test_cancelling_leaves_no_half_file_and_keeps_the_old_one(tmp_path: Path) -> None:
    target = small(tmp_path, make_tickets(1))
    before = target.read_bytes()
    asked: list[int] = []

    def cancelled() -> bool:
        asked.append(1)
        return len(asked) == 3

    with pytest.raises(DocumentCancelled):
        small(tmp_path, make_tickets(60), cancelled=cancelled)
    assert len(asked) == 3
    assert list(tmp_path.iterdir()) == [target]
    assert target.read_bytes() == before


def test_missing_data_is_named(tmp_path: Path) -> None:
    values = engine.small_values(BASE)
    del values["room"]
    writer = PdfWriter(io.BytesIO(), engine.small_template(), title="")
    with pytest.raises(TemplateError, match="数据中没有字段：room"):
        writer.add(values)


def test_memory_does_not_grow_with_the_number_of_tickets() -> None:
    code = (
        "import re, sys, os\n"
        "from app.jobs.documents.stamping import tickets\n"
        "from tests.jobs.documents.samples import PHOTO, make_tickets\n"
        "from dataclasses import replace\n"
        "def many(count):\n"
        "    for index in range(count):\n"
        "        mark = b'\\xff\\xfe\\x00\\x06' + index.to_bytes(4, 'big')\n"
        "        photo = PHOTO[:2] + mark + PHOTO[2:]\n"
        "        for ticket in make_tickets(1):\n"
        "            yield replace(ticket, number=f'{index:016d}', photo=photo)\n"
        "with open(os.devnull, 'wb') as stream:\n"
        "    tickets.write_small_tickets(stream, many(int(sys.argv[1])))\n"
        "status = open('/proc/self/status').read()\n"
        "print(int(re.search(r'VmHWM:\\s+(\\d+)', status)[1]) // 1024)\n"
    )
    peaks = [
        int(
            subprocess.run(
                [sys.executable, "-c", code, str(count)], check=True, capture_output=True, text=True
            ).stdout
        )
        for count in (600, 6_000)
    ]
    assert max(peaks) < 250
    assert peaks[1] - peaks[0] < 8
