"""Identity documents: numbers, what they say about birth and sex, and age (domain §3.4, 3.6, 3.9).

Pure functions. A number is normalised before it is stored, compared or digested, so that all
spellings of one number are one person (N6, N7).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import ClassVar

from app.metadata.errors import N_, KaowuError
from app.metadata.id_numbers import OLD_NUMBER, check_digit, upgrade_number
from app.metadata.text import normalise_code, unify_dots
from app.models.codes import IdType, Sex

AGE_MINIMUM = 6
AGE_MAXIMUM = 80
#: Below this age a guardian consents (domain §8.1).
GUARDIAN_AGE = 14

_NUMBER_18 = re.compile(r"[1-9][0-9]{5}(?:18|19|20)[0-9]{9}[0-9X]")
_VIRTUAL = re.compile(r"[1-9][0-9]0000(?:18|19|20)[0-9]{6}00[12]0")
_OTHER_DOCUMENT = re.compile(r"[A-Z0-9()\u00b7/-]{3,30}")
_RESIDENCE_PREFIXES = ("81", "82", "83")
_CHINESE_NUMBERS = frozenset({IdType.RESIDENT.value, IdType.RESIDENCE_PERMIT.value})


class IdentityError(KaowuError):
    """Something about an identity document is wrong; `column` says which value to correct."""

    column: ClassVar[str] = "id_number"


class IdNumberForm(IdentityError):
    code = "identity.form"
    template = N_("身份证号格式不正确，应为18位，末位为数字或X。请与证件核对。")


class IdNumberCheckDigit(IdentityError):
    code = "identity.check_digit"
    template = N_("身份证号校验位不正确，可能有数字填错。请与证件核对。")


class IdNumberBirth(IdentityError):
    code = "identity.birth_missing"
    template = N_("身份证号中的出生日期不存在。请与证件核对。")


class ResidencePermitPrefix(IdentityError):
    code = "identity.residence_prefix"
    template = N_("港澳台居民居住证号码应以81、82或83开头。请核对证件类型和号码。")


class DocumentNumberForm(IdentityError):
    code = "identity.document_form"
    template = N_("证件号码应为3至30位字母、数字、圆括号、“·”、“/”或“-”。请与证件核对。")


class IdTypeRetired(IdentityError):
    code = "identity.type_retired"
    template = N_("该证件类型只用于历史数据。请选择其他证件类型。")
    column = "id_type"


class SexMismatch(IdentityError):
    code = "identity.sex_mismatch"
    template = N_("性别与身份证号不一致。请核对性别和证件号码。")
    column = "sex"


class BirthMismatch(IdentityError):
    code = "identity.birth_mismatch"
    template = N_("出生日期与身份证号不一致。请核对出生日期和证件号码。")
    column = "birth"


class BornLater(IdentityError):
    code = "identity.born_later"
    template = N_("出生日期晚于今天。请核对出生日期。")
    column = "birth"


class AgeOutOfRange(IdentityError):
    code = "identity.age"
    template = N_("考生年龄须在{minimum}至{maximum}周岁之间。请核对出生日期。")
    column = "birth"


@dataclass(frozen=True, slots=True)
class Identity:
    """A checked document. `birth` and `sex` are None where the number does not tell them.

    `upgraded` is true when 15 digits were given: the caller shows a notice (domain §4.1, row 6).
    """

    number: str
    birth: date | None = None
    sex: str | None = None
    upgraded: bool = False


def birth_of(number: str) -> date:
    """Return the birthday in a normalised 18-digit number; raises `IdNumberBirth`."""
    try:
        return date(int(number[6:10]), int(number[10:12]), int(number[12:14]))
    except ValueError:
        raise IdNumberBirth from None


def sex_of(number: str) -> str:
    """Return the code of the sex in a normalised 18-digit number: digit 17 is odd for men."""
    return Sex.MALE.value if int(number[16]) % 2 else Sex.FEMALE.value


def tells_birth_and_sex(id_type: str) -> bool:
    """Whether numbers of this type of document hold the birthday and the sex."""
    return id_type in _CHINESE_NUMBERS


def read_document(id_type: str, value: object, *, history: bool = False) -> Identity:
    """Return what a document says, from a number as somebody typed it.

    `history` is for imports of old data only: it takes the type 其他, and the virtual numbers of
    candidates without a document, whose check digit is not one (domain §3.4, 3.6).
    Raises `IdentityError` subclasses, and `Bad` for spoilt worksheet numbers.
    """
    number = normalise_code(value)
    if id_type == IdType.OTHER and not history:
        raise IdTypeRetired
    if not tells_birth_and_sex(id_type):
        number = unify_dots(number)
        if not _OTHER_DOCUMENT.fullmatch(number):
            raise DocumentNumberForm
        return Identity(number)
    upgraded = id_type == IdType.RESIDENT and OLD_NUMBER.fullmatch(number) is not None
    if upgraded:
        number = upgrade_number(number)
    if not _NUMBER_18.fullmatch(number):
        raise IdNumberForm
    if id_type == IdType.RESIDENCE_PERMIT and not number.startswith(_RESIDENCE_PREFIXES):
        raise ResidencePermitPrefix
    birth = birth_of(number)
    virtual = history and _VIRTUAL.fullmatch(number) is not None
    if number[-1] != check_digit(number[:17]) and not virtual:
        raise IdNumberCheckDigit
    return Identity(number, birth, sex_of(number), upgraded)


def normalise_id_number(id_type: str, value: object, *, history: bool = False) -> str:
    """Return the number as it is stored and compared (N6, N7); raises as `read_document`."""
    return read_document(id_type, value, history=history).number


def identity_problems(
    id_type: str,
    value: object,
    *,
    sex: str | None,
    birth: date | None,
    today: date | None = None,
    history: bool = False,
) -> list[IdentityError]:
    """Return everything wrong with a row at once, as imports report it.

    `sex` (code) and `birth` are the row's own values; None where they are missing or wrong already.
    `today` is the local day, after which nobody is born.
    """
    try:
        found = read_document(id_type, value, history=history)
    except IdentityError as error:
        return [error]
    return list(mismatches(found, sex, birth, today))


def mismatches(
    found: Identity, sex: str | None, birth: date | None, today: date | None = None
) -> Iterator[IdentityError]:
    """Yield what a row says otherwise than its document, and a birth after `today`; None is not
    compared."""
    if sex is not None and found.sex not in (None, sex):
        yield SexMismatch()
    if birth is not None and found.birth not in (None, birth):
        yield BirthMismatch()
    elif today is not None and birth is not None and birth > today:
        yield BornLater()


def check_identity(
    id_type: str, number: object, *, sex: str | None, birth: date | None, history: bool = False
) -> Identity:
    """Return the checked document; raises the first `IdentityError` of number, sex and birth."""
    found = read_document(id_type, number, history=history)
    for problem in mismatches(found, sex, birth):
        raise problem
    return found


def age_on(birth: date, day: date) -> int:
    """Return full years on `day`; negative before birth. Born on 29 February: 1 March counts."""
    return day.year - birth.year - ((day.month, day.day) < (birth.month, birth.day))


def check_age(
    birth: date, day: date, *, minimum: int = AGE_MINIMUM, maximum: int = AGE_MAXIMUM
) -> int:
    """Return the age on the local day of first submission, both ends included (domain §3.9).

    Raises `AgeOutOfRange`. The range belongs to the session (R6.5).
    """
    age = age_on(birth, day)
    if not minimum <= age <= maximum:
        raise AgeOutOfRange(minimum=minimum, maximum=maximum)
    return age


def needs_guardian(birth: date, day: date) -> bool:
    """Whether a guardian must consent: under 14 on that day (domain §8.1)."""
    return age_on(birth, day) < GUARDIAN_AGE
