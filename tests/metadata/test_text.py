"""Cleaning of values (domain §4, §4.1; architecture §4.10)."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.metadata import text
from app.metadata.text import Bad


def code_of(function: Callable[..., object], *values: object) -> str:
    with pytest.raises(Bad) as caught:
        function(*values)
    assert str(caught.value)
    return caught.value.code


@given(st.text(), st.booleans(), st.booleans(), st.sampled_from(["NFC", "NFKC"]))
def test_normalise_is_idempotent_and_leaves_no_control_characters(
    value: str, collapse: bool, lines: bool, form: Literal["NFC", "NFKC"]
) -> None:
    once = text.normalise(value, collapse=collapse, lines=lines, form=form)
    assert text.normalise(once, collapse=collapse, lines=lines, form=form) == once
    assert once == once.strip()
    visible = once.replace("\n", "") if lines else once
    assert not {unicodedata.category(sign) for sign in visible} & {"Cc", "Cf", "Cs"}
    once.encode("utf-8")


def test_normalise_full_width_lines_and_spaces() -> None:
    assert text.normalise("  Ａ１（）\u200b\ufeff ") == "A1()"
    assert text.normalise("a\tb\r\nc") == "a b c"
    assert text.normalise("a  b \r\n  c", collapse=True, lines=True) == "a b\nc"
    assert text.normalise("一\u3000 \u00a0二", collapse=True) == "一 二"
    assert text.normalise("你好，（世界）！", form="NFC") == "你好，（世界）！"
    assert text.normalise("\x00\u202e\ufffe") == ""


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        (None, ""),
        (2.0, "2"),
        (14, "14"),
        (72.1, "72.1"),
        (0.00001, "0.00001"),
        (Decimal("1.50"), "1.50"),
        (110105491231002.0, "110105491231002"),
        (True, "是"),
        (date(2001, 1, 1), "2001-01-01"),
        (datetime(2001, 1, 1), "2001-01-01"),  # noqa: DTZ001 - worksheet cells are naive
        (datetime(2001, 1, 1, 8, 5), "2001-01-01 08:05:00"),  # noqa: DTZ001
        (time(8, 0), "08:00"),
        (time(8, 0, 1), "08:00:01"),
        (" 张三 ", " 张三 "),
    ],
)
def test_domain_4_worksheet_cells_become_text(cell: object, expected: str) -> None:
    assert text.cell_text(cell) == expected


@pytest.mark.parametrize(
    "cell",
    [110101200101010034, 1.10101200101010e17, 10**15, -(10**15), "1.1E+17", " 1.45399E+15 "],
)
def test_domain_4_numbers_of_more_than_15_digits_are_refused(cell: object) -> None:
    with pytest.raises(Bad, match="文本格式") as caught:
        text.cell_text(cell)
    assert caught.value.code == "number.too_long"


def test_domain_4_cells_that_are_no_value_are_refused() -> None:
    assert code_of(text.cell_text, float("nan")) == "number.invalid"
    assert code_of(text.cell_text, float("inf")) == "number.invalid"
    assert code_of(text.cell_text, timedelta(1)) == "cell.type"


@given(st.integers(-(10**15) + 1, 10**15 - 1))
def test_whole_numbers_survive_a_worksheet(number: int) -> None:
    assert text.cell_text(float(number)) == text.cell_text(number) == str(number)


def test_domain_4_4_excel_armour_is_stripped() -> None:
    assert text.strip_armour('="1453990101030189"') == "1453990101030189"
    assert text.strip_armour("1453990101030189") == "1453990101030189"
    assert text.strip_armour('=HYPERLINK("x")') == '=HYPERLINK("x")'


@given(st.text())
def test_codes_are_idempotent(value: str) -> None:
    try:
        once = text.normalise_code(value)
    except Bad:
        return
    assert text.normalise_code(once) == once
    assert " " not in once


def test_domain_4_2_codes_from_excel() -> None:
    assert text.normalise_code("14.0") == text.normalise_code(14.0) == "14"
    assert text.normalise_code(" hz（jkd 981） ") == "HZ(JKD981)"
    assert text.normalise_code("03") == "03"


def test_emails_are_lower_case() -> None:
    assert text.normalise_email("  Zhang.San@Example.COM ") == "zhang.san@example.com"
    assert text.normalise_email("ａ＠qq.com") == "a@qq.com"


@pytest.mark.parametrize(
    "value",
    [
        "",
        "a",
        "a@b",
        "a@@b.cn",
        "a b@c.cn",
        ".a@b.cn",
        "a..b@c.cn",
        "a@-b.cn",
        "张@b.cn",
        f"{'a' * 65}@b.cn",
        f"a@{'b.' * 130}cn",
        "a@b.cn,c@d.cn",
        "a@1.2.3.4",
    ],
)
def test_emails_that_cannot_exist_are_refused(value: str) -> None:
    assert code_of(text.normalise_email, value) == "email.form"


@pytest.mark.parametrize(
    "value",
    [
        "13800001234",
        "+86 138-0000-1234",
        "8613800001234",
        "008613800001234",
        "１３８００００１２３４",
        13800001234,
        13800001234.0,
    ],
)
def test_mobiles_are_eleven_digits(value: object) -> None:
    assert text.normalise_mobile(value) == "13800001234"


@pytest.mark.parametrize("value", ["", "12800001234", "1380000123", "138000012345", "١٣٨٠٠٠٠١٢٣٤"])
def test_mobiles_of_another_form_are_refused(value: str) -> None:
    assert code_of(text.normalise_mobile, value) == "mobile.form"


def test_domain_4_1_phone_is_mobile_or_landline() -> None:
    assert text.normalise_phone("+8613800001234") == "13800001234"
    assert text.normalise_phone("（010）62345678") == "010-62345678"
    assert text.normalise_phone("0512 62345678-801") == "0512-62345678-801"
    assert code_of(text.normalise_phone, "62345678") == "phone.form"


def test_domain_4_1_postcode_has_six_digits() -> None:
    assert text.normalise_postcode(215000.0) == "215000"
    assert code_of(text.normalise_postcode, "21500") == "postcode.form"


@pytest.mark.parametrize(
    ("typed", "stored"),
    [
        ("阿依古丽•买买提", "阿依古丽·买买提"),
        ("阿依古丽‧买买提", "阿依古丽·买买提"),
        ("阿依古丽・买买提", "阿依古丽·买买提"),
        ("阿依古丽 · 买买提", "阿依古丽·买买提"),
        ("张　三", "张三"),
        (" ANNA   SMITH ", "ANNA SMITH"),
        ("José María", "José María"),
        ("䶮𠮷〇", "䶮𠮷〇"),
        ("葛\U000e0100", "葛"),
        ("张\u200b三", "张三"),
    ],
)
def test_domain_4_1_names(typed: str, stored: str) -> None:
    assert text.normalise_name(typed) == stored
    assert text.normalise_name(stored) == stored


@pytest.mark.parametrize(
    ("typed", "code"),
    [
        ("", "name.empty"),
        ("张3", "name.digit"),
        ("张３", "name.digit"),
        ("张" * 31, "name.too_long"),
        ("=HYPERLINK(1)", "name.character"),
        ("<b>", "name.character"),
        ("张\ue863", "name.character"),
        ("·张三", "name.position"),
        ("张三·", "name.position"),
        ("张··三", "name.position"),
        ("张三 ANNA", "name.position"),
    ],
)
def test_domain_4_1_names_that_are_refused(typed: str, code: str) -> None:
    assert code_of(text.normalise_name, typed) == code


def test_domain_4_1_names_have_up_to_thirty_characters() -> None:
    assert text.normalise_name("𠮷" * 30) == "𠮷" * 30


@given(st.text(max_size=40))
def test_names_are_idempotent(value: str) -> None:
    try:
        once = text.normalise_name(value)
    except Bad:
        return
    assert text.normalise_name(once) == once
    assert 1 <= len(once) <= 30


@given(st.integers(-(10**13), 10**13))
def test_money_round_trip(fen: int) -> None:
    assert text.yuan_to_fen(text.fen_to_yuan(fen)) == fen


@pytest.mark.parametrize(
    ("typed", "fen"),
    [
        ("72", 7200),
        ("72.5", 7250),
        ("0.01", 1),
        ("￥1,234.50", 123450),
        ("80元", 8000),
        (72.1, 7210),
        (0.07, 7),
        (100, 10000),
        ("-0.01", -1),
        ("０", 0),
    ],
)
def test_money_is_integer_fen(typed: object, fen: int) -> None:
    assert text.yuan_to_fen(typed) == fen


@pytest.mark.parametrize("typed", ["", "0.001", "1e3", "abc", "1,23", ".", "1.", "٧", 0.1 + 0.2])
def test_money_of_another_form_is_refused(typed: object) -> None:
    assert code_of(text.yuan_to_fen, typed) == "money.form"


def test_fen_show_two_decimals() -> None:
    assert [text.fen_to_yuan(fen) for fen in (0, 1, 7200, -1)] == ["0.00", "0.01", "72.00", "-0.01"]


@pytest.mark.parametrize(
    "value",
    [
        "2000-01-16",
        "20000116",
        "2000/01/16",
        "2000/1/16",
        "２０００－０１－１６",
        20000116.0,
        "2000-01-16 00:00:00",
        date(2000, 1, 16),
        datetime(2000, 1, 16),  # noqa: DTZ001
    ],
)
def test_domain_4_1_dates(value: object) -> None:
    parsed = text.parse_date(value)
    assert parsed == date(2000, 1, 16)
    assert type(parsed) is date


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ("", "date.form"),
        ("16.1.2000", "date.form"),
        ("2000-01/16", "date.form"),
        ("2000-1", "date.form"),
        (36526.0, "date.form"),
        ("2001-02-29", "date.missing"),
        ("20010229", "date.missing"),
        ("0000-01-01", "date.missing"),
    ],
)
def test_domain_4_1_dates_that_are_refused(value: object, code: str) -> None:
    assert code_of(text.parse_date, value) == code


@given(st.dates())
def test_dates_round_trip(day: date) -> None:
    compact = f"{day.year:04d}{day.month:02d}{day.day:02d}"
    assert text.parse_date(day.isoformat()) == text.parse_date(compact) == day
    assert text.parse_date(text.cell_text(day)) == day


def test_n24_local_time_closes_sharp_in_utc() -> None:
    closing = text.parse_local_datetime("2020-08-31 21:00")
    assert closing.astimezone(UTC) == datetime(2020, 8, 31, 13, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    "value",
    [
        "2020-08-31 21:00",
        "2020-08-31T21:00:00",
        "2020/8/31 21:00",
        "20200831 21:00",
        "２０２０-08-31\u300021：00",
        datetime(2020, 8, 31, 13, 0, tzinfo=UTC),
        datetime(2020, 8, 31, 21, 0),  # noqa: DTZ001 - worksheet cells are naive
    ],
)
def test_local_datetimes(value: object) -> None:
    parsed = text.parse_local_datetime(value)
    assert parsed.isoformat() == "2020-08-31T21:00:00+08:00"


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ("2020-08-31", "datetime.form"),
        ("2020-08-31 24:00", "time.form"),
        ("2020-02-30 08:00", "date.missing"),
        ("21:00", "datetime.form"),
        ("", "datetime.form"),
    ],
)
def test_local_datetimes_that_are_refused(value: object, code: str) -> None:
    assert code_of(text.parse_local_datetime, value) == code


def test_times() -> None:
    assert text.parse_time("8:00") == text.parse_time("08：00:00") == time(8, 0)
    assert text.parse_time(time(8, 0, tzinfo=UTC)) == time(8, 0)
    assert code_of(text.parse_time, "8") == code_of(text.parse_time, "8:60") == "time.form"


def test_bool_words() -> None:
    assert all(text.parse_bool(word) is True for word in ("是", True, 1, 1.0, "y", " Yes ", "√"))
    assert all(text.parse_bool(word) is False for word in ("否", False, 0, "n", "FALSE"))
    assert code_of(text.parse_bool, "") == code_of(text.parse_bool, "也许") == "boolean.word"


def test_bad_translates_its_template_and_fills_it_in() -> None:
    error = Bad("name.too_long", "姓名不能超过{limit}个字", limit=30)
    assert str(error) == "姓名不能超过30个字"
    assert error.message(lambda _: "at most {limit} characters") == "at most 30 characters"
