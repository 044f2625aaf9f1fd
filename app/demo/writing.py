"""The one permit under which demo rows are written where no rule does it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.orm import Session

import app.models  # noqa: F401 - maps every table, so that `writes` names them all
from app.database.base import Base
from app.metadata.actor import Actor, system
from app.metadata.declarations import Declaration
from app.metadata.errors import N_
from app.metadata.vocabulary import Verb
from app.rules.policy import permit

#: Granted to no role and not in the registry: only the system's own actor may use it.
DEMO = Declaration(
    name="demo",
    label=N_("演示数据"),
    per_exam=False,
    writes=tuple(mapper.class_ for mapper in Base.registry.mappers),
)
TASK = "demo data"


def writer(exam_id: int | None = None) -> Actor:
    """Whom the log names."""
    return system(TASK, exam_id)


@contextmanager
def writing(session: Session) -> Iterator[None]:
    """Write any row; flushed at the end."""
    with permit(session, DEMO, Verb.ADD):
        yield
