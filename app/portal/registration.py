"""A candidate registers: site, notices, personal data, photo, subjects, review (R0.7).

Every page shows one step; `next_step` knows which is the one to take now.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

from flask import (
    Blueprint,
    Response,
    flash,
    jsonify,
    redirect,
    render_template,
    request,
    session,
    url_for,
)
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from sqlalchemy import select

from app.metadata.errors import KaowuError, NotFound, StaleRow
from app.metadata.fields import Field, Kind
from app.metadata.vocabulary import Level
from app.models.exam import SUBJECT_LEVELS
from app.models.organisation import Organisation
from app.models.registration import Photo, Registration, Review
from app.portal import context, services
from app.portal.forms import Form
from app.rules import photo as photos
from app.rules import site as sites
from app.rules.exam import participating
from app.rules.registration import eligibility, person, review, subjects
from app.rules.registration.states import review_in_force

blueprint = Blueprint("registration", __name__, url_prefix="/registration")
NOTICE_KEY = "notice"
MINUTES_PER_HOUR = 60


@dataclass(frozen=True, slots=True)
class Step:
    """The one next action: its page, its words, and the number of the step bar (0-6)."""

    endpoint: str
    label: str
    number: int


def my_registration() -> Registration:
    """The candidate's live registration. Raises NotFound."""
    row = eligibility.live_registration(context.read_session())
    if row is None:
        raise NotFound()
    return row


def next_step(row: Registration | None, site: sites.Site | None) -> Step:
    """What the candidate does next (interface §8: exactly one primary action)."""
    if row is None or site is None:
        return Step("registration.start", gettext("开始报名"), 0)
    state = review_in_force(row, site.settings)
    if row.photo_id is None or row.photo_renewal:
        return Step("registration.photo", gettext("上传照片"), 2)
    if row.subject_count == 0:
        return Step("registration.subjects_page", gettext("选择科目"), 3)
    if state in (Review.OPEN, Review.REJECTED):
        return Step("registration.status", gettext("提交审核"), 4)
    if state is Review.PENDING or row.payment == "paid":
        return Step("registration.status", gettext("查看进度"), 4 if row.payment != "paid" else 6)
    return Step("payment.page", gettext("去缴费"), 5)


# ---------------------------------------------------------------- site and notices


@blueprint.get("/start")
@context.candidate_required
def start() -> ResponseReturnValue:
    """Choose a province, then a site that is open now (R0.7)."""
    database = context.read_session()
    if eligibility.live_registration(database) is not None:
        return redirect(url_for("registration.status"))
    exam_id = context.actor().exam_id or 0
    provinces = participating(database, exam_id)
    code = request.args.get("province", "")
    if len(provinces) == 1:
        code = provinces[0][0]
    province = database.scalars(
        select(Organisation).where(
            Organisation.exam_id == exam_id,
            Organisation.code == code,
            Organisation.level == Level.PROVINCE.value,
        )
    ).first()
    found = []
    if province is not None:
        found = sites.sites_to_choose(database, exam_id, province.id, context.portal().clock)
    return render_template(
        "registration/start.html", provinces=provinces, province=province, sites=found
    )


@blueprint.route("/notice/<int:site_id>", methods=["GET", "POST"])
@context.candidate_required
def notice(site_id: int) -> ResponseReturnValue:
    """Notices of province and site, and the pledge; accepted with version and time."""
    database = context.read_session()
    site = sites.load_site(database, site_id)
    notices = sites.notices_of(database, site)
    if request.method == "POST":
        if request.form.get("agree") and request.form.get("version") == notices.version:
            session[NOTICE_KEY] = [str(site_id), notices.version]
            return redirect(url_for("registration.register"))
        flash(gettext("请阅读并同意报名通告和诚信考试承诺书。"), "error")
    return render_template("registration/notice.html", site=site, notices=notices)


# ---------------------------------------------------------------- personal data


def _choices(field: Field) -> list[tuple[str, str]]:
    return [(code, gettext(label)) for code, label in (field.choices or {}).items()]


def _person_page(site: sites.Site, form: Form, row: Registration | None) -> str:
    database = context.read_session()
    fields = person.PERSON_FIELDS
    return render_template(
        "registration/person.html",
        form=form,
        site=site,
        row=row,
        fields=fields,
        choices={name: _choices(f) for name, f in fields.items() if f.kind is Kind.CHOICE},
        classes=sites.class_options_of(database, site),
        notices=sites.notices_of(database, site),
        step=1,
    )


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
        return _person_page(site, Form({"id_type": "1", "ethnic": "01"}), None)
    form = Form.sent()
    try:
        context.run(
            lambda write: person.register(
                write,
                site.site_id,
                _person_values(form),
                notice_version=accepted[1],
                clock=context.portal().clock,
            )
        )
    except KaowuError as error:
        form.take(error)
        return _person_page(site, form, None), error.status
    session.pop(NOTICE_KEY, None)
    return redirect(url_for("registration.photo"))


