"""Text as people type it and as it is stored: one place for cleaning values.

Every function takes what a form, a REST body or a worksheet cell holds and returns the value in
the one form that is stored and compared, or raises `Bad`. Money never becomes a float.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from datetime import UTC, date, datetime, time, tzinfo
from decimal import Decimal
from typing import Literal
from zoneinfo import ZoneInfo

from app.metadata.errors import N_, Message

#: The clock of the examination: what people write is read in this zone (N24).
LOCAL_ZONE = ZoneInfo("Asia/Shanghai")
MIDDLE_DOT = "\u00b7"
NAME_LENGTH = 30
EMAIL_LENGTH = 254

_HAN = "\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003fffd"
_LATIN = "A-Za-z\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u024f\u1e00-\u1eff"
_DOTS = str.maketrans(dict.fromkeys("\u2022\u2027\u30fb", MIDDLE_DOT))
_VARIATION_SELECTORS = re.compile("[\ufe00-\ufe0f\U000e0100-\U000e01ef]")
_LOOSE_SPACE = re.compile(f" *{MIDDLE_DOT} *|(?<=[{_HAN}]) +(?=[{_HAN}])")
_NAME = re.compile(
    f"(?:[{_HAN}{_LATIN}]"
    f"|(?<=[{_HAN}{_LATIN}]){MIDDLE_DOT}(?=[{_HAN}{_LATIN}])"
    f"|(?<=[{_LATIN}]) (?=[{_LATIN}]))+"
)
_NAME_CHARACTER = re.compile(f"[{_HAN}{_LATIN}{MIDDLE_DOT} ]")

#: most names and codes as they come: nothing about them is to be changed, so one look is enough
_PLAIN_NAME = re.compile(f"[\u4e00-\u9fa5]{{1,{NAME_LENGTH}}}")
_PLAIN_CODE = re.compile("[0-9A-Z]+")
_PLAIN_MOBILE = re.compile("1[3-9][0-9]{9}")

_SCIENTIFIC = re.compile(r"-?[0-9](?:\.[0-9]+)?[Ee]\+[0-9]{1,3}")
_ARMOUR = re.compile(r'="([^"]*)"')
_MOBILE = re.compile(r"(?:\+?86|0086)?(1[3-9][0-9]{9})")
_LANDLINE = re.compile(r"\(?(010|02[0-9]|0[3-9][0-9]{2})\)?-?([2-9][0-9]{6,7})(-[0-9]{1,6})?")
_POSTCODE = re.compile(r"[0-9]{6}")
_EMAIL = re.compile(
    r"(?=.{1,64}@)[a-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[a-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
    r"@(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?"
)
_YUAN = re.compile(r"¥?(-?)([0-9]{1,3}(?:,[0-9]{3}){1,3}|[0-9]{1,12})(?:\.([0-9]{1,2}))?元?")
_DATE = re.compile(r"([0-9]{4})([-/])([0-9]{1,2})\2([0-9]{1,2})(?:[T ]0{1,2}:00(?::00)?)?")
_COMPACT_DATE = re.compile(r"([0-9]{4})([0-9]{2})([0-9]{2})")
_DATETIME = re.compile(r"([0-9/-]{8,10})(?:T| +)([0-9:]{4,8})")
_TIME = re.compile(r"([0-9]{1,2}):([0-9]{2})(?::([0-9]{2}))?")

_YES = frozenset({"是", "1", "TRUE", "YES", "Y", "ON", "√"})
_NO = frozenset({"否", "0", "FALSE", "NO", "N", "OFF", "×"})


class Bad(ValueError):
    """A value that cannot be accepted. Same face as `KaowuError`, but made on the spot.

    `code` is stable, `template` is Chinese with {named} parameters, `message()` fills them in.
    The message ends without a full stop, because callers join several. The parameters never hold
    a whole personal value: the message goes into reports.
    """

    def __init__(self, code: str, message: str, /, **parameters: object) -> None:
        super().__init__(code)
        self.code = code
        self.template = message
        self.parameters = parameters

    def __str__(self) -> str:
        return self.message()

    def message(self, translate: Callable[[str], str] | None = None) -> str:
        """Return the sentence; `translate` maps the Chinese template to the user's language."""
        return self.as_message().message(translate)

    def as_message(self) -> Message:
        """The sentence alone, for lists of field errors."""
        return Message(self.template, **self.parameters)


