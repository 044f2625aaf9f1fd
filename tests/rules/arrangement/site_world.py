"""A site with paid candidates, a room with sittings, and its arrangement."""

from __future__ import annotations

import datetime as dt

from app.database.policy import become
from app.database.session import KaowuSession
from app.models.arrangement import Room, Sitting
from app.models.registration import EntryState
from app.rules.arrangement import arrange
from tests import factories
from tests.factories import EXAM_DAYS, Tree

PERIODS = ((8, 10), (11, 13), (15, 17))


def paid_site(session: KaowuSession, *, candidates: int = 6) -> Tree:
    """A tree whose first site has paid candidates (every third with two subjects) and two rooms
    with three sittings a day; the session is the site's."""
    tree = factories.make_tree(session)
    for number in range(candidates):
        subjects = ["14", "24"] if number % 3 == 0 else ["24"]
        factories.make_registration(session, tree, subjects=subjects, state=EntryState.PAID)
    path = tree.path(tree.site)
    with factories.seeding(session):
        for code in ("01", "02"):
            room = Room(**path, number=code, address=f"实训楼 {code}")
            session.add(room)
            session.flush()
            for position, day in enumerate(EXAM_DAYS[:2]):
                for step, (start, end) in enumerate(PERIODS):
                    session.add(
                        Sitting(
                            **path,
                            room_id=room.id,
                            number=position * len(PERIODS) + step + 1,
                            day=day,
                            start=dt.time(start),
                            end=dt.time(end),
                            capacity=2,
                        )
                    )
    become(session, tree.actor())
    return tree


def arranged_site(session: KaowuSession, *, candidates: int = 6) -> Tree:
    """The same, arranged."""
    tree = paid_site(session, candidates=candidates)
    with factories.permitted(session):
        arrange.arrange(session, tree.site.id)
    return tree
