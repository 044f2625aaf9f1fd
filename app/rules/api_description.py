"""接口说明: the page on which an administrator reads which calls of REST are his."""

from __future__ import annotations

from app.metadata.declarations import Declaration, Place
from app.metadata.errors import N_
from app.metadata.registry import register
from app.metadata.vocabulary import ADMINISTRATORS, Area, Verb

_VIEW = frozenset({Verb.VIEW})

API_DESCRIPTION = register(
    Declaration(
        name="api_description",
        label=N_("接口说明"),
        menu=Place(Area.SYSTEM, 60),
        verbs=dict.fromkeys(ADMINISTRATORS, _VIEW),
        super_verbs=_VIEW,
        per_exam=False,
        legal_verbs=_VIEW,
    )
)
