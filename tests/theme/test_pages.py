"""Every page archetype renders, in the shell and alone, without leftovers of FAB."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest
from flask.testing import FlaskClient

from tests.theme import sample

# Latin words that a Chinese user may read: proper names, file types, codes and addresses.
ALLOWED = {
    *("NCRE", "Excel", "Chrome", "Edge", "WPS", "Office", "Photoshop", "MySQL", "Python", "zip"),
    *("rar", "xlsx", "ABCD", "EFGH", "IJKL", "MNOP", "example", "user"),
}
VOID = {"area", "base", "br", "col", "hr", "img", "input", "link", "meta", "source", "wbr"}
SHOWN = {"aria-label", "placeholder", "title", "alt", "data-kw-confirm"}


class Page(HTMLParser):
    """Collects visible texts, ids and labels, and notices tags that are not closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.stack: list[str] = []
        self.texts: list[str] = []
        self.ids: list[str] = []
        self.targets: set[str] = set()
        self.mistakes: list[str] = []
        self.feed(text)
        self.close()
        self.mistakes += self.stack

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.mistakes += [f"{tag} {name}" for name in values if re.search(r"[\"'&]|^on", name)]
        self.texts += [values[name] or "" for name in SHOWN & values.keys()]
        if values.get("id"):
            self.ids.append(str(values["id"]))
        for name in ("for", "aria-describedby", "aria-labelledby", "aria-controls"):
            self.targets |= set((values.get(name) or "").split())
        if tag not in VOID:
            self.stack.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self.stack or self.stack.pop() != tag:
            self.mistakes.append(f"</{tag}> at {self.getpos()}")

    def handle_data(self, data: str) -> None:
        if not {"script", "style"} & set(self.stack):
            self.texts.append(data)


def _page(client: FlaskClient, name: str, **headers: str) -> str:
    answer = client.get(f"/{name}", headers=headers)
    assert answer.status_code == 200
    return answer.get_data(as_text=True)


@pytest.mark.parametrize("name", sample.PAGES)
def test_page_is_well_formed_and_chinese(client: FlaskClient, name: str) -> None:
    text = _page(client, name)
    page = Page(text)
    assert not page.mistakes
    assert len(page.ids) == len(set(page.ids))
    assert page.targets <= set(page.ids)
    words = set(re.findall(r"[A-Za-z]{3,}", " ".join(page.texts)))
    assert words <= ALLOWED


@pytest.mark.parametrize("name", sample.PAGES)
def test_page_has_no_leftover_of_the_framework(client: FlaskClient, name: str) -> None:
    text = _page(client, name)
    assert '<html lang="zh-CN">' in text
    for leftover in ("data-toggle=", "data-bs-", 'class="panel', "glyphicon", "btn-default"):
        assert leftover not in text
    assert "&#34;" not in text.replace("tojson", "")
    assert not re.search(r"<script(?![^>]*(src=|nonce=|application/json))", text)


@pytest.mark.parametrize("name", sample.PAGES)
def test_every_post_form_carries_the_token(client: FlaskClient, name: str) -> None:
    forms = re.findall(r'<form[^>]*method="post".*?</form>', _page(client, name), re.S)
    assert all('name="csrf_token"' in form for form in forms)


@pytest.mark.parametrize("name", sample.PAGES)
def test_fragment_has_no_shell_and_no_script(client: FlaskClient, name: str) -> None:
    headers = {"HX-Request": "true", "HX-Target": "kw-dialog-body"}
    text = _page(client, name, **headers)
    assert "<html" not in text
    assert "<script" not in text
    assert "data-kw-title" in text
    assert not Page(text).mistakes


def test_form_in_the_dialog_posts_through_htmx_and_on_the_page_plainly(client: FlaskClient) -> None:
    fragment = _page(client, "form", **{"HX-Request": "true", "HX-Target": "kw-dialog-body"})
    assert 'hx-post="/form_errors"' in fragment
    assert "dialog-close" in fragment
    page = _page(client, "form")
    assert "hx-post" not in page
    assert 'href="/list">取消' in page


def test_r0_5b_a_disabled_menu_entry_stays_a_link_with_its_reason(client: FlaskClient) -> None:
    text = _page(client, "list")
    assert 'href="/message" class="kw-off" title="省未开启学籍库功能"' in text


def test_r6_4_the_welcome_page_shows_its_labels_in_order(client: FlaskClient) -> None:
    labels = re.findall(r"<dt>([^<]*):</dt>", _page(client, "home"))
    assert labels == [
        *("机构名称", "角色", "当前考次", "是否开考", "报名前设置时间", "报名资格管理时间"),
        *("报名管理时间", "考生个人网报时间", "编排时间", "准考证打印开始时间"),
        *("缺考违纪管理时间", "考前资料下载时间", "考后资料下载时间", "考点报名通告"),
        "注册考生年龄区间",
    ]


def test_a_bounded_count_says_that_there_are_more(client: FlaskClient) -> None:
    assert "共 <b>10000+</b> 条" in _page(client, "audit")


def test_markup_in_data_is_escaped(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    template, context = sample.confirm_page()
    context["text"] = "<script>alert(1)</script>"
    monkeypatch.setitem(sample.PAGES, "confirm", lambda: (template, context))
    text = _page(client, "confirm")
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert" in text