def normalise(
    text: str,
    *,
    collapse: bool = False,
    lines: bool = False,
    form: Literal["NFC", "NFKC"] = "NFKC",
) -> str:
    """Return `text` in Unicode form `form`, without control characters, trimmed.

    Tabs and line breaks become a space, or with `lines` line breaks stay (as "\\n"). `collapse`
    joins runs of spaces. Free text takes `form="NFC"`, which leaves Chinese punctuation alone;
    NFKC turns full-width letters, digits and punctuation into half-width ones.
    """
    if text.isprintable() and (text.isascii() or unicodedata.is_normalized(form, text)):
        kept = text  # nearly every cell of a large import
    else:
        kept = unicodedata.normalize(form, text.replace("\r\n", "\n"))
        if not kept.isprintable():
            kept = kept.translate(_PLAIN[lines])
            # A removed joiner may leave a letter and its accent side by side: compose them now.
            kept = unicodedata.normalize(form, kept)
    if collapse:
        kept = re.sub(r" *\n *", "\n", re.sub(r" {2,}", " ", kept))
    return kept.strip()


def _plain(character: str, *, lines: bool) -> str:
    """Return what stays of one character: itself, a space, a line break, or nothing."""
    if character in "\n\r\v\f\x85\u2028\u2029":
        return "\n" if lines else " "
    category = unicodedata.category(character)
    if character == "\t" or category == "Zs":
        return " "
    # Noncharacters (U+FFFE …) are refused by XML, hence by every workbook.
    if category in {"Cc", "Cf", "Cs"} or ord(character) & 0xFFFE == 0xFFFE:
        return ""
    return character


class _Plain(dict[int, str]):
    """`_plain` as a table of `str.translate`, filled by what comes: one compatibility character
    may stand for eighteen, so that a cell becomes long."""

    def __init__(self, *, lines: bool) -> None:
        super().__init__()
        self.lines = lines

    def __missing__(self, code: int) -> str:
        kept = _plain(chr(code), lines=self.lines)
        if code < 0x10000:  # the rest is rare, and many
            self[code] = kept
        return kept


_PLAIN = {lines: _Plain(lines=lines) for lines in (False, True)}


def cell_text(value: object) -> str:
    """Return the text of a worksheet cell or JSON value: 2.0 -> "2", a date -> yyyy-MM-dd.

    Raises `Bad` (number.too_long) for numbers of more than 15 digits, of which Excel has already
    lost the end, and for text in scientific notation, which has lost them too (domain §4).
    """
    match value:
        case None:
            text = ""
        case str():
            if "+" in value and _SCIENTIFIC.fullmatch(value.strip()):
                raise _too_long()
            text = value
        case bool():
            text = "是" if value else "否"
        case int() | float() | Decimal():
            text = _number_text(value)
        case datetime():
            clock = "" if value.time() == time.min else f" {value:%H:%M:%S}"
            text = f"{value.date().isoformat()}{clock}"
        case date():
            text = value.isoformat()
        case time():
            text = f"{value:%H:%M:%S}" if value.second else f"{value:%H:%M}"
        case _:
            raise Bad("cell.type", N_("单元格类型无法识别，请设为文本格式"))
    return text


def _number_text(value: float | Decimal) -> str:
    number = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
    if not number.is_finite():
        raise Bad("number.invalid", N_("单元格中的数字无效，请重新填写"))
    if abs(number) >= 10**15:
        raise _too_long()
    return str(int(number)) if number == int(number) else format(number, "f")


def _too_long() -> Bad:
    return Bad("number.too_long", N_("数字超过15位，末尾已失真，请设为文本格式后重新填写"))


