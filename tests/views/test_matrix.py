"""The permission grid: preview, save, races, roles; for superusers alone."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect
from werkzeug.test import TestResponse

from app.metadata.vocabulary import ADMINISTRATORS, Level, Verb
from app.rules import permissions
from tests.contract.world import Browser, World, text_of
from tests.views.conftest import SUPER, log_of, look, walk_phone

PATH = "/permission-matrix/"
CELL = re.compile(
    r'<input type="checkbox" name="cell" value="([^"]+)"[^>]*?( checked)?( disabled)? aria-label'
)
HIDDEN = re.compile(r'<input type="hidden" name="(token|cell)" value="([^"]*)">')


def grid(answer: TestResponse) -> dict[str, tuple[bool, bool]]:
    """{"page:verb": (ticked, greyed out)}."""
    page = answer.get_data(as_text=True)
    return {value: (bool(on), bool(off)) for value, on, off in CELL.findall(page)}


def token(answer: TestResponse) -> str:
    return dict(HIDDEN.findall(answer.get_data(as_text=True)))["token"]


def ticked(answer: TestResponse) -> set[str]:
    return {value for value, (on, off) in grid(answer).items() if on and not off}


def preview_of(answer: TestResponse) -> dict[str, Any]:
    """The hidden inputs of the preview's form."""
    page = answer.get_data(as_text=True)
    form = page[page.index("/permission-matrix/apply") :]
    pairs = HIDDEN.findall(form[: form.index("</form>")])
    return {
        "token": next(value for name, value in pairs if name == "token"),
        "cell": [value for name, value in pairs if name == "cell"],
    }


@pytest.fixture
def superuser(office: World) -> Browser:
    return office.browser(*SUPER)


def save(browser: Browser, role: str, cells: set[str]) -> TestResponse:
    """Preview, then apply."""
    opened = browser.get(f"{PATH}?role={role}")
    sent = {"token": token(opened), "cell": sorted(cells), "step": "preview"}
    shown = browser.post(f"{PATH}?role={role}", sent)
    assert shown.status_code == 200
    return browser.post(f"{PATH}apply?role={role}", preview_of(shown))


def test_the_grid_shows_pages_by_area_with_their_verbs(superuser: Browser) -> None:
    answer = superuser.get(f"{PATH}?role=site")
    page, cells = text_of(answer), grid(answer)
    assert cells["capacity:view"] == (True, False)
    assert cells["capacity_statistics:export"] == (True, False)
    assert "capacity:download" not in cells
    assert page.index("报名前设置") < page.index("考生管理 · ")
    assert "考点管理员 · 功能权限" in page


def test_the_matrix_is_not_offered_to_lower_levels(superuser: Browser) -> None:
    assert "permission_matrix:edit" not in grid(superuser.get(f"{PATH}?role=site"))
    own = grid(superuser.get(f"{PATH}?role=super"))
    assert own["permission_matrix:edit"] == (True, True)


@pytest.mark.parametrize("level", ADMINISTRATORS)
@pytest.mark.parametrize("path", ["", "role/add", "role/site/delete"])
def test_others_are_refused(office: World, level: Level, path: str) -> None:
    assert office.browser(level).get(PATH + path).status_code == 403
    answer = office.browser(level).post(PATH + "apply?role=site", {"cell": [], "token": ""})
    assert answer.status_code in (302, 403)
    assert log_of(office, "account.role_grant.edit") == []


def test_preview_names_the_difference_and_saves_nothing(office: World, superuser: Browser) -> None:
    opened = superuser.get(f"{PATH}?role=city")
    cells = (ticked(opened) - {"capacity:view"}) | {"exam:list"}
    sent = {"token": token(opened), "cell": sorted(cells), "step": "preview"}
    shown = superuser.post(f"{PATH}?role=city", sent)
    page = text_of(shown)
    assert "确认保存 2 处改动" in page
    assert re.search(r"考点容量设置\s+浏览\s+有\s+→\s+无", page)
    assert grid(shown)["capacity:view"] == (False, False)
    with office.looking() as session:
        assert ("capacity", Verb.VIEW) in permissions.grants_of(session, "city")