@blueprint.route("/person", methods=["GET", "POST"])
@context.candidate_required
def person_page() -> ResponseReturnValue:
    """Change the personal data while they are not locked (N3: a stale page is refused)."""
    row = my_registration()
    site = sites.load_site(context.read_session(), row.site_id or 0)
    if request.method == "GET":
        values = {name: _as_text(getattr(row, name)) for name in person.PERSON_FIELDS}
        return _person_page(site, Form(values | {"version": str(row.version)}), row)
    form = Form.sent()
    version = int(form["version"]) if form["version"].isdigit() else -1
    try:
        context.run(
            lambda write: person.update_person(
                write, row.id, _person_values(form), version=version, clock=context.portal().clock
            )
        )
    except StaleRow as error:
        flash(context.message_of(error), "error")
        return redirect(url_for("registration.person_page"))
    except KaowuError as error:
        form.take(error)
        return _person_page(site, form, row), error.status
    flash(gettext("报名信息已保存。"), "success")
    return redirect(url_for("registration.status"))


def _person_values(form: Form) -> dict[str, Any]:
    return {name: form[name] for name in person.PERSON_FIELDS if name in form.values}


def _as_text(value: Any) -> str:
    if value is None:
        return ""
    return value.isoformat() if isinstance(value, dt.date) else str(value)


# ---------------------------------------------------------------- photo


@blueprint.route("/photo", methods=["GET", "POST"])
@context.candidate_required
def photo() -> ResponseReturnValue:
    """Upload a photo; cropping in the browser is a help, the server decides."""
    row = my_registration()
    if request.method == "POST":
        upload = request.files.get("photo")
        data = upload.read() if upload else b""
        try:
            context.run(
                lambda write: photos.upload_photo(
                    write, row.id, data, services.files(), clock=context.portal().clock
                )
            )
        except KaowuError as error:
            flash(context.message_of(error), "error")
            return render_template("registration/photo.html", row=row, step=2), error.status
        flash(gettext("照片已上传。"), "success")
        target = "registration.status" if row.subject_count else "registration.subjects_page"
        return redirect(url_for(target))
    return render_template("registration/photo.html", row=row, step=2)


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


def _offer(row: Registration) -> tuple[sites.Site, sites.Offer]:
    database = context.read_session()
    site = sites.load_site(database, row.site_id or 0)
    return site, sites.offer_of(database, site)


@blueprint.route("/subjects", methods=["GET", "POST"])
@context.candidate_required
def subjects_page() -> ResponseReturnValue:
    """Choose subjects; seats are taken only when this form is sent (says so on the page)."""
    row = my_registration()
    if request.method == "POST":
        chosen = request.form.getlist("subject")
        days = {code: _day(request.form.get(f"day-{code}", "")) for code in chosen}
        try:
            context.run(
                lambda write: subjects.choose_subjects(
                    write, row.id, days, clock=context.portal().clock
                )
            )
        except KaowuError as error:
            flash(context.message_of(error), "error")
            return _subjects(my_registration(), set(chosen)), error.status
        flash(gettext("报考科目已保存。"), "success")
        return redirect(url_for("registration.status"))
    return _subjects(row, {entry.subject_code for entry in row.entries if entry.holds_seat})


def _subjects(row: Registration, chosen: set[str]) -> str:
    site, offer = _offer(row)
    held = {entry.subject_code: entry for entry in row.entries if entry.holds_seat}
    levels: dict[str, list[sites.OfferedSubject]] = {}
    for subject in offer.subjects.values():
        if subject.available or subject.code in held:
            levels.setdefault(SUBJECT_LEVELS[subject.level], []).append(subject)
    return render_template(
        "registration/subjects.html",
        row=row,
        site=site,
        offer=offer,
        levels=levels,
        chosen=chosen,
        held=held,
        maximum=site.settings.max_subjects,
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
    """Seats left per subject, asked every ten seconds by the subjects page."""
    _site, offer = _offer(my_registration())
    left = {code: subject.left for code, subject in offer.subjects.items()}
    return jsonify(total=offer.left, subjects=left, days={str(d.day): d.left for d in offer.days})


# ---------------------------------------------------------------- review and state


@blueprint.get("/")
@context.candidate_required
def status() -> ResponseReturnValue:
    """Where the registration stands, why it was rejected, and the next action."""
    row = my_registration()
    database = context.read_session()
    site = sites.load_site(database, row.site_id or 0)
    state = review_in_force(row, site.settings)
    return render_template(
        "registration/status.html",
        row=row,
        site=site,
        state=state,
        next=next_step(row, site),
        notices=sites.notices_of(database, site),
        now=context.portal().clock(),
        held=[entry for entry in row.entries if entry.holds_seat],
        step=next_step(row, site).number,
    )


@blueprint.post("/submit")
@context.candidate_required
def submit() -> ResponseReturnValue:
    """提交审核: locks the data (R25.25)."""
    row = my_registration()
    _attempt(
        lambda write: review.submit_for_review(write, row.id, clock=context.portal().clock),
        gettext("已提交审核，请等待考点审核。"),
    )
    return redirect(url_for("registration.status"))


@blueprint.post("/withdraw")
@context.candidate_required
def withdraw() -> ResponseReturnValue:
    """Give the unpaid registration up; the seats are free at once."""
    row = my_registration()
    done = _attempt(
        lambda write: subjects.withdraw_registration(write, row.id, clock=context.portal().clock),
        gettext("报名已取消，名额已释放。"),
    )
    return redirect(url_for("home.index" if done else "registration.status"))


def _attempt(work: Any, message: str) -> bool:
    try:
        context.run(work)
    except KaowuError as error:
        flash(context.message_of(error), "error")
        return False
    flash(message, "success")
    return True