def strip_armour(text: str) -> str:
    """Return `1453…` for `="1453…"`, the form in which Excel keeps digits in a csv (§4.4)."""
    match = _ARMOUR.fullmatch(text.strip())
    return match[1] if match else text


def normalise_code(value: object) -> str:
    """Return a code: half-width, upper case, no blanks; "14.0" and 14.0 are "14"."""
    if type(value) is str and _PLAIN_CODE.fullmatch(value):
        return value
    text = normalise(normalise(cell_text(value)).replace(" ", "").upper())
    return text[:-2] if re.fullmatch(r"[0-9]+\.0", text) else text


def normalise_email(text: str) -> str:
    """Return an e-mail address in lower case (architecture §4.10); raises `Bad` (email.form)."""
    address = normalise(text).lower()
    if len(address) > EMAIL_LENGTH or not _EMAIL.fullmatch(address):
        raise Bad("email.form", N_("电子邮箱格式不正确，请填写如 name@example.com 的地址"))
    return address


def normalise_mobile(value: object) -> str:
    """Return the 11 digits of a mainland mobile number, without +86; raises `Bad` (mobile.form)."""
    match = _MOBILE.fullmatch(re.sub(r"[ ()-]", "", normalise(cell_text(value))))
    if not match:
        raise Bad("mobile.form", N_("手机号码格式不正确，请填写11位内地手机号码"))
    return match[1]


def normalise_phone(value: object) -> str:
    """Return a mobile number, or a landline as 010-12345678[-extension].

    Raises `Bad` (phone.form).
    """
    if type(value) is str and _PLAIN_MOBILE.fullmatch(value):
        return value
    text = normalise(cell_text(value)).replace(" ", "")
    mobile = _MOBILE.fullmatch(re.sub(r"[()-]", "", text))
    if mobile:
        return mobile[1]
    landline = _LANDLINE.fullmatch(text)
    if not landline:
        raise Bad(
            "phone.form", N_("联系电话格式不正确，请填写手机号码，或如 010-12345678 的固定电话")
        )
    return f"{landline[1]}-{landline[2]}{landline[3] or ''}"


def normalise_postcode(value: object) -> str:
    """Return the six digits of a postcode; raises `Bad` (postcode.form)."""
    text = normalise_code(value)
    if not _POSTCODE.fullmatch(text):
        raise Bad("postcode.form", N_("邮编须为6位数字"))
    return text


def unify_dots(text: str) -> str:
    """Return `text` with every middle dot that people type as U+00B7, which GBK has (§3.15)."""
    return text.translate(_DOTS)


def normalise_name(text: str) -> str:
    """Return a personal name: Han, Latin letters, middle dot, single spaces between Latin words.

    All dots become U+00B7 (§3.15). Spaces between Han characters, put there to align columns,
    and around dots are dropped, because names are compared letter by letter (§3.1).
    Raises `Bad`: name.empty, name.too_long, name.digit, name.character, name.position.
    """
    if _PLAIN_NAME.fullmatch(text):
        return text
    name = normalise(text, collapse=True)
    name = _VARIATION_SELECTORS.sub("", unify_dots(name))
    name = _LOOSE_SPACE.sub(lambda found: found[0].strip(), name)
    if not name:
        raise Bad("name.empty", N_("姓名不能为空"))
    if len(name) > NAME_LENGTH:
        raise Bad("name.too_long", N_("姓名不能超过{limit}个字"), limit=NAME_LENGTH)
    for character in name:
        if character.isdigit():
            raise Bad("name.digit", N_("姓名中不能有数字"))
        if not _NAME_CHARACTER.match(character):
            raise Bad(
                "name.character",
                N_("姓名中不能有“{character}”，只能用汉字、字母、间隔点“·”和字母之间的空格"),
                character=character,
            )
    if not _NAME.fullmatch(name):
        raise Bad("name.position", N_("姓名中的间隔点须在两字之间，空格只能在字母之间"))
    return name


