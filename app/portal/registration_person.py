"""Personal data: of a new registration, and changed while they are not locked (N3)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from flask import flash, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_babel import get_locale, gettext

from app.database.session import KaowuSession
from app.metadata.cleaning import clean
from app.metadata.errors import KaowuError, StaleRow
from app.metadata.fields import Kind
from app.metadata.text import Bad
from app.models.codes import ID_TYPES
from app.models.registration import Registration, Review
from app.portal import context
from app.portal.forms import Form
from app.portal.progress import Standing
from app.portal.registration import NOTICE_KEY, blueprint, my_standing
from app.rules import site as sites
from app.rules.actors import current_exam
from app.rules.identity import tells_birth_and_sex
from app.rules.rate_limit import TooMany
from app.rules.registration import eligibility, person
from app.rules.registration.eligibility import NoticesChanged
from app.rules.roster import attempts, autoload
from app.rules.roster.attempts import Asking, Counted

FIELDS = person.PERSON_FIELDS
#: What most candidates would choose themselves.
DEFAULTS = {"id_type": "1", "ethnic": "01"}


def _choices(name: str) -> dict[str, str]:
    """{code: label} of a field in the visitor's language."""
    return _translated(name, str(get_locale()))


@lru_cache(maxsize=64)
def _translated(name: str, _language: str) -> dict[str, str]:
    """Once for each language: there are a hundred labels, and they never change."""
    return {code: gettext(label) for code, label in (FIELDS[name].choices or {}).items()}


CHOICES = tuple(name for name, field in FIELDS.items() if field.kind is Kind.CHOICE)


def _page(
    site: sites.Site,
    form: Form,
    standing: Standing | None = None,
    differences: list[Difference] | None = None,
    *,
    record: str = "",
    refused: bool = False,
) -> str:
    database = context.read_session()
    refusal = standing.why_not_data() if standing else None
    return render_template(
        "registration/person.html",
        form=form,
        site=site,
        row=standing.row if standing else None,
        blocked=context.message_of(refusal) if refusal else "",
        differences=differences,
        record=record,
        refused=refused,
        fields=FIELDS,
        choices={name: _choices(name) for name in CHOICES},
        telling=",".join(code for code in ID_TYPES.choices if tells_birth_and_sex(code)),
        classes=[(name, name) for name in sites.class_options_of(database, site)],
        notices=sites.notices_of(database, site),
        exam=current_exam(database),
        step=1,
    )


def _values(form: Form) -> dict[str, Any]:
    return {name: form[name] for name in FIELDS if name in form.values}


# ---------------------------------------------------------------- a new registration


@blueprint.route("/register", methods=["GET", "POST"])
@context.candidate_required
def register() -> ResponseReturnValue:
    """Personal data of a new registration at the chosen site."""
    database = context.read_session()
    if eligibility.live_registration(database) is not None:
        return redirect(url_for("registration.person_page"))
    accepted = session.get(NOTICE_KEY)
    if not accepted:
        return redirect(url_for("registration.start"))
    site = sites.load_site(database, int(accepted[0]))
    if request.method == "GET":
        return _page(site, Form(DEFAULTS))
    form = Form.sent()
    if form["do"] == "load":
        return _load(site, form)
    if form["do"] == "discard":
        return _discard(site, form)
    try:
        _attempt(
            site.exam_id,
            _typed(form),
            lambda write, counted: person.register(
                write,
                site.site_id,
                _values(form),
                notice_version=accepted[1],
                counted=counted,
                clock=context.portal().clock,
            ),
        )
    except NoticesChanged as error:
        flash(context.message_of(error), "error")
        return redirect(url_for("registration.notice", site_id=site.site_id))
    except KaowuError as error:
        form.take(error)
        refused = isinstance(error, eligibility.NotAdmitted)
        return _page(site, form, refused=refused), error.status
    session.pop(NOTICE_KEY, None)
    return redirect(url_for("registration.photo"))


# ---------------------------------------------------------------- 学籍信息 (R19.3a)


def _typed(form: Form, row: Registration | None = None) -> attempts.Typed:
    """Who is meant, as the rules will read it: the type by code or name, what is missing from the
    row."""
    given = {
        name: form[name] if row is None or name in form.values else getattr(row, name)
        for name in ("name", "id_type", "id_number")
    }
    with suppress(Bad):
        given["id_type"] = clean(FIELDS["id_type"], given["id_type"]) or ""
    return attempts.Typed(**given)


#: they tell who is admitted, or whose number is registered already
REFUSED = (eligibility.NotAdmitted, person.PersonTaken)


