"""Answers of the portal to what no honest browser sends (ASVS 7, 12)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.portal.passport_world import ADDRESS, Portal, open_portal
from tests.portal.registration_world import Candidate


@pytest.fixture
def portal(fresh_database: str, instance: Path) -> Iterator[Portal]:
    with open_portal(fresh_database, instance) as made:
        yield made


def test_an_upload_that_is_too_large_is_refused_with_a_page(portal: Portal) -> None:
    client = portal.app.test_client()
    too_large = b"0" * (portal.app.config["MAX_CONTENT_LENGTH"] + 1)
    kind = "multipart/form-data; boundary=x"
    answer = client.post("/registration/photo", base_url=ADDRESS, data=too_large, content_type=kind)
    assert answer.status_code == 413
    assert "上传的内容过大" in answer.text


@pytest.mark.parametrize("key", ["9223372036854775808", "99999999999999999999999"])
def test_a_number_too_large_for_a_key_is_not_found(portal: Portal, key: str) -> None:
    candidate = Candidate(portal)
    assert candidate.get(f"/registration/notice/{key}").status_code == 404
