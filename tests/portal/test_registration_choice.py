"""Photo, subjects and review over HTTP: refusals, seats, days, locks, collective candidates."""

from __future__ import annotations

import datetime as dt
import io
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from werkzeug.test import TestResponse

from app.metadata.vocabulary import Window
from app.models.registration import Life, Review
from tests.factories import add_site, jpeg
from tests.portal.passport_world import ADDRESS, Portal, open_portal
from tests.portal.registration_world import (
    PAYMENT,
    STATUS,
    Candidate,
    change_capacity,
    change_row,
    change_settings,
    change_window,
    collective,
    main_action,
)


@pytest.fixture
def portal(fresh_database: str, instance: Path) -> Iterator[Portal]:
    with open_portal(fresh_database, instance) as made:
        yield made


@pytest.fixture
def candidate(portal: Portal) -> Candidate:
    return Candidate(portal)


# ---------------------------------------------------------------- photo


def png() -> bytes:
    target = io.BytesIO()
    Image.effect_noise((300, 400), 90).convert("RGB").resize((150, 200)).save(target, "PNG")
    return target.getvalue()


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "请先选择照片"),
        (b"\xff\xd8" + b"x" * 30_000, "不是完整的JPEG照片"),
        (jpeg(143, 191, 21_000), "至少应为144×192像素"),
        (jpeg(400, 300), "宽高比例应接近3:4"),
        (jpeg(size=1), "照片文件应为20–200KB"),
        (png(), "不是完整的JPEG照片"),
    ],
    ids=["nothing", "broken", "pixels", "ratio", "size", "png"],
)
def test_3_11_the_server_refuses_photos_and_says_why(
    candidate: Candidate, data: bytes, sentence: str
) -> None:
    candidate.register([])
    before = candidate.row().photo_id
    answer = candidate.upload(data)
    assert answer.status_code == 422
    assert sentence in answer.text
    assert candidate.row().photo_id == before


def test_the_own_photo_is_shown_as_it_will_be_printed(candidate: Candidate) -> None:
    candidate.register([])
    answer = candidate.get("/registration/photo.jpg")
    assert answer.mimetype == "image/jpeg"
    assert answer.headers["Cache-Control"] == "private, no-store"
    with Image.open(io.BytesIO(answer.data)) as picture:
        assert picture.size == (240, 320)


def test_r26_3_a_rejected_photo_is_answered_by_a_new_one(
    portal: Portal, candidate: Candidate
) -> None:
    change_settings(portal, review_required=True)
    row = candidate.register()
    change_row(
        portal,
        row,
        review=Review.REJECTED.value,
        reject_type="2",
        reject_reason="照片背景不是浅色",
        photo_renewal=True,
    )
    answer = candidate.get(STATUS)
    assert "照片背景不是浅色" in answer.text
    assert "照片有问题" in answer.text
    assert main_action(answer) == "重新上传照片"
    assert "照片背景不是浅色" in candidate.get("/registration/photo").text
    candidate.post("/registration/submit", form=STATUS)
    assert candidate.row().review == Review.REJECTED
    assert candidate.upload().location == STATUS
    assert main_action(candidate.get(STATUS)) == "提交审核"


# ---------------------------------------------------------------- subjects


def ticked(answer: TestResponse) -> set[str]:
    found = re.findall(r'name="subject" value="(\d\d)"[^>]*?( checked)?(?: [\w-]+)*>', answer.text)
    return {code for code, checked in found if checked}


def test_n1_a_full_subject_is_named_and_the_others_stay_ticked(
    portal: Portal, candidate: Candidate
) -> None:
    candidate.register([])
    change_settings(portal, max_subjects=3)
    change_capacity(portal, "S:24", 1)
    token_page = candidate.get("/registration/subjects")
    assert "余 1" in token_page.text
    Candidate(portal).register(["24"])
    answer = candidate.choose(["14", "24", "26"])
    assert answer.status_code == 409
    assert "科目24名额已满" in answer.text
    assert ticked(answer) == {"14", "26"}
    assert candidate.entries() == {}
    assert candidate.choose(["14", "26"]).location == STATUS
    assert candidate.entries() == {"14": "unpaid", "26": "unpaid"}


def test_r10_4_more_subjects_than_allowed_are_refused(portal: Portal, candidate: Candidate) -> None:
    change_settings(portal, max_subjects=1)
    candidate.register([])
    answer = candidate.choose(["14", "24"])
    assert "最多允许报考1科" in answer.text
    assert ticked(answer) == {"14", "24"}


def test_a_held_subject_can_be_given_up_even_where_all_seats_are_taken(
    portal: Portal, candidate: Candidate
) -> None:
    candidate.register(["14"])
    change_capacity(portal, "S:14", 1)
    answer = candidate.get("/registration/subjects")
    assert ticked(answer) == {"14"}
    assert 'class="subject full"' not in answer.text
    assert candidate.choose(["24"]).location == STATUS
    assert candidate.entries() == {"14": "deleted", "24": "unpaid"}


