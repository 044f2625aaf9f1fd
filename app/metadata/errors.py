"""Typed refusals: one class per cause, a stable code, a Chinese sentence for the user.

Rules raise them; views, portal and command line translate `template` with gettext and fill in
`parameters`. SQL text or a traceback never reaches a user.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar, Self

from app.metadata.agreement import agreed


def N_(message: str) -> str:
    """Mark a Chinese message for extraction without translating it here (no request yet)."""
    return message


Translate = Callable[[str], str]


class Message(str):
    """A Chinese sentence that can still be said in another language where it is shown.

    It is the filled-in text, and remembers the template (a msgid) and the parameters.
    """

    template: str
    parameters: Mapping[str, Any]

    def __new__(cls, template: str, **parameters: Any) -> Self:
        sentence = super().__new__(cls, _filled(template, parameters, None))
        sentence.template = template
        sentence.parameters = parameters
        return sentence

    def __reduce__(self) -> tuple[Any, ...]:
        return _again, (self.template, dict(self.parameters))

    def message(self, translate: Translate | None = None) -> str:
        """The sentence in the language of `translate`."""
        return _filled(self.template, self.parameters, translate)


def _again(template: str, parameters: dict[str, Any]) -> Message:
    return Message(template, **parameters)


def say(value: Any, translate: Translate | None) -> Any:
    """A parameter as the reader sees it: sentences and texts of the catalogue (labels) in his
    language, lists joined; names, numbers and other data as they are."""
    if isinstance(value, (Message, KaowuError)):
        return value.message(translate)
    if isinstance(value, (list, tuple)):
        comma = translate(COMMA) if translate else COMMA
        return comma.join(str(say(item, translate)) for item in value)
    if isinstance(value, str) and value and translate:
        return translate(value)
    return value


def _filled(template: str, parameters: Mapping[str, Any], translate: Translate | None) -> str:
    text = agreed(translate(template), parameters) if translate else template
    return text.format(**{name: say(value, translate) for name, value in parameters.items()})


#: between the members of a list, between sentences of a list, between a field and its message;
#: a remark behind a name
COMMA = N_("、")
SEMICOLON = N_("；")
LABELLED = N_("{label}：{message}")
BRACKETED = N_("{name}（{detail}）")
LISTED = "{names}"


def listed(names: Iterable[str]) -> Message:
    """Names as one text, joined as the reader's language joins them."""
    return Message(LISTED, names=list(names))


class KaowuError(Exception):
    """Base of every refusal that a user may see."""

    code: ClassVar[str] = "error"
    template: ClassVar[str] = N_("操作没有完成。请稍后重试。")
    #: HTTP status that REST and pages answer with.
    status: ClassVar[int] = 422

    def __init__(self, **parameters: Any) -> None:
        self.parameters = parameters
        super().__init__(self.code)

    def __str__(self) -> str:
        return self.message()

    def message(self, translate: Translate | None = None) -> str:
        """Return the sentence; `translate` maps the Chinese template to the user's language."""
        return _filled(self.template, self.parameters, translate)

    def as_message(self) -> Message:
        """The sentence alone, for lists of field errors."""
        return Message(self.template, **self.parameters)


class DeclarationError(Exception):
    """A mistake in a declaration. The application refuses to start and names the declaration."""

    def __init__(self, declaration: str, problem: str) -> None:
        super().__init__(f"{declaration}: {problem}")
        self.declaration = declaration
        self.problem = problem


class PolicyDenied(KaowuError):
    """The actor may not do this here and now."""

    code = "policy.denied"
    template = N_("没有权限进行此操作。如需办理，请联系上级管理员。")
    status = 403


class NotFound(KaowuError):
    """No such row, or none that this actor may see (the two are not told apart, P1)."""

    code = "row.not_found"
    template = N_("没有找到该记录，可能已被删除或不在您的管辖范围内。")
    status = 404


class StaleRow(KaowuError):
    """Somebody else saved the row meanwhile. `difference` maps label -> (yours, stored)."""

    code = "row.stale"
    template = N_("该记录已被他人修改，请核对后重新保存。")
    status = 409


_WITH_CAUSES = N_("{head}{causes}")


class InvalidInput(KaowuError):
    """Field errors, all of them. `errors` maps field name -> list of Chinese messages, which are
    msgids or `Message`s."""

    code = "input.invalid"
    template = N_("输入有误，请按提示修改。")

    def __init__(self, errors: dict[str, list[str]], **parameters: Any) -> None:
        super().__init__(**parameters)
        self.errors = errors

    def message(self, translate: Translate | None = None) -> str:
        """Name every field's first message, so that a shell or REST user sees the cause too."""
        semicolon = translate(SEMICOLON) if translate else SEMICOLON
        found = [say(messages[0], translate) for messages in self.errors.values() if messages]
        head = super().message(translate)
        return _filled(_WITH_CAUSES, {"head": head, "causes": semicolon.join(found)}, translate)


class InUse(KaowuError):
    """The row cannot be deleted: something refers to it."""

    code = "row.in_use"
    template = N_("该记录已被使用，不能删除。")
    status = 409


class Duplicate(KaowuError):
    """A unique value exists already."""

    code = "row.duplicate"
    template = N_("{label}已存在，请勿重复添加。")
    status = 409
