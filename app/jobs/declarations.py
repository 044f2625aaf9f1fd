"""任务监控: the page on which everybody sees the jobs of his scope (R0.6)."""

from __future__ import annotations

from app.metadata.declarations import Declaration, Place
from app.metadata.errors import N_
from app.metadata.registry import register
from app.metadata.vocabulary import ADMINISTRATORS, Area, Verb

_VIEW = frozenset({Verb.VIEW})

JOBS = register(
    Declaration(
        name="jobs",
        label=N_("任务监控"),
        menu=Place(Area.SYSTEM, 40),
        verbs=dict.fromkeys(ADMINISTRATORS, _VIEW),
        super_verbs=_VIEW,
    )
)
