"""The passport pages over HTTP: cookies, tokens, headers, equal answers, the way back."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pyotp
import pytest
from werkzeug.test import TestResponse

from app.rules.account import handover
from app.rules.account.activation import token_of
from app.rules.account.passwords import issue_activation_code
from app.rules.account.second_factor import begin_totp, confirm_totp
from tests.factories import bind_administrator, make_registration
from tests.portal.passport_world import ADDRESS, Portal, Visit, open_portal
from tests.rules.account_world import HASH, OTHER_PASSWORD, PASSWORD


@pytest.fixture
def portal(fresh_database: str, instance: Path) -> Iterator[Portal]:
    with open_portal(fresh_database, instance) as made:
        yield made


# ---------------------------------------------------------------- log-in and out


def test_r5_0_login_leads_back_to_the_page_of_origin(portal: Portal) -> None:
    owner = portal.passport()
    visit = portal.visit()
    asked = visit.get("/passport/me")
    assert asked.location == "/passport/login?next=/passport/me"
    answer = visit.log_in((owner.email or "").upper(), PASSWORD, next="/passport/me")
    assert answer.location == "/passport/me"
    assert owner.number in visit.get("/passport/me").text


def test_the_owner_reads_his_log_ins(portal: Portal) -> None:
    owner, other = portal.passport(), portal.passport()
    portal.visit().log_in(other.email or "", PASSWORD)
    visit = portal.visit()
    assert visit.get("/passport/log-ins").location == "/passport/login?next=/passport/log-ins"
    visit.log_in(owner.email or "", OTHER_PASSWORD)
    visit.log_in(owner.email or "", PASSWORD)
    assert "/passport/log-ins" in visit.get("/passport/me").text
    page = visit.get("/passport/log-ins").text
    assert page.count('<article class="card">') == 2
    assert page.index("完成") < page.index("被拒绝")


@pytest.mark.parametrize(
    ("target", "own"),
    [
        ("/registration?step=2", True),
        ("http://127.0.0.1:5000/admin/58/", True),
        ("//evil.example.com/", False),
        ("/\\evil.example.com", False),
        ("https://evil.example.com/", False),
        ("http://127.0.0.1:5000@evil.example.com/", False),
        ("http://127.0.0.1:50001/", False),
        ("javascript:alert(1)", False),
        ("/a\r\nSet-Cookie: x", False),
        ("/\tevil", False),
    ],
)
def test_r5_0_only_own_paths_and_hosts_are_led_back_to(
    portal: Portal, target: str, own: bool
) -> None:
    owner = portal.passport()
    answer = portal.visit().log_in(owner.email or "", PASSWORD, next=target)
    assert answer.status_code == 302
    assert (answer.location == target) is own
    assert own or answer.location == "/"


def test_wrong_unknown_and_locked_get_the_same_page(portal: Portal) -> None:
    portal.passport(email="known@example.com")
    portal.passport(
        email="locked@example.com", failures=5, locked_until=portal.clock.now.replace(minute=15)
    )
    pages = set()
    for name in ("known@example.com", "nobody@example.com", "locked@example.com"):
        answer = portal.visit().log_in(name, "wrong")
        assert answer.status_code == 401
        page = re.sub(
            r'(csrf_token" value|nonce|login" type="text" value)="[^"]*"', "", answer.text
        )
        pages.add(page)
    assert len(pages) == 1


def test_a_replayed_cookie_is_dead_after_logout(portal: Portal) -> None:
    owner = portal.passport()
    visit, thief = portal.visit(), portal.visit()
    visit.log_in(owner.email or "", PASSWORD)
    thief.client.set_cookie("kaowu_portal", visit.cookie, domain="127.0.0.1")
    assert thief.get("/passport/me").status_code == 200
    assert visit.post("/passport/logout", form="/passport/me").location == "/passport/login"
    assert thief.get("/passport/me").status_code == 302
    assert visit.get("/passport/logout").status_code == 405


def test_a_changed_password_ends_other_browsers_and_keeps_this_one(portal: Portal) -> None:
    owner = portal.passport()
    first, second = portal.visit(), portal.visit()
    for visit in (first, second):
        visit.log_in(owner.email or "", PASSWORD)
    answer = first.post(
        "/passport/password",
        old_password=PASSWORD,
        password=OTHER_PASSWORD,
        password_again=OTHER_PASSWORD,
    )
    assert answer.location == "/passport/me"
    assert first.get("/passport/me").status_code == 200
    assert second.get("/passport/me").status_code == 302


def test_nothing_of_the_session_before_survives_the_login(portal: Portal) -> None:
    owner = portal.passport()
    visit = portal.visit()
    token = visit.token()
    visit.client.post(
        "/passport/login",
        base_url=ADDRESS,
        data={"csrf_token": token, "login": owner.email, "password": PASSWORD},
    )
    answer = visit.client.post("/passport/logout", base_url=ADDRESS, data={"csrf_token": token})
    assert answer.status_code == 400
    assert visit.get("/passport/me").status_code == 200


def test_a_session_ends_after_twelve_hours(portal: Portal) -> None:
    owner = portal.passport()
    visit = portal.visit()
    visit.log_in(owner.email or "", PASSWORD)
    portal.clock.forward(hours=12)
    assert visit.get("/passport/me").status_code == 302


def test_login_by_code_sends_it_with_and_without_scripts(portal: Portal) -> None:
    owner = portal.passport()
    visit, name = portal.visit(), owner.email or ""
    page = "/passport/login?way=code"
    answer = visit.post("/passport/login", form=page, way="code", target=name, send="1")
    assert answer.status_code == 200
    assert "验证码已发送" in answer.text
    assert 'data-wait="60"' in answer.text
    assert f'value="{name}"' in answer.text
    script = visit.client.post(
        "/passport/login",
        base_url=ADDRESS,
        data={"csrf_token": visit.token(), "way": "code", "target": name, "send": "1"},
        headers={"Accept": "application/json"},
    )
    assert script.status_code == 429
    assert script.json == {"message": "验证码刚刚发送过，请在60秒后再获取。", "wait": 60}
    code = portal.last_code()
    values = {"way": "code", "target": name, "code": code}
    assert visit.post("/passport/login", form=page, **values).location == "/"
    again = portal.visit().post("/passport/login", form=page, **values)
    assert again.status_code == 422


# ---------------------------------------------------------------- registration and reset


def register(portal: Portal, **changes: str) -> tuple[Visit, TestResponse]:
    visit = portal.visit()
    values = {
        "mobile": "13800990001",
        "email": "Zhang@example.com",
        "prove": "mobile",
        "password": PASSWORD,
        "password_again": PASSWORD,
        "consent": "1",
    } | changes
    visit.post("/passport/register", send="1", **values)
    return visit, visit.post("/passport/register", code=portal.last_code(), **values)


def test_r5_1_registration_logs_in_and_shows_the_way_back(portal: Portal) -> None:
    visit, answer = register(portal, next="/admin/58/")
    assert answer.status_code == 302
    page = visit.get(answer.location)
    assert "返回原页面" in page.text
    assert 'href="/admin/58/"' in page.text


def test_r5_1_what_was_not_proved_is_shown_as_such_and_confirmed_there(portal: Portal) -> None:
    visit, answer = register(portal)
    assert "邮箱 z***@example.com 尚未确认" in visit.get(answer.location).text
    assert "待确认" in visit.get("/passport/me").text
    page = visit.get("/passport/email").text
    assert 'value="zhang@example.com"' in page
    assert "注册时填写的邮箱尚未确认" in page
    visit.post("/passport/email", send="1", email="zhang@example.com")
    values = {"email": "zhang@example.com", "code": portal.last_code(), "password": PASSWORD}
    assert visit.post("/passport/email", **values).location == "/passport/me"
    assert "待确认" not in visit.get("/passport/me").text
    assert portal.visit().log_in("zhang@example.com", PASSWORD).location == "/"


def test_r5_1_mistakes_stand_beside_their_fields_and_passwords_are_not_echoed(
    portal: Portal,
) -> None:
    _, answer = register(portal, email="abc", password_again="other", consent="")
    assert answer.status_code == 422
    text = answer.text
    assert "两次输入的密码不一致" in text
    assert PASSWORD not in text
    _, answer = register_again(portal)
    assert "请填写如 name@example.com 的地址" in answer.text
    assert "请阅读并同意用户协议与隐私政策" in answer.text


def register_again(portal: Portal) -> tuple[Visit, TestResponse]:
    portal.clock.forward(minutes=2)
    return register(portal, email="abc", consent="")


def test_forgotten_password_is_reset_with_equal_answers_for_strangers(portal: Portal) -> None:
    owner = portal.passport()
    name = owner.email or ""
    visit = portal.visit()
    pages = []
    for target in (name, "nobody@example.com"):
        answer = visit.post("/passport/forgot", send="1", target=target)
        text = answer.text.replace(target, "")
        pages.append(re.sub(r'(csrf_token" value|nonce)="[^"]*"', "", text))
    assert pages[0] == pages[1]
    assert portal.message_count() == 1
    answer = visit.post(
        "/passport/forgot",
        target=name,
        code=portal.last_code(),
        password=OTHER_PASSWORD,
        password_again=OTHER_PASSWORD,
    )
    assert answer.location == "/passport/login"
    assert visit.log_in(name, OTHER_PASSWORD).location == "/"


def test_r5_1a_contacts_are_changed_with_a_code_to_the_new_one(portal: Portal) -> None:
    owner = portal.passport(email="old@example.com")
    visit = portal.visit()
    visit.log_in("old@example.com", PASSWORD)
    visit.post("/passport/email", send="1", email="New@example.com")
    code = portal.last_code()
    values = {"email": "New@example.com", "code": code}
    answer = visit.post("/passport/email", password=OTHER_PASSWORD, **values)
    assert answer.status_code == 422
    assert "登录密码不正确" in answer.text
    answer = visit.post("/passport/email", password=PASSWORD, **values)
    assert answer.location == "/passport/me"
    assert "n***@example.com" in visit.get("/passport/me").text
    assert portal.reload(owner.id).email == "new@example.com"


# ---------------------------------------------------------------- between log-in and entry


def test_r5_4_the_initial_password_opens_one_page_only(portal: Portal) -> None:
    owner = portal.passport(password_hash="!", must_change=True)
    with portal.writing() as session:
        make_registration(session, portal.tree, passport=owner, collective=True)
    visit = portal.visit()
    assert visit.log_in(owner.email or "", "123456").location == "/passport/first"
    for path in ("/passport/me", "/passport/password", "/passport/email", "/passport/totp"):
        assert visit.get(path).location.startswith("/passport/first")
    page = visit.get("/passport/first").text
    assert (owner.email or "") not in page
    visit.post("/passport/first", way="email", send="1")
    answer = visit.post(
        "/passport/first",
        way="email",
        proof=portal.last_code(),
        password=PASSWORD,
        password_again=PASSWORD,
    )
    assert answer.location == "/passport/me"
    assert visit.get("/passport/first").location == "/"


def test_the_second_factor_stands_before_an_administrator_s_account(portal: Portal) -> None:
    with portal.writing() as session:
        owner, _ = bind_administrator(session, portal.tree, password_hash=HASH)
    secret = begin_totp(portal.access(), owner.id).secret
    confirm_totp(portal.access(), owner.id, pyotp.TOTP(secret).at(portal.clock.now))
    portal.clock.forward(seconds=30)
    visit = portal.visit()
    visit.log_in(owner.email or "", PASSWORD)
    assert visit.get("/passport/me").location.startswith("/passport/totp")
    assert visit.post("/passport/totp", totp="000000x").status_code == 422
    code = pyotp.TOTP(secret).at(portal.clock.now)
    assert visit.post("/passport/totp", totp=code).location == "/"
    assert "考务管理员" in visit.get("/passport/me").text
    other = portal.visit()
    other.log_in(owner.email or "", PASSWORD)
    assert other.post("/passport/totp", totp=code).status_code == 422


def test_r5_4_the_administration_hands_over_to_the_first_page(
    portal: Portal, monkeypatch: pytest.MonkeyPatch
) -> None:
    with portal.writing() as session:
        owner, _ = bind_administrator(session, portal.tree, password_hash="!", must_change=True)
    key = portal.app.extensions["kaowu_portal"].settings.portal_secret_key
    token = handover.seal(key, owner.id, owner.session_version)
    visit = portal.visit()
    answer = visit.get(f"/passport/first/enter?token={token}&next=/admin/")
    assert answer.location == "/passport/first?next=/admin/"
    page = visit.get(answer.location).text
    assert "请先设置新密码" in page
    assert visit.get("/passport/me").location.startswith("/passport/first")
    monkeypatch.setattr(handover, "LIFETIME_SECONDS", -1)
    refused(portal, token)


def refused(portal: Portal, token: str) -> None:
    """Such a token leads to the log-in page, which says why."""
    visit = portal.visit()
    answer = visit.get(f"/passport/first/enter?token={token}&next=/admin/")
    assert answer.location == "/passport/login?next=/admin/"
    assert "链接已失效" in visit.get(answer.location).text
    assert visit.get("/passport/first").location.startswith("/passport/login")


def test_a_handover_is_good_for_the_first_password_alone(portal: Portal) -> None:
    key = portal.app.extensions["kaowu_portal"].settings.portal_secret_key
    with portal.writing() as session:
        owner, _ = bind_administrator(session, portal.tree, password_hash="!", must_change=True)
    settled = portal.passport()
    refused(portal, handover.seal(key, settled.id, settled.session_version))
    refused(portal, handover.seal(key + "x", owner.id, owner.session_version))
    refused(portal, "forged")
    ended = handover.seal(key, owner.id, owner.session_version + 1)
    visit = portal.visit()
    visit.get(f"/passport/first/enter?token={ended}")
    assert visit.get("/passport/first").location.startswith("/passport/login")


def test_8_3_an_expired_administrator_changes_the_password_first(portal: Portal) -> None:
    with portal.writing() as session:
        owner, _ = bind_administrator(
            session, portal.tree, password_hash=HASH, password_changed_at=portal.clock.now
        )
    portal.clock.forward(days=90)
    visit = portal.visit()
    assert visit.log_in(owner.email or "", PASSWORD).location == "/passport/password"
    assert visit.get("/passport/me").location.startswith("/passport/password")
    assert "90天" in visit.get("/passport/password").text


def test_8_3_a_link_shows_its_page_as_often_as_it_is_opened_and_works_once(
    portal: Portal,
) -> None:
    """Programs that check mail open links too."""
    with portal.writing() as session:
        owner, _ = bind_administrator(session, portal.tree, password_hash="!", must_change=True)
        code = issue_activation_code(session, owner.id, portal.clock.now)
    path = f"/passport/activate?token={token_of(owner.number, code)}"
    visit, values = portal.visit(), {"token": token_of(owner.number, code)}
    for _ in range(3):
        assert "至少 12 位" in visit.get(path).text
    assert visit.get("/passport/me").location.startswith("/passport/login")  # not logged in by it
    weak = {"password": "123456", "password_again": "123456"}
    assert visit.post("/passport/activate", path, **values, **weak).status_code == 422
    good = {"password": PASSWORD, "password_again": PASSWORD}
    wrong = visit.post("/passport/activate", path, token=f"{owner.number}.{'A' * 12}", **good)
    assert "链接不正确或已失效" in wrong.text
    assert visit.post("/passport/activate", path, **values, **good).location == "/passport/me"
    assert "考务管理员" in visit.get("/passport/me").text
    again = portal.visit()
    assert again.get(path).location == "/passport/login"
    assert "链接不正确或已失效" in again.get("/passport/login").text
