"""Documents over REST, read from the registry: each x level x own, foreign and superior."""

from __future__ import annotations

import pytest

from app.database.unit_of_work import unit_of_work
from app.jobs import files
from app.jobs.machine import machine_of
from app.metadata import registry
from app.metadata.actor import system
from app.metadata.declarations import Document
from app.metadata.vocabulary import Level, Verb
from app.models.job import DocumentFile
from app.runtime import load_declarations
from tests.contract.work import LEVELS, OWN, code_of, granted, job
from tests.contract.world import World

load_declarations()
DOCUMENTS = {item.name: item for item in registry.declared(Document)}
EVERY_DOCUMENT = pytest.mark.parametrize("name", sorted(DOCUMENTS))


def made(world: World, declaration: Document, number: int = 0) -> DocumentFile:
    """A generated document of a site, with its bytes."""
    machine, tree = machine_of(world.runtime), world.tree
    kept = files.store(
        machine,
        world.actor(Level.SITE, number),
        b"document",
        folder="document",
        name="文件.bin",
        suffix=".bin",
        media_type=declaration.media_type,
        keep=files.UNCONFIRMED,
    )
    with unit_of_work(world.runtime.factory, system("seed")) as session:
        stored = files.row_by_id(session, type(kept), kept.id)
        assert stored is not None
        stored.expires_at = None
    run = job(world, declaration, "document", number, state="done")
    row: DocumentFile = world.plant(
        DocumentFile(
            **tree.path(tree.sites[number]),
            declaration=declaration.name,
            organisation_id=tree.sites[number].id,
            parameters={"order": "name"},
            fingerprint="0" * 64,
            file_id=kept.id,
            job_id=run.id,
        )
    )
    return row


@EVERY_DOCUMENT
@LEVELS
def test_a_document_is_seen_and_fetched_where_the_matrix_grants_it(
    world: World, name: str, level: Level
) -> None:
    declaration = DOCUMENTS[name]
    own, theirs = made(world, declaration), made(world, declaration, 1)
    browser = world.browser(level)
    state = browser.rest("GET", f"/document/{name}/?_size=200")
    assert state.status_code == (200 if granted(world, declaration, Verb.VIEW, level) else 403)
    found = {row["id"]: row for row in state.get_json().get("rows", ())}
    foreign = level is Level.SITE
    assert (str(own.id) in found, str(theirs.id) in found) == (True, not foreign)
    row = found[str(own.id)]
    assert (row["organisation"], row["values"]) == (OWN, {"order": "name"})
    assert row["stale"] is (True if level is Level.SITE else None)
    before = len(world.entries("job.document.download"))
    downloads = granted(world, declaration, Verb.DOWNLOAD, level)
    with browser.rest("GET", f"/document/file/{own.id}") as answer:
        assert answer.status_code == (200 if downloads else 403)
        assert not downloads or answer.get_data() == b"document"
    assert len(world.entries("job.document.download")) - before == int(downloads)
    assert world.get(DocumentFile, own.id).downloads == int(downloads)
    result = {"document_id": str(own.id)}
    run = job(world, declaration, "document", state="done", result=result)
    told = browser.rest("GET", f"/job/{run.id}").get_json()
    assert told["file"] == (f"/admin/58/api/v1/document/file/{own.id}" if downloads else None)
    expected = 404 if foreign else 200 if downloads else 403
    assert browser.rest("GET", f"/document/file/{theirs.id}").status_code == expected


@EVERY_DOCUMENT
@LEVELS
def test_a_document_is_asked_for_where_the_matrix_grants_it(
    world: World, name: str, level: Level
) -> None:
    declaration = DOCUMENTS[name]
    browser = world.browser(level)
    answer = browser.rest("POST", f"/document/{name}/", {})
    if not granted(world, declaration, Verb.GENERATE, level):
        assert code_of(answer) == (403, "policy.no_verb")
        return
    refusal = browser.rest("GET", f"/document/{name}/").get_json()["refusal"]
    assert answer.status_code == (409 if refusal else 202)
    assert not refusal or answer.get_json()["message"] == refusal
    for body, names in (
        ({"nonsense": 1}, {"nonsense"}),
        ({"values": []}, {"values"}),
        ({"values": {"nonsense": 1}}, {"nonsense"}),
    ):
        wrong = browser.rest("POST", f"/document/{name}/", body)
        assert (wrong.status_code, set(wrong.get_json()["errors"])) == (422, names)
    assert browser.rest("POST", f"/document/{name}/", {}, csrf=False).status_code == 400
    assert world.browser(level, exam=57).rest("POST", f"/document/{name}/", {}).status_code in (
        403,
        409,
    )
