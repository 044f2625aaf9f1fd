"""The nineteen holes of the stock framework (fab.md §2.1): closed here, and, where a small
application can show it, open there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select

from app.metadata.vocabulary import Level
from app.models.organisation import Organisation
from tests.contract.models import Hall
from tests.contract.stock import Stock, StockOrganisation, stock
from tests.contract.world import World, text_of

GOOD = {"name": "洞", "seats": 25, "colour": "green"}

# ---------------------------------------------------------------- the stock framework leaks


def _actions(app: Stock) -> bool:
    app.client.post("/personview/action/cancel/11")
    app.client.post("/personview/action_post", data={"action": "cancel", "rowid": ["12"]})
    return app.touched == ["p11", "p12"]


def _drop_downs(app: Stock) -> bool:
    page = "THEIRS" in app.client.get("/personview/add").text
    return page and "THEIRS" in app.client.get("/api/v1/person/_info").text


def _page_creates_elsewhere(app: Stock) -> bool:
    values = {"name": "inj", "secret": "1", "organisation": "2"}
    app.client.post("/personview/add", data=values)
    return app.person(name="inj", organisation_id=2) is not None


def _rest_creates_elsewhere(app: Stock) -> bool:
    body = {"name": "inj", "secret": "1", "organisation": 2}
    return app.client.post("/api/v1/person/", json=body).status_code == 201


def _rest_moves(app: Stock) -> bool:
    app.client.put("/api/v1/person/1", json={"organisation": 2})
    return bool(app.person(id=1).organisation_id == 2)


def _rest_invents_parents(app: Stock) -> bool:
    body = {"name": "ph", "secret": "1", "organisation": 777}
    app.client.post("/api/v1/person/", json=body)
    with app.app.app_context():
        return app.session.get(StockOrganisation, 777) is not None


def _rest_steals(app: Stock) -> bool:
    app.client.put(
        "/api/v1/organisation/1", json={"name": "mine", "people": [1, 2, 3, 4, 5, 11, 12]}
    )
    return bool(app.person(id=11).organisation_id == 1)


def _orders_by_secret(app: Stock) -> bool:
    def order(direction: str) -> str:
        query = f"_oc_PersonView=secret&_od_PersonView={direction}"
        return str(app.client.get(f"/personview/list/?{query}").text)

    page = order("asc")
    return page.index("p5") < page.index("p1") and page != order("desc")


def _breaks_on_bad_pages(app: Stock) -> bool:
    wrong = ("_oc_PersonView=nope&_od_PersonView=asc", "page_PersonView=abc")
    codes = []
    for query in wrong:
        try:
            codes.append(app.client.get(f"/personview/list/?{query}").status_code)
        except Exception:
            codes.append(500)
    return codes == [500, 500]


def _keeps_refused_edits(app: Stock) -> bool:
    app.commits = True
    values = {"name": "FORBIDDEN", "secret": "x", "organisation": "1"}
    app.client.post("/personview/edit/2", data=values)
    return bool(app.person(id=2).name == "FORBIDDEN")


def _refuses_with_500(app: Stock) -> bool:
    return app.client.put("/api/v1/organisation/1", json={"name": "FORBIDDEN"}).status_code == 500


def _shows_sql(app: Stock) -> bool:
    values = {"name": "110101199001011234", "secret": "98", "organisation": "1"}
    page = app.client.post("/personview/add", data=values, follow_redirects=True).text
    return "INSERT INTO" in page and "parameters" in page


def _does_not_limit_tokens(app: Stock) -> bool:
    body = {"username": "a", "password": "no", "provider": "db"}
    codes = [
        app.app.test_client().post("/api/v1/security/login", json=body).status_code
        for _ in range(6)
    ]
    return codes == [401] * 6


def _deletes_by_get(app: Stock) -> bool:
    app.client.get("/personview/delete/3")
    return app.person(id=3) is None


STOCK: dict[int, Callable[[Stock], bool]] = {
    2: _actions,
    3: _drop_downs,
    4: _page_creates_elsewhere,
    5: _rest_creates_elsewhere,
    6: _rest_moves,
    7: _rest_invents_parents,
    8: _rest_steals,
    9: _orders_by_secret,
    10: _breaks_on_bad_pages,
    12: _keeps_refused_edits,
    13: _refuses_with_500,
    14: _shows_sql,
    15: _does_not_limit_tokens,
    17: _deletes_by_get,
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("number", STOCK)
def test_the_stock_framework_leaks(number: int) -> None:
    with stock() as app:
        assert STOCK[number](app)


@pytest.mark.filterwarnings("ignore")
def test_hole_16_the_stock_rest_needs_no_token() -> None:
    with stock(csrf=True) as app:
        app.app.config["WTF_CSRF_ENABLED"] = False
        app.log_in()
        app.app.config["WTF_CSRF_ENABLED"] = True
        page = app.client.post("/personview/add", data={"name": "x"})
        assert page.status_code == 400
        body = {"name": "x", "secret": "1", "organisation": 1}
        assert app.client.post("/api/v1/person/", json=body).status_code == 201


@pytest.mark.filterwarnings("ignore")
def test_hole_1_the_stock_framework_does_filter_pages_by_key() -> None:
    with stock() as app:
        for path in ("/personview/show/11", "/personview/edit/11", "/api/v1/person/11"):
            assert app.client.get(path).status_code == 404


# ---------------------------------------------------------------- closed here


def _foreign(world: World, number: int) -> Hall:
    return world.hall(f"洞外{number}", 1)


def _closed_1(world: World) -> bool:
    row, browser = _foreign(world, 1), world.browser()
    pages = [f"/test-hall/{path}/{row.id}" for path in ("show", "edit", "delete", "reveal")]
    codes = [browser.get(path).status_code for path in pages]
    codes += [browser.post(path).status_code for path in pages[1:]]
    codes += [
        browser.rest(method, f"/test_hall/{row.id}", {"version": 1}).status_code
        for method in ("GET", "PATCH", "DELETE")
    ]
    return set(codes) == {404}


def _closed_2(world: World) -> bool:
    row = _foreign(world, 2)
    answer = world.browser().post("/test-hall-close/", {"ids": row.id})
    return answer.status_code == 404 and bool(world.get(Hall, row.id).open)


def _closed_3(world: World) -> bool:
    _foreign(world, 3)
    browser = world.browser()
    pages = [
        browser.get(path).get_data(as_text=True)
        for path in (
            "/test-hall/add",
            "/test-hall/",
            "/test-hall/options/neighbour_id?q=洞",
            "/test-hall/organisations?q=",
        )
    ]
    return not any("洞外3" in page or world.tree.sites[1].code in page for page in pages)


def _placed(world: World, name: str) -> Any:
    with world.looking() as session:
        return session.scalars(select(Hall).where(Hall.name == name)).one_or_none()


def _closed_4(world: World) -> bool:
    foreign = str(world.tree.sites[1].id)
    world.browser().post("/test-hall/add", GOOD | {"name": "洞4", "site_id": foreign})
    return bool(_placed(world, "洞4").site_id == world.tree.site.id)


def _closed_5(world: World) -> bool:
    foreign = str(world.tree.sites[1].id)
    answer = world.browser().rest("POST", "/test_hall/", GOOD | {"site_id": foreign})
    return answer.status_code == 422


def _closed_6(world: World) -> bool:
    row = world.hall("洞6")
    body = {"site_id": str(world.tree.sites[1].id), "version": 1}
    answer = world.browser().rest("PATCH", f"/test_hall/{row.id}", body)
    return answer.status_code == 422 and world.get(Hall, row.id).site_id == world.tree.site.id


def _closed_7(world: World) -> bool:
    answer = world.browser().rest("POST", "/test_hall/", GOOD | {"neighbour_id": "777"})
    return answer.status_code == 422 and world.get(Hall, 777) is None


def _closed_8(world: World) -> bool:
    row = world.hall("洞8")
    bodies: list[dict[str, Any]] = [
        {"neighbours": ["1"]},
        {"neighbour": {"name": "x"}},
        {"entries": []},
    ]
    return all(
        world.browser().rest("PATCH", f"/test_hall/{row.id}", body | {"version": 1}).status_code
        == 422
        for body in bodies
    )


def _closed_9(world: World) -> bool:
    names = ("keeper", "keeper_id_digest", "price__", "version")
    return all(
        world.browser().get(f"/test-hall/?_order={name}").status_code == 422
        and world.browser().rest("GET", f"/test_hall/?_order={name}").status_code == 422
        for name in names
    )


def _closed_10(world: World) -> bool:
    queries = ("_page=abc", "_page=-1", "_size=99999999", "_size=abc")
    return all(world.browser().get(f"/test-hall/?{query}").status_code == 200 for query in queries)


def _closed_11(world: World) -> bool:
    site = world.tree.sites[1].id
    with world.looking() as session:
        assert session.get(Organisation, site) is not None
    name = Organisation.__admin__.name.replace("_", "-") if Organisation.__admin__ else None
    if name is None:
        return True
    return all(
        world.browser().get(f"/{name}/{path}/{site}").status_code in (403, 404)
        for path in ("show", "edit", "delete")
    )


def _closed_12(world: World) -> bool:
    row = world.hall("洞12")
    values = GOOD | {"name": "x" * 31, "version": row.version}
    browser = world.browser()
    browser.post(f"/test-hall/edit/{row.id}", values)
    browser.post("/test-hall/add", GOOD | {"name": "洞12后"})
    return bool(world.get(Hall, row.id).name == "洞12")


def _closed_13(world: World) -> bool:
    answers = [
        world.browser(Level.PROVINCE).rest("POST", "/test_hall/", GOOD),
        world.browser(exam=57).rest("POST", "/test_hall/", GOOD),
    ]
    return all(a.status_code == 403 and a.get_json()["code"].startswith("policy.") for a in answers)


def _closed_14(world: World) -> bool:
    world.hall("洞14")
    page = text_of(world.browser().post("/test-hall/add", GOOD | {"name": "洞14"}))
    body = world.browser().rest("POST", "/test_hall/", GOOD | {"name": "洞14"}).get_data(True)
    return not any(word in page + body for word in ("INSERT", "UNIQUE", "parameters", "constraint"))


def _closed_15(world: World) -> bool:
    body = {"username": "x", "password": "x", "provider": "db"}
    return not any("security" in str(rule) and "login" in str(rule) for rule in _rules(world)) and (
        world.nobody().rest("POST", "/security/login", body).status_code in (400, 404)
    )


def _closed_16(world: World) -> bool:
    answer = world.browser().rest("POST", "/test_hall/", GOOD | {"name": "洞16"}, csrf=False)
    return answer.status_code == 400 and _placed(world, "洞16") is None


def _closed_17(world: World) -> bool:
    row = world.hall("洞17")
    world.browser().get(f"/test-hall/delete/{row.id}")
    world.browser().get(f"/test-hall-close/?ids={row.id}")
    found = world.get(Hall, row.id)
    return found is not None and bool(found.open)


def _rules(world: World) -> list[Any]:
    return list(world.app.url_map.iter_rules())


def _closed_18(world: World) -> bool:
    """No view serves a file by a name that the browser gives, but the static ones."""
    return not any(
        "filename" in rule.arguments and not rule.endpoint.endswith("static")
        for rule in _rules(world)
    )


def _closed_19(world: World) -> bool:
    """None of the framework's pages on users, roles and passwords is there."""
    words = ("userdbmodelview", "rolemodelview", "resetpassword", "resetmypassword", "/users/")
    return not any(word in str(rule).lower() for rule in _rules(world) for word in words)


CLOSED: dict[int, Callable[[World], bool]] = {
    1: _closed_1,
    2: _closed_2,
    3: _closed_3,
    4: _closed_4,
    5: _closed_5,
    6: _closed_6,
    7: _closed_7,
    8: _closed_8,
    9: _closed_9,
    10: _closed_10,
    11: _closed_11,
    12: _closed_12,
    13: _closed_13,
    14: _closed_14,
    15: _closed_15,
    16: _closed_16,
    17: _closed_17,
    18: _closed_18,
    19: _closed_19,
}


@pytest.mark.parametrize("number", CLOSED)
def test_closed_here(world: World, number: int) -> None:
    assert CLOSED[number](world)


def test_the_list_of_holes_is_whole() -> None:
    assert list(CLOSED) == list(range(1, 20))
