"""Tables, one module per area, each with its metadata. Importing this maps them all."""

from app.models import (
    account,
    arrangement,
    audit,
    capacity,
    default_settings,
    exam,
    job,
    organisation,
    payment,
    registration,
    roster,
    roster_moves,
    settings,
)

__all__ = [
    "account",
    "arrangement",
    "audit",
    "capacity",
    "default_settings",
    "exam",
    "job",
    "organisation",
    "payment",
    "registration",
    "roster",
    "roster_moves",
    "settings",
]
