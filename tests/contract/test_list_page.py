"""The list page of a resource."""

from __future__ import annotations

from tests.contract.world import World


def test_a_site_sees_its_own_rows_only(world: World) -> None:
    world.hall("甲一")
    world.hall("乙二", 1)
    answer = world.browser().get("/test-hall/")
    page = answer.get_data(as_text=True)
    open("/tmp/list.html", "w").write(page)
    assert answer.status_code == 200
    assert "甲一" in page
    assert "乙二" not in page
