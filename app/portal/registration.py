"""A candidate registers: site, notices, review, and where it all stands (R0.7).

`registration_person` and `registration_choice` add the pages of personal data, photo and subjects.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from sqlalchemy import bindparam, select

from app.database.session import KaowuSession
from app.metadata.errors import KaowuError, NotFound
from app.metadata.vocabulary import Level
from app.models.organisation import Organisation
from app.models.payment import OrderState, PaymentOrder
from app.models.registration import REJECTIONS, Registration
from app.portal import context, progress, services
from app.portal.progress import Standing
from app.rules import site as sites
from app.rules.exam import participating
from app.rules.registration import eligibility, review, subjects
from app.rules.roster import admission

blueprint = Blueprint("registration", __name__, url_prefix="/registration")
NOTICE_KEY = "notice"
#: A longer list of sites gets a field to search in.
LONG_LIST = 10


def my_registration() -> Registration:
    """The candidate's live registration with its entries. Raises NotFound."""
    row = eligibility.live_registration(context.read_session(), entries=True)
    if row is None:
        raise NotFound()
    return row


def my_standing() -> Standing:
    """The registration at its site, now: two statements. Raises NotFound."""
    row = my_registration()
    site = sites.load_site(context.read_session(), row.site_id or 0)
    return Standing(row, site, context.portal().clock())


_LATEST_ORDER = (
    select(PaymentOrder)
    .where(PaymentOrder.registration_id == bindparam("registration"))
    .order_by(PaymentOrder.id.desc())
    .limit(1)
)


def latest_order(registration_id: int) -> PaymentOrder | None:
    """The newest order of the candidate's registration; one statement."""
    asked = {"registration": registration_id}
    return context.read_session().scalars(_LATEST_ORDER, asked).one_or_none()


def _to_start() -> ResponseReturnValue:
    return redirect(url_for("registration.start"))


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
    offered = code in {known for known, _ in provinces}  # R1.1a
    province = _province(database, exam_id, code) if offered else None
    found = []
    if province is not None:
        found = sites.sites_to_choose(database, exam_id, province.id, context.portal().clock)
    wanted = request.args.get("q", "").strip()[:40]
    return render_template(
        "registration/start.html",
        provinces=provinces,
        province=province,
        refusals=_refusals(database, exam_id, found),
        sites=[choice for choice in found if _matches(choice, wanted)],
        searchable=len(found) > LONG_LIST,
        wanted=wanted,
    )


def _refusals(
    database: KaowuSession, exam_id: int, choices: list[sites.SiteChoice]
) -> dict[int, str]:
    """{site: why not} of the sites that do not admit the candidate (R19.4), where it is known who
    he is: from a registration of this session that has ended."""
    known = eligibility.last_person(database)
    if known is None or not choices:
        return {}
    offered = {choice.site.site_id: choice.site for choice in choices}
    found = admission.refusals(database, exam_id, offered.values(), known)
    return {
        site_id: context.message_of(refusal(name=offered[site_id].display))
        for site_id, refusal in found.items()
    }


def _province(database: KaowuSession, exam_id: int, code: str) -> Organisation | None:
    return database.scalars(
        select(Organisation).where(
            Organisation.exam_id == exam_id,
            Organisation.code == code,
            Organisation.level == Level.PROVINCE.value,
        )
    ).first()


def _matches(choice: sites.SiteChoice, wanted: str) -> bool:
    return wanted in f"{choice.site.display} {choice.site.address or ''}"


@blueprint.route("/notice/<int(max=9223372036854775807):site_id>", methods=["GET", "POST"])
@context.candidate_required
def notice(site_id: int) -> ResponseReturnValue:
    """Notices of province and site, and the pledge; accepted with version and time."""
    database = context.read_session()
    site = sites.load_site(database, site_id)
    try:
        site.require_online(context.portal().clock())
    except KaowuError as error:
        flash(context.message_of(error), "error")
        return _to_start()
    notices = sites.notices_of(database, site)
    if request.method == "POST":
        if request.form.get("agree") and request.form.get("version") == notices.version:
            session[NOTICE_KEY] = [str(site_id), notices.version]
            return redirect(url_for("registration.register"))
        flash(gettext("请阅读并同意报名通告和诚信考试承诺书。"), "error")
    return render_template("registration/notice.html", site=site, notices=notices)


# ---------------------------------------------------------------- review and state


@blueprint.get("/")
@context.candidate_required
def status() -> ResponseReturnValue:
    """Where the registration stands, why it was rejected, and the next action."""
    row = eligibility.live_registration(context.read_session(), entries=True)
    if row is None:
        return _to_start()
    database = context.read_session()
    site = sites.load_site(database, row.site_id or 0)
    standing = Standing(row, site, context.portal().clock())
    order = latest_order(row.id)
    waiting = order if order is not None and order.state == OrderState.OPEN else None
    names = sites.subject_names(database, site.exam_id)
    step = progress.next_step(standing)
    return render_template(
        "registration/status.html",
        standing=standing,
        row=row,
        site=site,
        state=standing.review,
        next=step,
        step=step.number,
        names=names,
        milestones=progress.milestones(standing, names),
        until=standing.until(waiting, services.timeouts()),
        rejection=gettext(REJECTIONS.get(row.reject_type or "", "")),
        data_first=progress.is_answered_by_data(standing),
        notices=sites.notices_of(database, site),
    )


@blueprint.post("/submit")
@context.candidate_required
def submit() -> ResponseReturnValue:
    """提交审核: locks the data (R25.25)."""
    attempt(
        lambda write: review.submit_for_review(
            write, eligibility.live_registration_id(write), clock=context.portal().clock
        ),
        gettext("已提交审核，请等待考点审核。"),
    )
    return redirect(url_for("registration.status"))


@blueprint.post("/withdraw")
@context.candidate_required
def withdraw() -> ResponseReturnValue:
    """Give the unpaid registration up; the seats are free at once."""
    done = attempt(
        lambda write: subjects.withdraw_registration(
            write, eligibility.live_registration_id(write), clock=context.portal().clock
        ),
        gettext("报名已取消，名额已释放。"),
    )
    return redirect(url_for("home.index" if done else "registration.status"))


def attempt(work: Callable[[KaowuSession], Any], message: str) -> bool:
    """Run a write; tell in a flash that it is done, or why not."""
    try:
        context.run(work)
    except KaowuError as error:
        flash(context.message_of(error), "error")
        return False
    flash(message, "success")
    return True
