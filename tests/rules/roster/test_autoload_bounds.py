"""学籍自动载入 (R19.3a): what is never filled in, and how often one person may be asked for."""

from __future__ import annotations

import pytest

from app.database.policy import become
from app.database.session import KaowuSession
from app.models.settings import ClassOption
from app.rules.rate_limit import TooMany
from app.rules.roster import autoload
from app.rules.site import load_site
from tests import factories
from tests.rules.roster.roster_world import add_record, set_policy


def test_r19_3a_contacts_stay_out_and_nobody_is_asked_for_too_often(
    session: KaowuSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many passports ask: each of them has attempts left."""
    monkeypatch.setattr(autoload, "RATE_PERSON", (2, 60))
    tree = factories.make_tree(session)
    set_policy(session, tree, tree.site)
    record = add_record(session, tree, mobile="13812345678", email="a@example.com")
    typed = autoload.Typed(record.name, record.id_type, record.id_number)

    def loaded() -> set[str]:
        become(session, tree.candidate(factories.make_passport(session)))
        return set(autoload.autoload(session, load_site(session, tree.site.id), typed) or ())

    first = loaded()
    assert {"department", "class_name"} <= first
    assert not {"mobile", "email"} & first
    path = tree.path(tree.site)
    factories.plant(session, ClassOption(**path, name="会计一班", position=1))
    assert loaded() == first - {"class_name"}  # R18.2: not one of the site's classes
    with pytest.raises(TooMany):
        loaded()
