"""The steps of a candidate, through the real rules: what most tests of registration begin with."""

from __future__ import annotations

import datetime as dt
import functools
import io
from collections.abc import Mapping, Sequence
from typing import Any

from PIL import Image
from sqlalchemy.orm import Session

from app.adapters.files import FileStore
from app.database.policy import become
from app.models.account import Passport
from app.models.organisation import Organisation
from app.models.registration import Registration
from app.rules.clock import Clock, fixed
from app.rules.photo import upload_photo
from app.rules.registration.person import register
from app.rules.registration.subjects import choose_subjects
from app.rules.roster.attempts import Counted
from app.rules.site import load_site, notices_of
from tests.factories.ground import Tree
from tests.factories.people import make_passport, person

#: for tests that are not about the number of attempts
COUNTED = Counted(at=dt.datetime(2026, 7, 1, tzinfo=dt.UTC))


@functools.cache
def jpeg(width: int = 300, height: int = 400, size: int = 30_000) -> bytes:
    """A JPEG photo of that many pixels and about `size` bytes: noise fills it up."""
    noise = Image.effect_noise((width, height), 60).convert("RGB")
    best = b""
    for quality in range(5, 100, 5):
        target = io.BytesIO()
        noise.save(target, "JPEG", quality=quality)
        best = target.getvalue()
        if len(best) >= size:
            break
    return best


def enter(
    session: Session,
    tree: Tree,
    site: Organisation | None = None,
    *,
    passport: Passport | None = None,
    photo: bool = True,
    clock: Clock | None = None,
    **values: Any,
) -> Registration:
    """A candidate with personal data (and photo) at a site; the session is his afterwards."""
    passport = passport or make_passport(session)
    clock = clock or fixed(tree.now)
    become(session, tree.candidate(passport))
    site_id = (site or tree.site).id
    version = notices_of(session, load_site(session, site_id)).version
    row = register(
        session,
        site_id,
        person(**values),
        notice_version=version,
        counted=COUNTED,
        clock=clock,
    )
    if photo:
        upload_photo(session, row.id, jpeg(), FileStore("memory://photos"), clock=clock)
    return row


def choose(
    session: Session,
    tree: Tree,
    row: Registration,
    subjects: Sequence[str] | Mapping[str, dt.date | None],
    *,
    clock: Clock | None = None,
) -> Registration:
    """Choose these subjects, without or with preference days."""
    choices = subjects if isinstance(subjects, Mapping) else dict.fromkeys(subjects)
    choose_subjects(session, row.id, choices, clock=clock or fixed(tree.now))
    return session.get_one(Registration, row.id)
