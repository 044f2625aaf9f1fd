"""Identity documents and age (domain §3.4, 3.6, 3.9, 4.1). Numbers beginning 11 and 44 are the
published examples of the standard and of the rules; all others are generated for province 99.
"""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.metadata.id_numbers import check_digit
from app.metadata.text import Bad, normalise_name, parse_date
from app.models.codes import EDUCATIONS, ETHNIC_GROUPS, ID_TYPES, SEXES, IdType, Sex
from app.rules import identity
from app.rules.identity import check_identity, identity_problems, normalise_id_number

RESIDENT = IdType.RESIDENT.value
PERMIT = IdType.RESIDENCE_PERMIT.value
BIRTHS = st.dates(date(1800, 1, 1), date(2099, 12, 31))


@st.composite
def numbers(draw: st.DrawFn, births: st.SearchStrategy[date] = BIRTHS) -> tuple[str, date, str]:
    """An 18-digit number of province 99, its birthday, and the code of its sex."""
    birth, place, order = draw(births), draw(st.integers(0, 9999)), draw(st.integers(0, 999))
    body = f"99{place:04d}{birth:%Y%m%d}{order:03d}"
    sex = Sex.MALE if order % 2 else Sex.FEMALE
    return body + check_digit(body), birth, sex.value


@pytest.mark.parametrize("number", ["11010519491231002X", "440524188001010014"])
def test_domain_3_6_verified_numbers(number: str) -> None:
    assert normalise_id_number(RESIDENT, number) == number


def test_domain_3_6_and_n7_fifteen_digits_become_eighteen() -> None:
    found = check_identity(RESIDENT, "110105491231002", sex="2", birth=date(1949, 12, 31))
    assert found.number == "11010519491231002X"
    assert found.upgraded
    assert normalise_id_number(RESIDENT, 110105491231002.0) == found.number


@pytest.mark.parametrize(
    "typed",
    ["11010519491231002ｘ", " 110105 19491231 002x ", "１１０１０５１９４９１２３１００２Ｘ"],
)
def test_n6_spellings_of_one_number_are_one_person(typed: str) -> None:
    assert normalise_id_number(RESIDENT, typed) == "11010519491231002X"


@given(numbers())
def test_numbers_tell_birth_and_sex(generated: tuple[str, date, str]) -> None:
    number, birth, sex = generated
    found = check_identity(RESIDENT, number.lower(), sex=sex, birth=birth)
    assert (found.number, found.birth, found.sex) == (number, birth, sex)
    assert not found.upgraded


@given(numbers(), st.integers(0, 17), st.characters(categories=["Nd"], max_codepoint=57))
def test_any_single_wrong_digit_is_found(
    generated: tuple[str, date, str], place: int, digit: str
) -> None:
    number = generated[0]
    wrong = number[:place] + digit + number[place + 1 :]
    if wrong == number:
        assert normalise_id_number(RESIDENT, wrong) == number
    else:
        with pytest.raises(identity.IdentityError):
            normalise_id_number(RESIDENT, wrong)


@given(numbers(births=st.dates(date(1900, 1, 1), date(1999, 12, 31))))
def test_fifteen_digits_round_trip(generated: tuple[str, date, str]) -> None:
    number = generated[0]
    assert normalise_id_number(RESIDENT, number[:6] + number[8:17]) == number


@pytest.mark.parametrize(
    ("typed", "error"),
    [
        ("", identity.IdNumberForm),
        ("123", identity.IdNumberForm),
        ("010105194912310021", identity.IdNumberForm),
        ("990101170001010018", identity.IdNumberForm),
        ("99010119491231X021", identity.IdNumberForm),
        ("110101200102290011", identity.IdNumberBirth),
        ("110105194912310020", identity.IdNumberCheckDigit),
        ("٩٩٠١٠١١٩٤٩١٢٣١٠٠٢X", identity.IdNumberForm),
    ],
)
def test_domain_3_6_wrong_numbers(typed: str, error: type[identity.IdentityError]) -> None:
    with pytest.raises(error) as caught:
        normalise_id_number(RESIDENT, typed)
    assert caught.value.column == "id_number"


def test_domain_4_numeric_cells_of_18_digits_are_refused() -> None:
    with pytest.raises(Bad, match="文本格式"):
        normalise_id_number(RESIDENT, 1.1010520010101e17)


def test_domain_3_6_virtual_numbers_only_in_history() -> None:
    virtual = "990000" + "19800101" + "0010"
    assert check_digit(virtual[:17]) != virtual[-1]
    with pytest.raises(identity.IdNumberCheckDigit):
        normalise_id_number(RESIDENT, virtual)
    assert normalise_id_number(RESIDENT, virtual, history=True) == virtual
    with pytest.raises(identity.IdNumberCheckDigit):
        normalise_id_number(RESIDENT, "110105194912310020", history=True)


@pytest.mark.parametrize(
    ("typed", "stored"),
    [
        ("55555", "55555"),
        ("hz（jkd981）", "HZ(JKD981)"),
        ("W745", "W745"),
        ("军•1/2-3", None),
        ("a•1/2-3", "A·1/2-3"),
        ("12", None),
        ("A" * 30, "A" * 30),
        ("A" * 31, None),
        ("A_1", None),
    ],
)
def test_domain_3_4_other_documents(typed: str, stored: str | None) -> None:
    if stored is None:
        with pytest.raises(identity.DocumentNumberForm):
            normalise_id_number(IdType.PASSPORT, typed)
    else:
        found = check_identity(IdType.PASSPORT, typed, sex="1", birth=date(1999, 5, 5))
        assert found == identity.Identity(stored)


