"""Registrations of two sites, for everything about the scope."""

from __future__ import annotations

import pytest

from app.database.session import KaowuSession
from tests.factories import Tree, make_registration, make_tree


@pytest.fixture
def tree(session: KaowuSession) -> Tree:
    """Two sites with two and one registrations, and one registration in a history session."""
    made = make_tree(session, sites=2)
    for number, subjects in ((0, ("14", "24")), (0, ("14",)), (1, ("26",))):
        make_registration(session, made, made.sites[number], subjects=subjects)
    history = make_tree(session, number=57, state="history", sites=1)
    make_registration(session, history, history.site)
    return made
