"""People at their browsers: an administrator at a desk, a candidate with a phone."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Page

PASSWORD = "Practise#5858room"


class Administrator:
    """Fills forms by their labels' fields, as pages (the dialogs are the same forms)."""

    def __init__(self, page: Page, address: str, exam: int = 58) -> None:
        self.page, self.address, self.exam = page, address, exam

    def log_in(self, email: str) -> None:
        """Through the province's entry; whoever was logged in before leaves first."""
        self.page.context.clear_cookies()
        self.page.goto(f"{self.address}/admin/login/?province=99")
        self.page.fill("[name=account]", email)
        self.page.fill("[name=password]", PASSWORD)
        self.page.click("main form button.btn-primary")
        self.page.wait_for_selector("text=欢迎登录全国计算机等级考试考务管理系统")

    def open(self, path: str) -> None:
        self.page.goto(f"{self.address}/admin/{self.exam}{path}")

    def fill(self, path: str, **values: str | bool | list[str]) -> None:
        """Open a form page, fill the named fields, send it, and expect to be let through."""
        self.open(path)
        self.fill_here(**values)

    def fill_here(self, **values: str | bool | list[str]) -> None:
        """Fill and send the form that is open."""
        form = self.page.locator("main form[method=post][data-kw-form]").first
        for name, value in values.items():
            field = form.locator(f'[name="{name}"]')
            if isinstance(value, bool):
                field.set_checked(value)
            elif isinstance(value, list):
                for item in value:
                    form.locator(f'[name="{name}"][value="{item}"]').check()
            elif field.evaluate("element => element.tagName") == "SELECT":
                # the searching select hides the native one: set it as a browser without scripts
                field.evaluate(
                    "(element, value) => { element.value = value; "
                    "element.tomselect?.setValue(value); }",
                    value,
                )
            else:
                field.evaluate(
                    "(element, value) => { element.value = value; "
                    "element.dispatchEvent(new Event('input', {bubbles: true})); }",
                    value,
                )
        form.locator("button[type=submit], button.btn-primary, button.btn-danger").last.click()
        self.page.wait_for_load_state()
        refused = self.page.locator(".kw-flash.bad, .kw-error").all_inner_texts()
        assert not refused, f"{self.page.url}: {refused}"

    def fill_grid(self, cells: dict[str, str]) -> None:
        """Fill cells of the open grid by their elements, read the preview, confirm it."""
        for element, value in cells.items():
            self.page.fill(f"#{element}", value)
        self.page.click("button[form=kw-grid]")
        self.page.wait_for_selector(f"text=确认保存 {len(cells)} 处改动")
        self.fill_here()

    def row_key(self, text: str) -> str:
        """The key of the row that holds `text`, as its tick box sends it."""
        row = self.page.locator("tbody tr", has_text=text).first
        return row.locator("input[type=checkbox]").first.input_value()

    def page_link(self, link: str) -> str:
        """Address of a button of the page (the page of one site's settings has no rows)."""
        found = self.page.locator("main a", has_text=link).first.get_attribute("href")
        assert found is not None
        return found

    def row_link(self, text: str, link: str) -> str:
        """Address of a link in the list's row that contains `text`."""
        row = self.page.locator("tbody tr", has_text=text).first
        found = row.locator("a", has_text=link).first.get_attribute("href")
        assert found is not None
        return found