def yuan_to_fen(value: object) -> int:
    """Return integer fen for yuan with at most two decimals ("72", "¥1,234.50", 72.1)."""
    match = _YUAN.fullmatch(normalise(cell_text(value)).replace(" ", ""))
    if not match:
        raise Bad("money.form", N_("金额格式不正确，请填写元，最多两位小数，如 72.00"))
    sign, yuan, cents = match.groups()
    fen = int(yuan.replace(",", "")) * 100 + int((cents or "").ljust(2, "0"))
    return -fen if sign else fen


def fen_to_yuan(fen: int) -> str:
    """Return yuan with two decimals for integer fen: 7200 -> "72.00", -1 -> "-0.01"."""
    yuan, cents = divmod(abs(fen), 100)
    return f"{'-' if fen < 0 else ''}{yuan}.{cents:02d}"


def parse_date(value: object) -> date:
    """Return the day of yyyy-MM-dd, yyyyMMdd, yyyy/MM/dd, a date, or a datetime at midnight.

    Month and day may lack the leading zero after a separator, as Excel writes them. A datetime
    with a time of day is cut to its day. Raises `Bad`: date.form, date.missing.
    """
    if isinstance(value, datetime):
        return value.date()
    if isinstance(value, date):
        return value
    text = normalise(cell_text(value), collapse=True)
    compact, separated = _COMPACT_DATE.fullmatch(text), _DATE.fullmatch(text)
    if compact:
        year, month, day = compact.groups()
    elif separated:
        year, month, day = separated.group(1, 3, 4)
    else:
        raise Bad("date.form", N_("日期格式不正确，请填写如 2001-01-31 的日期"))
    try:
        return date(int(year), int(month), int(day))
    except ValueError:
        raise Bad("date.missing", N_("该日期不存在，请核对")) from None


def parse_time(value: object) -> time:
    """Return the time of day of H:mm or HH:mm[:ss]; raises `Bad` (time.form)."""
    if isinstance(value, time):
        return value.replace(tzinfo=None)
    match = _TIME.fullmatch(normalise(cell_text(value)))
    try:
        if match:
            return time(int(match[1]), int(match[2]), int(match[3] or 0))
    except ValueError:
        pass
    raise Bad("time.form", N_("时间格式不正确，请填写如 08:30 的时间"))


def parse_local_datetime(value: object, zone: tzinfo = LOCAL_ZONE) -> datetime:
    """Return an aware datetime: day and time of day as people in `zone` read them.

    Takes "yyyy-MM-dd HH:mm[:ss]" (also with "T" or "/") and datetimes; naive ones are local. A
    day without a time is refused, because as the end of an interval midnight is rarely meant.
    Raises `Bad`: datetime.form, and those of `parse_date` and `parse_time`.
    """
    if isinstance(value, datetime):
        return value.replace(tzinfo=zone) if value.tzinfo is None else _shifted(value, zone)
    text = normalise(value if isinstance(value, str) else cell_text(value))
    match = _DATETIME.fullmatch(text)
    if not match:
        raise Bad("datetime.form", N_("时间格式不正确，请填写如 2020-08-31 21:00 的日期和时间"))
    return datetime.combine(parse_date(match[1]), parse_time(match[2]), tzinfo=zone)


def in_utc(moment: datetime) -> datetime:
    """Return an aware datetime in UTC; raises `Bad` (date.missing) before year 1, after 9999."""
    return _shifted(moment, UTC)


def _shifted(moment: datetime, zone: tzinfo) -> datetime:
    try:
        return moment.astimezone(zone)
    except OverflowError:
        raise Bad("date.missing", N_("该日期不存在，请核对")) from None


def parse_bool(value: object) -> bool:
    """Return True for 是/1/Y, False for 否/0/N; raises `Bad` (boolean.word)."""
    word = normalise_code(value)
    if word in _YES:
        return True
    if word in _NO:
        return False
    raise Bad("boolean.word", N_("请填写“是”或“否”"))
