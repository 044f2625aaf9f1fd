"""Typed refusals: one class per cause, a stable code, a Chinese sentence for the user.

Rules raise them; views, portal and command line translate `template` with gettext and fill in
`parameters`. SQL text or a traceback never reaches a user.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar


def N_(message: str) -> str:
    """Mark a Chinese message for extraction without translating it here (no request yet)."""
    return message


class Message:
    """A sentence with parameters that is translated only where it is shown."""

    __slots__ = ("parameters", "template")

    def __init__(self, template: str, **parameters: Any) -> None:
        self.template = template
        self.parameters = parameters

    def __str__(self) -> str:
        return self.message()

    def message(self, translate: Callable[[str], str] | None = None) -> str:
        """Fill in the (translated) template; parameters that are messages are translated too."""
        template = translate(self.template) if translate else self.template
        filled = {
            name: value.message(translate) if isinstance(value, Message) else value
            for name, value in self.parameters.items()
        }
        return template.format(**filled)


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

    def message(self, translate: Any = None) -> str:
        """Return the sentence; `translate` maps the Chinese template to the user's language."""
        template = translate(self.template) if translate else self.template
        return str(template).format(**self.parameters)


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


class InvalidInput(KaowuError):
    """Field errors, all of them. `errors` maps field name -> list of Chinese messages."""

    code = "input.invalid"
    template = N_("输入有误，请按提示修改。")

    def __init__(self, errors: dict[str, list[str]], **parameters: Any) -> None:
        super().__init__(**parameters)
        self.errors = errors

    def message(self, translate: Any = None) -> str:
        """Name every field's first message, so that a shell or REST user sees the cause too."""
        details = "；".join(messages[0] for messages in self.errors.values() if messages)
        head = super().message(translate)
        return f"{head}{details}" if details else head


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