def test_a_save_takes_effect_at_once_and_is_logged(office: World, superuser: Browser) -> None:
    city = office.browser(Level.CITY)
    assert city.get("/site-subject/").status_code == 200
    before = ticked(superuser.get(f"{PATH}?role=city"))
    answer = save(superuser, "city", before - {"site_subject:list"})
    assert answer.status_code == 302
    assert city.get("/site-subject/").status_code == 403
    assert 'href="/admin/58/site-subject/"' not in city.get("/").get_data(as_text=True)
    entry = log_of(office, "account.role_grant.edit")[-1]
    assert entry.object_title == "地市管理员 考点开考科目设置"
    assert entry.changes == {"list": {"label": "查询", "old": True, "new": False}}
    assert entry.actor_name == "系统管理员"
    save(superuser, "city", before)
    assert city.get("/site-subject/").status_code == 200


def governed(answer: TestResponse) -> str:
    """What stands above the page."""
    page = text_of(answer)
    found = re.search(r"办理权限\s+(\S+)", page)
    return found[1] if found else ""


MATRIX_READ = re.compile(r"FROM (role|role_grant|setting)\b")
SETTERS = "省管理员、受省委托的地市管理员"


@pytest.mark.parametrize(
    ("path", "cell", "left"),
    [
        ("/class-option/", "class_option:edit", SETTERS),
        ("/capacity/", "capacity:edit", SETTERS),
        ("/student-record-import/", "student_record_import:run", "省管理员"),
    ],
)
def test_a_page_tells_who_fills_it_in_by_the_living_matrix(
    office: World, superuser: Browser, path: str, cell: str, left: str
) -> None:
    """A list, a grid and an import, for a city that only looks; it costs no statement."""
    reader = office.browser(Level.CITY)
    assert governed(reader.get(path)) == f"{left}、考点管理员"
    cells = ticked(superuser.get(f"{PATH}?role=site"))
    save(superuser, "site", cells - {cell})
    assert governed(reader.get(path)) == left
    with office.counting() as found:
        assert governed(reader.get(path)) == left
    assert len([one for one in found if MATRIX_READ.search(one)]) == 1
    save(superuser, "site", cells)
    assert governed(reader.get(path)) == f"{left}、考点管理员"


def test_somebody_elses_save_meanwhile_is_409(office: World, superuser: Browser) -> None:
    opened = superuser.get(f"{PATH}?role=province")
    before = ticked(opened)
    stale = {"token": token(opened), "cell": sorted(before - {"fee:view"}), "step": "preview"}
    previewed = preview_of(superuser.post(f"{PATH}?role=province", stale))
    save(superuser, "province", before - {"fee:export"})
    for path, values in (
        (f"{PATH}?role=province", stale),
        (f"{PATH}apply?role=province", previewed),
    ):
        answer = superuser.post(path, values)
        assert answer.status_code == 409
        assert "权限已被他人修改" in text_of(answer)
        assert grid(answer)["fee:view"] == (True, False)
        assert grid(answer)["fee:export"] == (False, False)
    save(superuser, "province", before)


def test_forged_cells_are_refused(superuser: Browser) -> None:
    opened = superuser.get(f"{PATH}?role=site")
    for cell, status in (("capacity:fly", 400), ("capacity:download", 422), ("x:list", 422)):
        values = {"token": token(opened), "cell": [cell], "step": "preview"}
        assert superuser.post(f"{PATH}?role=site", values).status_code == status
    assert superuser.post(f"{PATH}?role=site", {"cell": []}, csrf=False).status_code == 400
    assert superuser.get(f"{PATH}?role=nobody").status_code == 404


