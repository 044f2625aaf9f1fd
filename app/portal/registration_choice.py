"""Photo and subjects of a registration."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass

from flask import Response, flash, jsonify, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from app.metadata.errors import KaowuError, NotFound
from app.models.exam import SUBJECT_LEVELS
from app.models.registration import Entry, Photo
from app.portal import context, progress, services
from app.portal.progress import Standing
from app.portal.registration import blueprint, my_registration, my_standing
from app.rules import photo as photos
from app.rules.offer import Offer, OfferedSubject, offer_of
from app.rules.registration import subjects

Days = Mapping[str, dt.date | None]


# ---------------------------------------------------------------- photo


@blueprint.route("/photo", methods=["GET", "POST"])
@context.candidate_required
def photo() -> ResponseReturnValue:
    """Upload a photo; cropping in the browser is a help, the server decides."""
    standing = my_standing()
    if request.method == "GET":
        return _photo_page(standing)
    upload = request.files.get("photo")
    data = upload.read() if upload else b""
    if not data:
        flash(gettext("请先选择照片。"), "error")
        return _photo_page(standing), 422
    row = standing.row
    try:
        context.run(
            lambda write: photos.upload_photo(
                write, row.id, data, services.files(), clock=context.portal().clock
            )
        )
    except KaowuError as error:
        flash(context.message_of(error), "error")
        return _photo_page(standing), error.status
    flash(gettext("照片已上传。"), "success")
    target = "registration.status" if row.subject_count else "registration.subjects_page"
    return redirect(url_for(target))


def _photo_page(standing: Standing) -> str:
    refusal = standing.why_not_data()
    return render_template(
        "registration/photo.html",
        row=standing.row,
        reason=standing.row.reject_reason if progress.is_photo_rejected(standing) else "",
        blocked=context.message_of(refusal) if refusal else "",
        step=2,
    )


@blueprint.get("/photo.jpg")
@context.candidate_required
def photo_file() -> ResponseReturnValue:
    """The candidate's own photo, never anybody else's (scope of the session)."""
    row = my_registration()
    found = context.read_session().get(Photo, row.photo_id) if row.photo_id else None
    if found is None:
        raise NotFound()
    answer = Response(services.files().get(found.print_key), mimetype="image/jpeg")
    answer.headers["Cache-Control"] = "private, no-store"
    return answer


# ---------------------------------------------------------------- subjects


@blueprint.get("/subjects")
@context.candidate_required
def subjects_page() -> ResponseReturnValue:
    """What may be chosen; seats are taken only when the form is sent (says so on the page)."""
    standing = my_standing()
    entries = standing.held.entries
    return _subjects(standing, {row.subject_code: row.preference_day for row in entries})


@blueprint.post("/subjects")
@context.candidate_form
def choose_subjects() -> ResponseReturnValue:
    """Choose subjects: the rush is this one request."""
    chosen = request.form.getlist("subject")
    days = {code: _day(request.form.get(f"day-{code}", "")) for code in chosen}
    try:
        context.run(
            lambda write: subjects.choose_subjects(write, None, days, clock=context.portal().clock)
        )
    except KaowuError as error:
        flash(context.message_of(error), "error")
        return _subjects(my_standing(), days), error.status
    flash(gettext("报考科目已保存，名额已为您保留。"), "success")
    return redirect(url_for("registration.status"))


@dataclass(frozen=True, slots=True)
class Choice:
    """What may be ticked, what is ticked, and what it costs (fen)."""

    offer: Offer
    held: Mapping[str, Entry]
    days: Days

    @property
    def paid(self) -> set[str]:
        """Subjects that stay whatever is chosen."""
        return {code for code, entry in self.held.items() if entry.is_paid}

    @property
    def full(self) -> set[str]:
        """Subjects without a seat, unless the candidate holds one already."""
        found = self.offer.subjects.items()
        full = {code for code, row in found if row.left is not None and row.left <= 0}
        return full - self.held.keys()

    @property
    def ticked(self) -> set[str]:
        """What was chosen; what has become full meanwhile is not ticked any more."""
        return (set(self.days) & self.offer.subjects.keys()) - self.full | self.paid

    @property
    def person_fee(self) -> int:
        """人次费, due once per registration."""
        return 0 if self.paid else self.offer.person_fee or 0

    @property
    def total(self) -> int:
        """What is to be paid for the unpaid ones."""
        fees = [self.offer.subjects[code].fee or 0 for code in self.ticked - self.paid]
        return sum(fees) + self.person_fee if fees else 0

    def levels(self) -> dict[str, list[OfferedSubject]]:
        """Available and held subjects by level, in the order of their codes."""
        found: dict[str, list[OfferedSubject]] = {}
        for subject in self.offer.subjects.values():
            if subject.available or subject.code in self.held:
                found.setdefault(SUBJECT_LEVELS[subject.level], []).append(subject)
        return found


def _subjects(standing: Standing, days: Days) -> str:
    offer = offer_of(context.read_session(), standing.site)
    held = {entry.subject_code: entry for entry in standing.held.entries}
    refusal = standing.why_not_subjects()
    return render_template(
        "registration/subjects.html",
        site=standing.site,
        choice=Choice(offer, held, days),
        offer=offer,
        held=held,
        days=days,
        maximum=standing.site.settings.max_subjects,
        blocked=context.message_of(refusal) if refusal else "",
        step=3,
    )


def _day(text: str) -> dt.date | None:
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        return None


@blueprint.get("/seats")
@context.candidate_required
def seats() -> ResponseReturnValue:
    """Seats left per subject and day, asked every ten seconds by the subjects page."""
    offer = offer_of(context.read_session(), my_standing().site)
    left = {code: subject.left for code, subject in offer.subjects.items()}
    return jsonify(total=offer.left, subjects=left, days={str(d.day): d.left for d in offer.days})
