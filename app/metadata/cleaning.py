"""One cleaner for every channel: text of a form, JSON value or spreadsheet cell -> Python value.

`clean(field, value)` is the only place where a value is parsed and checked. Page forms, REST,
command line and imports are thin adapters over it (`form_errors`, `schema_of`).
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import marshmallow as ma

from app.metadata import rich_text
from app.metadata.errors import LABELLED, N_, InvalidInput, Message
from app.metadata.fields import Field, Kind
from app.metadata.text import (
    Bad,
    cell_text,
    in_utc,
    normalise,
    parse_bool,
    parse_date,
    parse_local_datetime,
    parse_time,
    yuan_to_fen,
)

#: int() alone would take "1_0", digits of other scripts, and thousands of digits very slowly
_WHOLE = re.compile(r"[+-]?[0-9]{1,19}")
#: what a database keeps: columns of 32 bits, keys of 64
_LARGEST, _LARGEST_KEY = 2**31 - 1, 2**63 - 1

_TOO_LONG = ("text.too_long", N_("最多 {length} 个字"))
#: of a value that is no free text, and of what may fall away from one that is
_SPARE = 10_000
#: a message names so many choices
_NAMED = 20


def _whole(value: Any, largest: int) -> int:
    if isinstance(value, bool) or (isinstance(value, float) and not value.is_integer()):
        raise Bad("number.integer", N_("应为整数"))
    if not isinstance(value, int | float):
        text = normalise(cell_text(value))
        if not _WHOLE.fullmatch(text):
            raise Bad("number.integer", N_("应为整数"))
        value = text
    number = int(value)
    if number > largest:
        raise Bad("number.too_large", N_("不能大于 {maximum}"), maximum=largest)
    if number < -largest:
        raise Bad("number.too_small", N_("不能小于 {minimum}"), minimum=-largest)
    return number


def _integer(value: Any) -> int:
    return _whole(value, _LARGEST)


def _fen(value: Any) -> int:
    """Yuan -> fen, as many as a column of money keeps."""
    fen: int = yuan_to_fen(value)
    if abs(fen) > _LARGEST:
        raise Bad("money.too_much", N_("不能大于 {yuan} 元"), yuan=_LARGEST // 100)
    return fen


def _password(value: Any) -> str:
    """As it was typed: nothing is trimmed. Half a character has no bytes to be hashed."""
    if not isinstance(value, str) or any("\ud800" <= letter <= "\udfff" for letter in value):
        raise Bad("text.type", N_("应为文字"))
    return value


def _datetime(value: Any) -> dt.datetime:
    """Local date and time -> aware UTC."""
    moment: dt.datetime = parse_local_datetime(value)
    return in_utc(moment)


def _text(value: Any) -> str:
    return normalise(cell_text(value))


def _lines(value: Any) -> str:
    # NFKC would turn the full-width punctuation of running text into ASCII
    return normalise(cell_text(value), lines=True, form="NFC")


def _rich(value: Any) -> str:
    """Sanitised; what is far too long is refused before it costs anything."""
    if isinstance(value, str) and len(value) > rich_text.LONGEST:
        message = N_("内容连同格式超过 {length} 个字符，请清除多余的格式或缩短内容")
        raise Bad("text.markup_too_long", message, length=rich_text.LONGEST)
    return rich_text.sanitised(_lines(value))


def _words(choices: Mapping[str, str]) -> Mapping[str, str]:
    """Every way to write a choice: name, “code-name”, code; code tables know further names."""
    words: dict[str, str] = dict(getattr(choices, "words", {}))
    words |= {label: code for code, label in choices.items()}
    words |= {f"{code}-{label}": code for code, label in choices.items()}
    return words | {code: code for code in choices}


def _choice(value: Any, choices: Mapping[str, str], words: Mapping[str, str]) -> str:
    text = _text(value)
    if text not in words:
        shown = list(choices.values())
        if len(shown) > _NAMED:
            shown = [*shown[:_NAMED], "…"]
        raise Bad("choice.unknown", N_("应为以下之一：{choices}"), choices=shown)
    return words[text]


_PARSERS: Mapping[Kind, Callable[[Any], Any]] = {
    Kind.INTEGER: _integer,
    Kind.MONEY: _fen,
    Kind.BOOLEAN: parse_bool,
    Kind.DATE: parse_date,
    Kind.DATETIME: _datetime,
    Kind.TIME: parse_time,
    Kind.PASSWORD: _password,
    Kind.FILE: lambda value: value,
}


def _parser(field: Field, choices: Mapping[str, str] | None) -> Callable[[Any], Any]:
    kind = field.kind
    if kind in _PARSERS:
        return _PARSERS[kind]
    if kind is Kind.HTML:
        return _rich
    if kind not in (Kind.CHOICE, Kind.CHOICES, Kind.REFERENCE):
        return _lines if kind is Kind.MULTILINE else _text
    known = choices or {}
    words = _words(known)
    if kind is Kind.CHOICES:

        def several(value: Any) -> list[str]:
            values = value if isinstance(value, (list, tuple, set, frozenset)) else [value]
            return [_choice(item, known, words) for item in values if item not in (None, "")]

        return several

    def one(value: Any) -> Any:
        if choices is not None:
            value = _choice(value, known, words)
        return _whole(value, _LARGEST_KEY) if field.stored_as_number else _text(value)

    return one


def _bounds(field: Field, value: Any) -> None:
    if isinstance(value, str):
        length = rich_text.shown_length if field.kind is Kind.HTML else len
        if field.max_length and length(value) > field.max_length:
            raise Bad(*_TOO_LONG, length=field.max_length)
    elif isinstance(value, int) and not isinstance(value, bool):
        if field.minimum is not None and value < field.minimum:
            raise Bad("number.too_small", N_("不能小于 {minimum}"), minimum=field.minimum)
        if field.maximum is not None and value > field.maximum:
            raise Bad("number.too_large", N_("不能大于 {maximum}"), maximum=field.maximum)


def _longest(field: Field) -> int | None:
    """Longer text is refused unread: four parts may become one, and blanks may fall away, but one
    sign may also become eighteen. None where something else decides."""
    if field.kind in (Kind.HTML, Kind.PASSWORD, Kind.FILE):
        return None
    if field.kind in (Kind.TEXT, Kind.MULTILINE):
        return 4 * field.max_length + _SPARE if field.max_length else None
    return _SPARE


def cleaner(field: Field, choices: Mapping[str, str] | None = None) -> Callable[[Any], Any]:
    """`clean` for one field, made once for a column of many values."""
    parse = _parser(field, choices if choices is not None else field.choices)
    is_boolean, is_password = field.kind is Kind.BOOLEAN, field.kind is Kind.PASSWORD
    required, checks, longest = field.required, field.checks, _longest(field)

    def apply(value: Any) -> Any:
        if isinstance(value, str) and not is_password:
            value = value.strip()
            if longest is not None and len(value) > longest:
                raise Bad(*_TOO_LONG, length=field.max_length or longest)
        if not value and (value is None or value in ("", [])):
            if is_boolean:
                return False
            if required:
                raise Bad("required", N_("必填"))
            return None
        parsed = parse(value)
        if not parsed and parsed in ("", []):
            if required:
                raise Bad("required", N_("必填"))
            return None
        _bounds(field, parsed)
        for check in checks:
            parsed = check(parsed)
        return parsed

    return apply


def clean(field: Field, value: Any, choices: Mapping[str, str] | None = None) -> Any:
    """Return the Python value of `value`, or raise `text.Bad`.

    `choices` overrides `field.choices` (living lists are looked up by the caller). Empty text is
    None; a required field refuses it; an unticked box of a form is False.
    """
    return cleaner(field, choices)(value)


class CleanedField(ma.fields.Field[Any]):
    """Marshmallow adapter: also missing and null go through `clean`."""

    def __init__(self, field: Field, choices: Mapping[str, str] | None = None, **options: Any):
        self.kaowu = field
        self.kaowu_choices = choices
        super().__init__(allow_none=True, metadata={"label": field.label}, **options)

    def deserialize(self, value: Any, attr: str | None = None, data: Any = None, **_: Any) -> Any:
        try:
            return clean(self.kaowu, None if value is ma.missing else value, self.kaowu_choices)
        except Bad as error:
            raise ma.ValidationError(error.as_message()) from None


class _Strict(ma.Schema):
    """Messages of our own: what a user sees is never a framework's English sentence."""

    error_messages = {  # noqa: RUF012 - as marshmallow declares it
        "unknown": N_("没有这个项目，或您不能填写它"),
        "type": N_("应为一组“名称: 值”"),
    }