def _attempt(
    exam_id: int, typed: attempts.Typed, work: Callable[[KaowuSession, Counted], object]
) -> None:
    """Run a write whose answer tells whether a site admits the person: counted before, logged
    where it is refused, and given back where nobody was looked for. Raises TooMany and as `work`.
    """
    with _counted(typed, Asking.ADMISSION) as counted:
        try:
            context.run(lambda write: work(write, counted))
        except REFUSED:
            context.note(lambda write: attempts.log_refused(write, typed, exam_id))
            attempts.refuse_above(counted)
            raise


@contextmanager
def _counted(typed: attempts.Typed, asking: Asking) -> Iterator[Counted]:
    """An attempt that stays counted where somebody was looked for, whatever is answered; what is
    refused before is counted among the candidate's writes as others are."""
    clock = context.portal().clock
    try:
        counted = context.note(lambda write: attempts.count(write, typed, asking, clock=clock))
    except TooMany:
        context.count_refused()
        raise
    try:
        yield counted
    finally:
        if not counted.looked:
            context.note(lambda write: attempts.give_back(write, counted))


def _load(site: sites.Site, form: Form) -> ResponseReturnValue:
    """Fill in what the school knows; the candidate may change it, or not use it."""
    typed = _typed(form)
    try:
        with _counted(typed, Asking.AUTOLOAD) as counted:
            found = context.run(
                lambda write: autoload.autoload(write, site, typed, counted=counted)
            )
            if found is None:
                attempts.refuse_above(counted)
    except KaowuError as error:
        form.take(error)
        return _page(site, form), error.status
    form.values |= {"loaded": "1", **found} if found is not None else {}
    return _page(site, form, record="none" if found is None else "found")


def _discard(site: sites.Site, form: Form) -> ResponseReturnValue:
    """Empty what was filled in."""
    form.values |= {name: DEFAULTS.get(name, "") for name in autoload.LOADED}
    form.values.pop("loaded", None)
    return _page(site, form, record="discarded")


# ---------------------------------------------------------------- changing it


@dataclass(frozen=True, slots=True)
class Difference:
    """A field that was changed here and elsewhere: both values as they are shown."""

    label: str
    typed: str
    stored: str


@blueprint.route("/person", methods=["GET", "POST"])
@context.candidate_required
def person_page() -> ResponseReturnValue:
    """Look at the personal data, or change them while they are not locked."""
    standing = my_standing()
    row = standing.row
    if request.method == "GET":
        return _page(standing.site, _form_of(row), standing)
    form = Form.sent()
    try:
        _update(form, row, standing.site.exam_id)
    except StaleRow as error:
        return _stale(form), error.status
    except KaowuError as error:
        form.take(error)
        return _page(standing.site, form, standing), error.status
    flash(_saved(standing), "success")
    return redirect(url_for("registration.status"))


def _update(form: Form, row: Registration, exam_id: int) -> None:
    """Save what was typed; an attempt to become somebody else is counted."""
    # what is not sent is as it was read here: whoever is counted is who is looked for
    values = {name: getattr(row, name) for name in person.IDENTIFYING} | _values(form)
    version = int(form["version"]) if form["version"].isdigit() else -1

    def work(write: KaowuSession, counted: Counted | None = None) -> None:
        person.update_person(
            write, row.id, values, version=version, counted=counted, clock=context.portal().clock
        )

    if any(values[name] != getattr(row, name) for name in person.IDENTIFYING):
        _attempt(exam_id, _typed(form, row), work)
    else:
        context.run(work)


def _saved(before: Standing) -> str:
    again = before.review in (Review.REJECTED, Review.APPROVED)
    text: str = gettext("报名信息已保存，请提交审核。") if again else gettext("报名信息已保存。")
    return text


def _stale(form: Form) -> str:
    """The form as typed, beside it what is stored now; saving once more replaces that (N3)."""
    standing = my_standing()
    stored = _form_of(standing.row)
    differences = [
        Difference(gettext(FIELDS[name].label), _shown(name, form), _shown(name, stored))
        for name in _values(form)
        if form[name] != stored[name]
    ]
    form.values["version"] = stored["version"]
    return _page(standing.site, form, standing, differences)


def _form_of(row: Registration) -> Form:
    values = {name: _as_text(getattr(row, name)) for name in FIELDS}
    return Form(values | {"version": str(row.version)})


def _shown(name: str, form: Form) -> str:
    choices = _choices(name) if name in CHOICES else {}
    return choices.get(form[name], form[name]) or "—"


def _as_text(value: Any) -> str:
    if value is None:
        return ""
    return value.isoformat() if isinstance(value, dt.date) else str(value)
