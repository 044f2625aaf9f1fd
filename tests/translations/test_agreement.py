"""Numbers in English: one candidate, two candidates, wherever a sentence is filled in."""

from __future__ import annotations

import gettext as plain
import re

import pytest
from babel.messages.pofile import read_po
from flask import render_template_string
from flask_babel import force_locale, gettext

from app.cli import texts as shell
from app.metadata.agreement import FORMS, agreed
from app.metadata.vocabulary import Level
from app.rules.arrangement.solver.messages import Finding, Reason
from tests.translations.conftest import CATALOGUES, Office

with (CATALOGUES / "en" / "LC_MESSAGES" / "messages.po").open("rb") as file:
    ENGLISH = {str(m.id): str(m.string) for m in read_po(file) if m.id}
PARAMETER = re.compile(r"\{(\w+)[:}]|%\((\w+)\)")
#: “candidates”, “entries”: with these words the forms for many begin
COUNTED = {
    word
    for text in ENGLISH.values()
    for _name, _one, others in FORMS.findall(text)
    if (word := others.split()[0]).endswith("s")
}


def test_forms_name_a_number_of_the_sentence() -> None:
    for text, english in ENGLISH.items():
        names = {one or other for one, other in PARAMETER.findall(text)}
        for name, one, others in FORMS.findall(english):
            assert name in names, english
            assert one != others, english
        left = agreed(english, dict.fromkeys(names, 2))
        assert not re.search(r"[\[\]|]", left), left


def test_what_is_counted_has_two_forms() -> None:
    """“{count} candidates”: for one of them the sentence would be wrong."""
    assert {"candidates", "entries", "sites", "changes"} <= COUNTED
    nouns = "|".join(sorted(COUNTED))
    fixed = re.compile(rf"(?:\{{\w+\}}|%\(\w+\)s) (?:{nouns})\b")
    found = {
        text: english
        for text, english in ENGLISH.items()
        if fixed.search(FORMS.sub("", english)) and not text.startswith(("{ages}", "考生年龄"))
    }
    assert found == {}


def test_views_and_templates(office: Office) -> None:
    app = office.world.app
    for count, said in ((1, "1 change saved"), (2, "2 changes saved")):
        with app.test_request_context("/"), force_locale("en"):
            assert gettext("已保存 %(n)s 处改动", n=count) == said
            template = (
                "{{ _('已保存 %(n)s 处改动', n=count) }}{{ _('%(name)s的用户管理', name='<b>') }}"
            )
            page = render_template_string(template, count=count)
            assert page == f"{said}Users of &lt;b&gt;"
        with app.test_request_context("/"), force_locale("zh_Hans_CN"):
            assert gettext("已保存 %(n)s 处改动", n=count) == f"已保存 {count} 处改动"


def test_a_list_of_one(office: Office) -> None:
    """Below every list, with the number in bold."""
    browser = office.english(Level.PROVINCE)
    for path, total in (("", "<b>4</b> records"), ("?code=990701", "<b>1</b> record<")):
        assert f"Total {total}" in browser.get(f"/organisation/{path}").get_data(as_text=True)


def test_the_shell(monkeypatch: pytest.MonkeyPatch) -> None:
    catalogue = plain.translation("messages", str(CATALOGUES), ["en"])
    monkeypatch.setattr(shell, "_translations", catalogue)
    sentence = "已导出 {count} 个考点：{path}"
    assert shell._(sentence).format(count=1, path="[x]") == "1 site exported: [x]"
    assert shell._(sentence).format(count=2, path="[x]") == "2 sites exported: [x]"


def test_findings_of_the_arrangement() -> None:
    catalogue = plain.translation("messages", str(CATALOGUES), ["en"])
    finding = Finding(Reason.SHORTAGE_REST, {"candidates": 1, "seats": 2})
    assert finding.text(catalogue.gettext) == ("The other 1 candidate needs at least 2 seats")
