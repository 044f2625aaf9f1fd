"""Tables, one module per area, each with its metadata. Importing this maps them all."""

from app.models import (
    account,
    arrangement,
    audit,
    exam,
    job,
    organisation,
    payment,
    registration,
    settings,
)

__all__ = [
    "account",
    "arrangement",
    "audit",
    "exam",
    "job",
    "organisation",
    "payment",
    "registration",
    "settings",
]
