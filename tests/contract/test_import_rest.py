"""Imports and jobs over REST, read from the registry: every import x level x own, foreign and
superior x window."""

from __future__ import annotations

import io
from typing import Any

import pytest
from werkzeug.test import TestResponse

from app.jobs import files
from app.jobs.machine import machine_of
from app.metadata import registry
from app.metadata.declarations import Import
from app.metadata.vocabulary import ADMINISTRATORS, Level, Verb
from app.models.job import JobRun
from app.runtime import load_declarations
from tests.contract.work import FOREIGN, LEVELS, closed, code_of, granted, job, unused
from tests.contract.world import ADDRESS, AGENT, World

load_declarations()
IMPORTS = {item.name: item for item in registry.declared(Import)}
EVERY_IMPORT = pytest.mark.parametrize("name", sorted(IMPORTS))


def send(
    world: World,
    name: str,
    content: bytes = b"x",
    *,
    level: Level = Level.SITE,
    exam: int = 58,
    file: str = "a.xlsx",
    query: str = "",
    **parts: Any,
) -> TestResponse:
    """Upload to an import."""
    browser = world.browser(level, exam=exam)
    return browser.client.post(
        f"{browser.prefix}/api/v1/import/{name}/{query}",
        data=parts | {"file": (io.BytesIO(content), file)},
        headers={"User-Agent": AGENT, "X-CSRFToken": world.csrf()},
        environ_overrides=ADDRESS,
    )


# ---------------------------------------------------------------- imports


@EVERY_IMPORT
@LEVELS
def test_an_import_is_read_where_the_matrix_grants_it(
    world: World, name: str, level: Level
) -> None:
    browser, declaration = world.browser(level), IMPORTS[name]
    may = granted(world, declaration, Verb.VIEW, level)
    listed = {row["name"] for row in browser.rest("GET", "/import/").get_json()["rows"]}
    assert (name in listed) is may
    kind = browser.rest("GET", f"/import/{name}/")
    with browser.rest("GET", f"/import/{name}/template") as template:
        assert template.status_code == (200 if may else 403)
        assert not may or template.get_data().startswith(b"PK")
    assert kind.status_code == (200 if may else 403)
    if may:
        found = kind.get_json()
        wanted = [column.name for column in declaration.columns if column.form]
        assert [column["name"] for column in found["columns"]] == wanted
        runs = granted(world, declaration, Verb.RUN, level)
        assert (found["refusal"] is None) == (runs and not unused(world, declaration, level))


@EVERY_IMPORT
@LEVELS
def test_an_upload_is_taken_where_the_matrix_grants_it(
    world: World, name: str, level: Level
) -> None:
    """What is no workbook: refused for its content where the sender may import at all."""
    declaration, before = IMPORTS[name], len(world.entries())
    answer = send(world, name, level=level)
    if not granted(world, declaration, Verb.RUN, level):
        assert code_of(answer) == (403, "policy.no_verb")
    elif unused(world, declaration, level):
        assert code_of(answer) == (403, "policy.not_used")
    else:
        assert code_of(answer) == (422, "import.upload")
    assert len(world.entries()) == before


@EVERY_IMPORT
@LEVELS
def test_r0_2_outside_the_window_an_upload_is_refused(
    world: World, name: str, level: Level
) -> None:
    declaration = IMPORTS[name]
    if declaration.window is None or not granted(world, declaration, Verb.RUN, level):
        pytest.skip("no window decides here")
    with closed(world, declaration.window):
        answer = send(world, name, level=level)
        bound = declaration.is_gated(Verb.RUN, level)
        refusal = world.browser(level).rest("GET", f"/import/{name}/").get_json()["refusal"]
    assert code_of(answer) == ((403, "policy.window_closed") if bound else (422, "import.upload"))
    assert (refusal is not None) is bound


@EVERY_IMPORT
@LEVELS
def test_r0_4_nothing_is_uploaded_to_a_history_session(
    world: World, name: str, level: Level
) -> None:
    if not granted(world, IMPORTS[name], Verb.RUN, level):
        pytest.skip("not this level's")
    answer = send(world, name, level=level, exam=57)
    assert answer.status_code == 403