def test_r14_6_days_are_offered_where_the_province_allows_them(
    portal: Portal, candidate: Candidate
) -> None:
    with portal.writing() as session:
        site = add_site(session, portal.tree, "990703", day_quota=1)
    candidate.register([], site)
    assert 'name="day-14" value="2026-09-20"' in candidate.get("/registration/subjects").text
    assert candidate.choose({"14": "2026-09-20"}).location == STATUS
    assert "意向 2026-09-20" in candidate.get(STATUS).text
    other = Candidate(portal)
    other.register([], site)
    answer = other.choose({"14": "2026-09-20"})
    assert answer.status_code == 409
    assert "2026-09-20" in answer.text
    plain = Candidate(portal)
    plain.register([])
    assert 'name="day-14"' not in plain.get("/registration/subjects").text
    answer = plain.choose({"14": "2026-09-20"})
    assert "不能选择意向考试日期" in answer.text


def test_seats_are_told_to_the_page(portal: Portal, candidate: Candidate) -> None:
    candidate.register(["14"])
    answer = candidate.get("/registration/seats", headers={"Accept": "application/json"})
    assert answer.json == {
        "total": 999,
        "subjects": {"14": 499, "24": 500, "26": 500},
        "days": {},
    }


# ---------------------------------------------------------------- review, lock, withdrawal


def test_r25_25_submitting_locks_and_payment_waits_for_approval(
    portal: Portal, candidate: Candidate
) -> None:
    change_settings(portal, review_required=True)
    row = candidate.register()
    assert main_action(candidate.get(STATUS)) == "提交审核"
    candidate.post("/registration/submit", form=STATUS)
    row = candidate.row()
    assert (row.review, row.locked) == (Review.PENDING, True)
    page = candidate.get(STATUS).text
    assert "待审核" in page
    assert "提交审核，请等待" in page
    assert "报名信息已锁定" in candidate.get("/registration/person").text
    candidate.post(f"{PAYMENT}order", form=PAYMENT)
    assert "审核通过后才能支付" in candidate.get(PAYMENT).text
    change_row(portal, row, review=Review.APPROVED.value)
    assert main_action(candidate.get(STATUS)) == "去缴费"


def test_r26_2_a_rejection_of_the_data_leads_to_the_data(
    portal: Portal, candidate: Candidate
) -> None:
    change_settings(portal, review_required=True)
    row = candidate.register()
    change_row(portal, row, review="rejected", reject_type="1", reject_reason="姓名与证件不一致")
    answer = candidate.get(STATUS)
    assert "姓名与证件不一致" in answer.text
    assert main_action(answer) == "修改报名信息"


def test_withdrawing_frees_seat_and_person(portal: Portal, candidate: Candidate) -> None:
    row = candidate.register(["14"])
    answer = candidate.post("/registration/withdraw", form=STATUS)
    assert answer.location == "/"
    assert "名额已释放" in candidate.get("/").text
    assert candidate.row().life == Life.DELETED
    seats = Candidate(portal)
    seats.register([])
    assert (seats.get("/registration/seats").json or {})["total"] == 1000
    candidate.accept()
    assert candidate.fill_in(id_number=row.id_number).location == "/registration/photo"


def test_r22_8a_who_did_not_pay_in_time_learns_it(portal: Portal, candidate: Candidate) -> None:
    row = candidate.register(["14"])
    assert "逾期未支付的报考自动取消" in candidate.get(STATUS).text
    change_row(portal, row, life=Life.EXPIRED.value)
    text = candidate.get("/").text
    assert "因超时未支付已自动取消" in text
    assert "开始报名" in text


def test_r15_4_collective_candidates_view_pay_and_print_only(portal: Portal) -> None:
    owner = portal.passport()
    collective(portal, owner, subjects=("14",))
    candidate = Candidate(portal, owner)
    answer = candidate.get(STATUS)
    assert main_action(answer) == "去缴费"
    assert "由考点集体办理" in answer.text
    assert "/registration/withdraw" not in answer.text
    for path in ("person", "photo", "subjects"):
        page = candidate.get(f"/registration/{path}").text
        assert "由考点集体办理" in page
        assert "action-bar" in page
        assert f'form="{path}-form"' not in page
    token = {"csrf_token": candidate.token(PAYMENT)}
    for path in ("withdraw", "submit"):
        candidate.client.post(f"/registration/{path}", base_url=ADDRESS, data=token)
        assert "由考点集体办理" in candidate.get(STATUS).text
    assert candidate.row().life == Life.ACTIVE
    assert candidate.at_the_bank("succeed").location == STATUS
    assert candidate.entries() == {"14": "paid"}


def test_r0_2_outside_the_online_time_pages_say_so(portal: Portal, candidate: Candidate) -> None:
    candidate.register(["14"])
    change_window(
        portal, Window.ONLINE, *(portal.clock.now + dt.timedelta(days=d) for d in (-3, -1))
    )
    assert "现在不在网上报名时间内" in candidate.get(STATUS).text
    answer = candidate.choose(["24"])
    assert answer.status_code == 422
    assert candidate.entries() == {"14": "unpaid"}