def schema_of(
    fields: Iterable[Field], choices: Mapping[str, Mapping[str, str]] | None = None
) -> ma.Schema:
    """The marshmallow schema of these fields. Unknown names are refused.

    A new schema per call: schema objects keep state while loading and are never shared.
    """
    living = choices or {}
    members: dict[str, Any] = {
        field.name: CleanedField(field, living.get(field.name)) for field in fields
    }
    return _Strict.from_dict(members)(unknown=ma.RAISE)


def load(
    fields: Iterable[Field],
    values: Mapping[str, Any],
    choices: Mapping[str, Mapping[str, str]] | None = None,
    *,
    partial: bool = False,
) -> dict[str, Any]:
    """Clean all values at once. With `partial`, only the given names are looked at.

    Raises:
        InvalidInput: every field's messages, each beginning with the field's label.
    """
    fields = list(fields)
    labels = {field.name: field.label for field in fields}
    if partial:
        fields = [field for field in fields if field.name in values]
    try:
        loaded: dict[str, Any] = schema_of(fields, choices).load(values)
    except ma.ValidationError as error:
        messages: dict[str, Any] = error.messages if isinstance(error.messages, dict) else {}
        raise InvalidInput(
            {
                name: [
                    Message(LABELLED, label=labels.get(name, name), message=message)
                    for message in found
                ]
                for name, found in messages.items()
            }
        ) from None
    return loaded