def test_superusers_keep_their_key_though_browsers_do_not_send_it(superuser: Browser) -> None:
    opened = superuser.get(f"{PATH}?role=super")
    values = {"token": token(opened), "cell": sorted(ticked(opened)), "step": "preview"}
    answer = superuser.post(f"{PATH}?role=super", values)
    assert "没有改动" in text_of(answer)
    kept = preview_of(answer)["cell"]
    assert {"permission_matrix:view", "permission_matrix:edit"} <= set(kept)
    forged = {"token": token(opened), "cell": []}
    superuser.post(f"{PATH}apply?role=super", forged)
    assert superuser.get(PATH).status_code == 200


def test_a_copy_of_another_role_is_previewed(superuser: Browser) -> None:
    opened = superuser.get(f"{PATH}?role=city")
    values = {"token": token(opened), "cell": [], "step": "copy", "copy_from": "site"}
    answer = superuser.post(f"{PATH}?role=city", values)
    assert "请确认以下改动" in text_of(answer)
    assert ticked(answer) == ticked(superuser.get(f"{PATH}?role=site"))


def test_roles_are_added_and_deleted(office: World, superuser: Browser) -> None:
    values = {"name": "viewer", "label": "考点查询员", "level": "site", "copy_from": "site"}
    assert superuser.post(f"{PATH}role/add", values).status_code == 302
    page = superuser.get(f"{PATH}?role=viewer")
    assert "考点查询员 · 功能权限" in text_of(page)
    assert ticked(page) == ticked(superuser.get(f"{PATH}?role=site"))
    assert "删除角色" in text_of(page)
    assert "删除角色" not in text_of(superuser.get(f"{PATH}?role=site"))
    again = superuser.post(f"{PATH}role/add", values)
    assert again.status_code == 422
    assert "已存在" in text_of(again)
    wrong = superuser.post(f"{PATH}role/add", values | {"name": "X"})
    assert wrong.status_code == 422
    assert "小写字母" in text_of(wrong)
    question = superuser.get(f"{PATH}role/viewer/delete")
    assert "确定删除角色“考点查询员”" in text_of(question)
    assert superuser.post(f"{PATH}role/viewer/delete").status_code == 302
    assert superuser.get(f"{PATH}?role=viewer").status_code == 404
    refused = superuser.post(f"{PATH}role/site/delete")
    assert refused.status_code == 422
    assert "内置角色" in text_of(refused)
    assert [entry.action for entry in log_of(office, "account.role.")] == [
        "account.role.add",
        "account.role.delete",
    ]


@pytest.mark.browser
def test_the_page_in_a_browser(office: World, office_address: str, desktop_page: Page) -> None:
    page = look(desktop_page, office, office_address, SUPER, f"{PATH}?role=city")
    box = page.locator('input[value="capacity:export"]')
    box.uncheck()
    expect(page.locator("[data-kw-changed]")).to_have_text("已改动 1 处")
    forms = "[1, 2].map((n) => window.kw.fill('{n} [n: change|changes]', { n })).join()"
    assert page.evaluate(forms) == "1 change,2 changes"
    page.get_by_placeholder("按页面名称筛选").fill("容量")
    expect(page.locator('tr[data-name="考点费用设置"]')).to_be_hidden()
    page.get_by_role("button", name="预览并保存").click()
    page.get_by_role("button", name="确认保存 1 处改动").click()
    expect(page.get_by_text("已保存 1 处改动")).to_be_visible()
    expect(page.locator('input[value="capacity:export"]')).not_to_be_checked()


@pytest.mark.browser
def test_a_role_is_added_in_the_dialog(
    office: World, office_address: str, desktop_page: Page
) -> None:
    page = look(desktop_page, office, office_address, SUPER, PATH)
    page.get_by_role("link", name="新增").click()
    page.get_by_label("角色代码").fill("finance")
    page.get_by_label("角色名称").fill("财务人员")
    page.get_by_label("适用级别").select_option("site")
    page.get_by_role("button", name="保存", exact=True).click()
    expect(page.get_by_role("heading", name="财务人员 · 功能权限")).to_be_visible()


@pytest.mark.browser
def test_the_page_fits_a_phone(office: World, office_address: str, phone_page: Page) -> None:
    walk_phone(phone_page, office, office_address, SUPER, PATH)
