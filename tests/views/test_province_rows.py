"""Lists whose rows belong to provinces: 考试日期, 省开考科目."""

from __future__ import annotations

import datetime as dt

from sqlalchemy import delete

from app.database.unit_of_work import unit_of_work
from app.metadata.actor import system
from app.metadata.vocabulary import Level
from app.models.exam import ExamDay
from tests.contract.world import World, text_of
from tests.factories import seeding


def test_r0_6a_rows_of_provinces_are_narrowed_to_provinces_alone(office: World) -> None:
    for path in ("/exam-day/", "/province-subject/"):
        # the filter would find nothing: all rows are of the reader's own province
        for level in (Level.PROVINCE, Level.CITY):
            assert 'name="_org"' not in office.browser(level).get(path).get_data(as_text=True)
        page = office.browser(Level.CENTER).get(path).get_data(as_text=True)
        assert 'name="_org"' in page
        assert '<option value="99"' in page
        assert f'<option value="{office.tree.sites[0].code}"' not in page
        found = office.browser(Level.CENTER).get(f"{path}organisations?q=99").get_json()
        assert [item["id"] for item in found] == ["99"]


def test_r0_6a_the_centre_reads_the_days_of_provinces_and_keeps_its_own(office: World) -> None:
    tree, day = office.tree, dt.date(2027, 2, 27)
    with unit_of_work(office.runtime.factory, system("seed")) as session, seeding(session):
        row = ExamDay(exam_id=tree.exam.id, province_id=tree.province.id, day=day)
        session.add(row)
        session.flush()
        row_id = row.id
    browser = office.browser(Level.CENTER)
    listed = browser.get("/exam-day/?_org=99")
    assert "2027-02-27" in text_of(listed)
    assert f"/exam-day/edit/{row_id}" not in listed.get_data(as_text=True)
    assert browser.post(f"/exam-day/delete/{row_id}", htmx=True).status_code == 422
    assert office.get(ExamDay, row_id) is not None
    with unit_of_work(office.runtime.factory, system("clean up")) as session, seeding(session):
        session.execute(delete(ExamDay).where(ExamDay.id == row_id))
