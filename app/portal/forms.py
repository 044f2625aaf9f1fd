"""What a form of the portal shows: the values as typed, and the errors beside the fields."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from flask import flash, request
from flask_babel import gettext

from app.metadata.errors import InvalidInput, KaowuError, say
from app.metadata.text import Bad

Problem = KaowuError | Bad
_LONGEST = 500


class Form:
    """Values and problems of one page. Missing values read as empty texts.

    `wait` is how many seconds the button that sends codes stays off.
    """

    def __init__(self, values: Mapping[str, str] | None = None) -> None:
        self.values = dict(values or {})
        self.problems: dict[str, list[str]] = {}
        self.wait = 0

    @classmethod
    def sent(cls) -> Form:
        """The form as the browser sent it; passwords keep their blanks, other texts do not."""
        return cls(
            {
                name: value if name.startswith("password") else value.strip()[:_LONGEST]
                for name, value in request.form.items()
            }
        )

    def __getitem__(self, name: str) -> str:
        return self.values.get(name, "")

    def errors_of(self, name: str) -> list[str]:
        """The sentences beside one field."""
        return self.problems.get(name, [])

    @property
    def valid(self) -> bool:
        """Whether nothing was found wrong so far."""
        return not self.problems

    def add(self, name: str, problem: Problem) -> None:
        """Put a problem beside a field."""
        self.problems.setdefault(name, []).append(problem.message(gettext))

    def take(self, error: KaowuError, fields: Iterable[str] = ()) -> None:
        """Show a refusal: beside its own fields, beside the first of `fields`, or on top."""
        if isinstance(error, InvalidInput):
            for name, problems in getattr(error, "problems", {}).items():
                for problem in problems:
                    self.add(name, problem)
            for name, sentences in error.errors.items():
                if name not in self.problems:
                    self.problems[name] = [str(say(one, gettext)) for one in sentences]
            return
        for name in fields:
            self.add(name, error)
            return
        flash(error.message(gettext), "error")
