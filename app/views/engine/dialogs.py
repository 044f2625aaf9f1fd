"""A form of a hand-made page: shown, refused with its errors, shown again with what was typed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from flask import request

from app.metadata.errors import InvalidInput, KaowuError
from app.metadata.fields import Field
from app.views import request as context
from app.views.engine import answers, forms


@dataclass(frozen=True, slots=True, kw_only=True)
class FormDialog:
    """What stays the same however often the form is shown."""

    title: str
    fields: Sequence[Field]
    action: str
    back: str
    notices: Sequence[Mapping[str, Any]] = ()
    groups: Sequence[tuple[str, Sequence[str]]] = ()
    hidden: Sequence[tuple[str, Any]] = ()
    #: {field: {label, buttons: [(name, value, label)]}}: a line of buttons below the field
    buttons_after: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    size: str = ""
    choices: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def show(
        self,
        texts: Mapping[str, Any],
        *,
        errors: Mapping[str, Sequence[str]] | None = None,
        others: Sequence[str] = (),
        status: int = 200,
    ) -> Any:
        """The form with these texts in its fields, and messages beside them and above."""
        return answers.page(
            "form",
            status,
            title=self.title,
            notices=list(self.notices),
            form={
                "action": self.action,
                "fieldsets": self._fieldsets(texts, errors),
                "hidden": list(self.hidden),
                "errors": list(others),
                "cancel_url": self.back,
                # Enter saves, although other buttons stand before the one that does
                "default_submit": bool(self.buttons_after),
            },
            dialog_size=self.size or ("wide" if len(self.fields) > 6 else ""),
        )

    def _fieldsets(
        self, texts: Mapping[str, Any], errors: Mapping[str, Sequence[str]] | None
    ) -> list[dict[str, Any]]:
        made = forms.fieldsets(
            self.fields, texts, groups=self.groups, errors=errors, choices=self.choices
        )
        for entry in made:
            shown: list[dict[str, Any]] = []
            for row in entry["fields"]:
                shown.append(row)
                line = self.buttons_after.get(row["name"])
                if line is not None:
                    shown.append({"kind": "buttons", "name": f"{row['name']}-do", **line})
            entry["fields"] = shown
        return made

    def read(self) -> dict[str, Any]:
        """The raw values that were posted."""
        return forms.read_form(self.fields, request.form, request.files)

    def refused(self, error: KaowuError, raw: Mapping[str, Any]) -> Any:
        """The form again, with the error where it belongs; the status is the error's."""
        errors: Mapping[str, Sequence[str]] = {}
        others: Sequence[str] = [context.message_of(error)]
        if isinstance(error, InvalidInput):
            errors, others = forms.split_errors(error, self.fields)
        return self.show(raw, errors=errors, others=others, status=error.status)