def test_domain_3_4_residence_permits() -> None:
    body = "81000020000101001"
    number = body + check_digit(body)
    assert normalise_id_number(PERMIT, number) == number
    with pytest.raises(identity.ResidencePermitPrefix):
        normalise_id_number(PERMIT, "11010519491231002X")
    with pytest.raises(identity.IdNumberForm):
        normalise_id_number(PERMIT, "810000491231002")
    assert identity_problems(PERMIT, number, sex="2", birth=date(2000, 1, 1)) != []


def test_domain_3_4_type_other_only_in_history() -> None:
    with pytest.raises(identity.IdTypeRetired):
        normalise_id_number(IdType.OTHER, "12345")
    assert normalise_id_number(IdType.OTHER, "12345", history=True) == "12345"


@pytest.mark.parametrize(
    ("row", "stored", "error_codes"),
    [
        (
            "张三,居民身份证,110101200101010034,男,2001-01-01,汉族,大学本科",
            ("张三", "110101200101010034", "1", date(2001, 1, 1), "01", "20"),
            [],
        ),
        (
            "阿依古丽•买买提,身份证,11010120000116006x,女,20000116,05,20",
            ("阿依古丽·买买提", "11010120000116006X", "2", date(2000, 1, 16), "05", "20"),
            [],
        ),
        (
            "买买提,1,11010120000115003X,女,2000-01-15,05,20",
            ("买买提", "11010120000115003X", "2", date(2000, 1, 15), "05", "20"),
            ["identity.sex_mismatch"],
        ),
        (
            "李四,1,１１０１０１２００４０２２９００８４,女,2004-02-29,01,30",
            ("李四", "110101200402290084", "2", date(2004, 2, 29), "01", "30"),
            [],
        ),
        (
            "ANNA SMITH,护照,W745,女,1999-05-05,98,本科",
            ("ANNA SMITH", "W745", "2", date(1999, 5, 5), "98", "20"),
            [],
        ),
    ],
)
def test_domain_4_1_samples(
    row: str, stored: tuple[str, str, str, date, str, str], error_codes: list[str]
) -> None:
    name, id_type, number, sex, birth, ethnic_group, education = row.split(",")
    type_code, sex_code = ID_TYPES.resolve(id_type), SEXES.resolve(sex)
    cleaned = (
        normalise_name(name),
        normalise_id_number(type_code, number),
        sex_code,
        parse_date(birth),
        ETHNIC_GROUPS.resolve(ethnic_group),
        EDUCATIONS.resolve(education),
    )
    problems = identity_problems(type_code, number, sex=sex_code, birth=parse_date(birth))
    assert cleaned == stored
    assert [problem.code for problem in problems] == error_codes


def test_domain_4_1_sample_4_missing_date_and_6_fifteen_digits() -> None:
    problems = identity_problems("1", "110101200102290011", sex=None, birth=None)
    assert [type(problem) for problem in problems] == [identity.IdNumberBirth]
    assert check_identity("1", "110105491231002", sex=None, birth=None).upgraded


def test_all_mismatches_are_reported_and_the_first_is_raised() -> None:
    number, birth = "110101200101010034", date(2001, 1, 2)
    problems = identity_problems(RESIDENT, number, sex="2", birth=birth)
    assert [problem.column for problem in problems] == ["sex", "birth"]
    with pytest.raises(identity.SexMismatch):
        check_identity(RESIDENT, number, sex="2", birth=birth)
    assert not any(number in str(problem) for problem in problems)


DAY = date(2020, 8, 31)


def test_3_6_nobody_is_born_after_today() -> None:
    """Neither by a passport, which says nothing of it, nor by a number that does."""
    later = date(2020, 9, 1)
    body = f"990101{later:%Y%m%d}001"
    for id_type, number in (("3", "W745"), (RESIDENT, body + check_digit(body))):
        told = identity_problems(id_type, number, sex=None, birth=later, today=DAY)
        assert [(type(one), one.column) for one in told] == [(identity.BornLater, "birth")]
        assert identity_problems(id_type, number, sex=None, birth=later, today=later) == []


@pytest.mark.parametrize(
    ("birth", "accepted"),
    [
        (date(2014, 8, 31), True),
        (date(2014, 9, 1), False),
        (date(1939, 9, 1), True),
        (date(1939, 8, 31), False),
        (date(2021, 1, 1), False),
    ],
)
def test_domain_3_9_age_range_includes_both_ends(birth: date, accepted: bool) -> None:
    if accepted:
        assert 6 <= identity.check_age(birth, DAY) <= 80
    else:
        with pytest.raises(identity.AgeOutOfRange, match="6至80周岁"):
            identity.check_age(birth, DAY)


def test_domain_3_9_leap_day_birthdays() -> None:
    assert identity.age_on(date(2004, 2, 29), date(2010, 2, 28)) == 5
    assert identity.age_on(date(2004, 2, 29), date(2010, 3, 1)) == 6


@given(st.dates(date(1900, 1, 1), date(2000, 1, 1)), st.integers(0, 40_000))
def test_age_grows_by_one_on_birthdays_only(birth: date, days: int) -> None:
    day = birth + timedelta(days=days)
    grown = identity.age_on(birth, day + timedelta(days=1)) - identity.age_on(birth, day)
    assert grown in (0, 1)
    assert identity.age_on(birth, birth) == 0


def test_domain_8_1_guardians_below_fourteen() -> None:
    assert identity.needs_guardian(date(2006, 9, 1), DAY)
    assert not identity.needs_guardian(date(2006, 8, 31), DAY)