@EVERY_IMPORT
@pytest.mark.parametrize(
    ("parts", "names"),
    [
        ({"nonsense": "1"}, {"nonsense"}),
        ({"other": (io.BytesIO(b"x"), "b.xlsx")}, {"other"}),
        ({"dry_run": "perhaps"}, {"dry_run"}),
        ({"dry_run": ["true", "true"]}, {"dry_run"}),
        ({"dry_run": ""}, {"dry_run"}),
        ({"again": " "}, {"again"}),
        ({"dry_run": (io.BytesIO(b"true"), "x.txt")}, {"dry_run"}),
        ({"overwrite": (io.BytesIO(b"true"), "x.txt")}, {"overwrite"}),
    ],
)
def test_wrong_parts_of_an_upload_are_named(
    world: World, name: str, parts: dict[str, Any], names: set[str]
) -> None:
    parts = {  # a stream is read once
        key: (io.BytesIO(b"x"), value[1]) if isinstance(value, tuple) else value
        for key, value in parts.items()
    }
    level = next(one for one in ADMINISTRATORS if granted(world, IMPORTS[name], Verb.RUN, one))
    before = len(world.entries())
    answer = send(world, name, level=level, **parts)
    assert answer.status_code == 422
    assert set(answer.get_json()["errors"]) == names
    assert len(world.entries()) == before


def test_a_check_is_never_an_import_because_its_flag_was_not_understood(world: World) -> None:
    """What stands in the address, or a tick of the import that says neither yes nor no."""
    name, content = "student_record_import", b"PK\x03\x04"
    before = len(world.entries())
    address = send(world, name, content, query="?dry_run=true")
    assert (address.status_code, set(address.get_json()["errors"])) == (422, {"dry_run"})
    assert "请求内容" in address.get_json()["errors"]["dry_run"][0]
    blank = send(world, name, content, overwrite="", file="")
    assert (blank.status_code, set(blank.get_json()["errors"])) == (422, {"file", "overwrite"})
    assert len(world.entries()) == before


@EVERY_IMPORT
def test_an_upload_is_a_form_with_a_file_and_carries_the_token(world: World, name: str) -> None:
    level = next(one for one in ADMINISTRATORS if granted(world, IMPORTS[name], Verb.RUN, one))
    browser = world.browser(level)
    assert browser.rest("POST", f"/import/{name}/", {}).status_code == 415
    empty = send(world, name, level=level, file="")
    assert (empty.status_code, set(empty.get_json()["errors"])) == (422, {"file"})
    assert browser.rest("POST", f"/import/{name}/", {}, csrf=False).status_code == 400
    assert world.nobody().rest("GET", "/import/").status_code == 401


@pytest.mark.parametrize(
    ("content", "file", "part"),
    [
        (b"PK\x03\x04", "a.xlsm", "宏"),
        (b"Rar!\x1a\x07", "a.xlsx", ".rar"),
        (b"", "a.xlsx", "空的"),
        (b"<html>", "a.xls", "HTML"),
        (b"PK\x03\x04", "a.zip", "格式不正确"),
    ],
)
def test_n16_a_file_is_refused_as_on_the_page(
    world: World, content: bytes, file: str, part: str
) -> None:
    answer = send(world, "student_record_import", content, file=file)
    assert code_of(answer) == (422, "import.upload")
    assert part in answer.get_json()["message"]


def test_p3_a_superior_imports_for_a_site_and_a_site_for_itself_alone(world: World) -> None:
    name, content = "student_record_import", b"PK\x03\x04"
    options: dict[str, Any] = {"site": FOREIGN, "dry_run": "true"}
    answer = send(world, name, content, level=Level.PROVINCE, **options)
    assert answer.status_code == 202
    run = world.get(JobRun, int(answer.get_json()["job"]))
    assert (run.organisation_code, run.on_behalf_of) == ("99", FOREIGN)
    assert run.parameters["apply"] is False
    assert world.browser(number=1).rest("GET", f"/job/{run.id}").status_code == 404
    foreign = send(world, name, content, **options)
    assert (foreign.status_code, set(foreign.get_json()["errors"])) == (422, {"site"})


# ---------------------------------------------------------------- jobs


