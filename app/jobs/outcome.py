"""What came of a job, as its row keeps it and its page shows it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from app.jobs import ledger
from app.metadata.sentences import kept, told


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a job leaves on its row. `counts`: (Chinese label, number); `notes`: sentences;
    `errors`: at most 1,000 rows for the screen (R38.5); `facts`: further JSON values. Sentences
    are kept with their parameters, to be told in the reader's language (`sentences.told`)."""

    counts: tuple[tuple[str, int], ...] = ()
    notes: tuple[str, ...] = ()
    errors: tuple[Mapping[str, Any], ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    error: str | None = None
    report_file_id: int | None = None
    progress: int | None = None

    def values(self) -> dict[str, Any]:
        """Columns of the row."""
        found: dict[str, Any] = {
            "result": {
                "counts": [{"label": label, "n": number} for label, number in self.counts],
                "notes": [kept(note) for note in self.notes],
                **({"error": kept(self.error)} if self.error else {}),
                **self.facts,
            },
            "errors": [dict(row) for row in self.errors],
            "error": self.error[: ledger.ERROR_LENGTH] if self.error else None,
        }
        if self.report_file_id is not None:
            found["report_file_id"] = self.report_file_id
        if self.progress is not None:
            found |= {"progress": self.progress, "total": self.progress}
        return found


def message_of(error: Mapping[str, Any]) -> Any:
    """The sentence of one stored error, to be told in the reader's language."""
    return told(error.get("said", error["message"]))


def remarks_of(result: Mapping[str, Any] | None, error: str | None) -> list[Any]:
    """Why a job ended as it did, and its notes: sentences, to be told likewise."""
    found = result or {}
    reason = [told(found.get("error", error))] if error else []
    return [*reason, *(told(note) for note in found.get("notes", ()))]
