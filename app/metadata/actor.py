"""Who acts. Every rule, session and job is handed one explicitly."""

from __future__ import annotations

from dataclasses import dataclass, replace

from app.metadata.vocabulary import Level, Verb

#: (declaration name, verb) pairs of the living permission matrix.
Grants = frozenset[tuple[str, Verb]]


@dataclass(frozen=True, slots=True)
class Actor:
    """A person (or task) in one exam session, with the place that bounds what he sees.

    `province_id`, `city_id`, `site_id` are `Organisation.id` values of that session, from the
    top down to the actor's own organisation; codes are the same places across sessions.
    `grants` is the living matrix for his roles; None means the declared defaults of his level.
    """

    passport_id: int | None
    level: Level
    exam_id: int | None
    organisation_id: int | None = None
    province_id: int | None = None
    city_id: int | None = None
    site_id: int | None = None
    organisation_code: str = ""
    province_code: str = ""
    city_code: str = ""
    site_code: str = ""
    roles: frozenset[str] = frozenset()
    grants: Grants | None = None
    #: task of a system actor ("expire orders"); None for people.
    task: str | None = None
    #: a superior who acts for an organisation (P3): its code, for the audit.
    on_behalf_of: str | None = None
    name: str = ""

    @property
    def is_system(self) -> bool:
        return self.task is not None

    @property
    def is_super(self) -> bool:
        return "super" in self.roles

    def behalf(self, organisation_code: str) -> Actor:
        """The same actor, on behalf of an organisation of his scope (P3)."""
        return replace(self, on_behalf_of=organisation_code)


def system(task: str, exam_id: int | None = None) -> Actor:
    """The actor of call-backs, sweeps and start-up tasks; every write names the task."""
    return Actor(passport_id=None, level=Level.CENTER, exam_id=exam_id, task=task, name=task)


def candidate(passport_id: int, exam_id: int) -> Actor:
    """A candidate in the current session: sees his own rows and what is public."""
    return Actor(passport_id=passport_id, level=Level.CANDIDATE, exam_id=exam_id)