@EVERY_IMPORT
@LEVELS
def test_a_job_is_seen_above_and_handled_by_who_could_have_made_it(
    world: World, name: str, level: Level
) -> None:
    declaration = IMPORTS[name]
    run, theirs = job(world, declaration, "import"), job(world, declaration, "import", 1)
    browser = world.browser(level)
    assert browser.rest("GET", f"/job/{run.id}").status_code == 200
    seen = 404 if level is Level.SITE else 200
    for tail in ("", "/errors"):
        assert browser.rest("GET", f"/job/{theirs.id}{tail}").status_code == seen
    listed = browser.rest("GET", "/job/?state=queued&_size=200").get_json()
    found = {row["id"] for row in listed["rows"]}
    assert str(run.id) in found
    assert (str(theirs.id) in found) is (seen == 200)
    own = level is Level.SITE  # whoever asked for it, whatever the matrix says since
    may = own or granted(world, declaration, Verb.RUN, level)
    assert browser.rest("GET", f"/job/{run.id}/report").status_code == 404
    submit = browser.rest("POST", f"/job/{run.id}/submit")
    runs = granted(world, declaration, Verb.RUN, level)
    wanted = (409, "import.not_submittable") if runs else (403, "policy.no_verb")
    assert code_of(submit) == wanted
    for place in (theirs, run):  # the foreign one first
        if place is theirs and own:
            assert browser.rest("POST", f"/job/{place.id}/cancel").status_code == 404
            continue
        answer = browser.rest("POST", f"/job/{place.id}/cancel")
        assert answer.status_code == (200 if may else 403)
        assert not may or answer.get_json()["state"] == "cancelled"
    again = browser.rest("POST", f"/job/{run.id}/cancel")
    assert again.status_code == (409 if may else 403)


@LEVELS
def test_a_job_offers_each_reader_only_what_he_may_do(world: World, level: Level) -> None:
    """On its page and over REST: 提交 to who imports, the file to who could have made the job."""
    declaration = IMPORTS["student_record_import"]
    kept = files.store(
        machine_of(world.runtime),
        world.actor(Level.SITE),
        b"PK",
        folder="report",
        name="a.xlsx",
        suffix=".xlsx",
        media_type="application/zip",
        keep=files.UNCONFIRMED,
    )
    leads: dict[str, Any] = {"source_file_id": kept.id, "report_file_id": kept.id}
    facts = {"counts": [], "error_count": 0}
    check: dict[str, Any] = {"parameters": {"apply": False}, "result": facts, **leads}
    run = job(world, declaration, "import", state="done", **check)
    browser = world.browser(level)
    told = browser.rest("GET", f"/job/{run.id}").get_json()
    page = browser.get(f"/jobs/{run.id}/").get_data(as_text=True)
    runs = granted(world, declaration, Verb.RUN, level)
    assert (told["submittable"], f"/{run.id}/submit" in page) == (runs, runs)
    address = f"/admin/58/api/v1/job/{run.id}/report" if runs else None
    assert (told["file"], f"/jobs/{run.id}/file" in page) == (address, runs)
    with browser.rest("GET", f"/job/{run.id}/report") as report:
        assert report.status_code == (200 if runs else 404)


def test_the_file_is_described_as_it_must_be_in_any_language(world: World) -> None:
    browser = world.browser()
    browser.get("/lang/en")
    found = browser.rest("GET", "/import/student_record_import/").get_json()
    columns = {column["name"]: column for column in found["columns"]}
    assert found["sheet"] == "学籍信息模板"
    assert columns["id_number"]["heading"] == "证件号码"
    assert columns["id_number"]["label"] == "ID number"


def test_errors_of_a_job_are_read_page_by_page(world: World) -> None:
    declaration = IMPORTS["student_record_import"]
    errors = [
        {"sheet": "甲", "row": number, "column": "姓名", "value": "", "message": "必填"}
        for number in range(1, 46)
    ]
    facts = {"error_count": 60, "error_rows": 45}
    run = job(world, declaration, "import", state="rejected", errors=errors, result=facts)
    browser = world.browser()
    told = browser.rest("GET", f"/job/{run.id}").get_json()
    assert (told["error_count"], len(told["errors"])) == (60, 20)
    page = browser.rest("GET", f"/job/{run.id}/errors?_page=3").get_json()
    assert (page["count"], page["more"], page["page"], page["size"]) == (45, True, 3, 20)
    assert [row["row"] for row in page["rows"]] == [41, 42, 43, 44, 45]
    assert page["rows"][0]["message"] == "必填"


@pytest.mark.parametrize("query", ["nonsense=1", "state=lost"])
def test_the_list_of_jobs_refuses_what_it_does_not_offer(world: World, query: str) -> None:
    assert world.browser().rest("GET", f"/job/?{query}").status_code == 422


def test_what_is_sent_to_a_call_without_a_body_is_refused(world: World) -> None:
    run = job(world, IMPORTS["student_record_import"], "import")
    browser = world.browser()
    answer = browser.rest("POST", f"/job/{run.id}/cancel", {"force": True})
    assert (answer.status_code, set(answer.get_json()["errors"])) == (422, {"force"})
    assert browser.rest("POST", f"/job/{run.id}/retry", {}).status_code == 409
    assert browser.rest("POST", f"/job/{run.id}/cancel", {}).status_code == 200
    assert browser.rest("POST", f"/job/{run.id}/retry").get_json()["state"] == "queued"
