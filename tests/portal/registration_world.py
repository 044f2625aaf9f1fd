"""A candidate on the registration pages: logged in, and as far as a test wants him to be."""

from __future__ import annotations

import datetime as dt
import io
import re
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import select
from werkzeug.test import TestResponse

from app.database.policy import become
from app.metadata.actor import system
from app.models.account import Passport
from app.models.organisation import Organisation
from app.models.payment import GatewayTransaction, PaymentOrder
from app.models.registration import Entry, Registration
from app.models.settings import Notice
from app.portal import services
from tests.factories import jpeg, person, seeding, set_capacity, set_settings, set_window
from tests.factories.people import make_registration
from tests.portal.passport_world import ADDRESS, Portal, Visit
from tests.rules.account_world import PASSWORD

STATUS, PAYMENT, TICKET = "/registration/", "/registration/payment/", "/registration/ticket/"


class Candidate(Visit):
    """A logged-in candidate; every step is a request."""

    def __init__(self, portal: Portal, passport: Passport | None = None) -> None:
        super().__init__(portal.app)
        self.portal = portal
        self.passport = passport or portal.passport()
        assert self.log_in(self.passport.email or "", PASSWORD).status_code == 302

    # ------------------------------------------------------------ steps

    def accept(self, site: Organisation | None = None) -> TestResponse:
        """Read the notices of a site and agree."""
        path = f"/registration/notice/{(site or self.portal.tree.site).id}"
        found = re.search(r'name="version" value="([^"]+)"', self.get(path).text)
        assert found is not None
        return self.post(path, agree="1", version=found[1])

    def fill_in(self, **changes: Any) -> TestResponse:
        """Send the personal data of a new registration."""
        return self.post("/registration/register", **person(**changes))

    def upload(self, data: bytes | None = None) -> TestResponse:
        """Send a photo, by default one that fits."""
        path = "/registration/photo"
        file = (io.BytesIO(jpeg() if data is None else data), "photo.jpg")
        form = {"csrf_token": self.token(path), "photo": file}
        return self.client.post(path, base_url=ADDRESS, data=form)

    def choose(self, subjects: Sequence[str] | Mapping[str, str]) -> TestResponse:
        """Send the subjects, with days where a mapping gives them."""
        path = "/registration/subjects"
        days = subjects if isinstance(subjects, Mapping) else {}
        data: dict[str, Any] = {"csrf_token": self.token(path), "subject": list(subjects)}
        data |= {f"day-{code}": day for code, day in days.items()}
        return self.client.post(path, base_url=ADDRESS, data=data)

    def register(
        self, subjects: Sequence[str] = ("14",), site: Organisation | None = None
    ) -> Registration:
        """From the start to the choice of subjects; returns the row as it is stored."""
        self.accept(site)
        assert self.fill_in().location == "/registration/photo"
        assert self.upload().status_code == 302
        if subjects:
            assert self.choose(subjects).location == STATUS
        return self.row()

    def order(self) -> str:
        """Make the order; the address of the sandbox bank's page."""
        answer = self.post(f"{PAYMENT}order", form=PAYMENT)
        assert answer.status_code == 302, answer.text
        return answer.location

    def at_the_bank(self, choice: str, address: str = "") -> TestResponse:
        """Press a button of the sandbox bank."""
        address = address or self.order()
        fields = dict(re.findall(r'name="(\w+)" value="([^"]*)"', self.get(address).text))
        return self.client.post("/sandbox/pay", base_url=ADDRESS, data=fields | {"do": choice})

    # ------------------------------------------------------------ what is stored

    def row(self) -> Registration:
        """The newest registration."""
        return self._rows(Registration)[-1]

    def entries(self) -> dict[str, str]:
        """{subject: state} of all entries."""
        return {entry.subject_code: entry.state for entry in self._rows(Entry)}

    def orders(self) -> list[PaymentOrder]:
        return self._rows(PaymentOrder)

    def _rows(self, model: Any) -> list[Any]:
        with self.portal.looking() as session:
            found = select(model).where(model.passport_id == self.passport.id).order_by(model.id)
            rows = list(session.scalars(found))
            session.expunge_all()
        return rows


def transactions(portal: Portal) -> list[str]:
    """Outcomes of everything that the gateway has told."""
    with portal.looking() as session:
        found = select(GatewayTransaction.outcome).order_by(GatewayTransaction.id)
        return list(session.scalars(found))


def callback(portal: Portal, fields: Mapping[str, str]) -> TestResponse:
    """A call-back as the gateway sends it: from outside, without cookie and token."""
    return portal.app.test_client().post("/payment/callback", base_url=ADDRESS, data=fields)


def bank(portal: Portal) -> Any:
    """The sandbox bank of the portal."""
    with portal.app.test_request_context(base_url=ADDRESS):
        return services.gateway()


def change_settings(portal: Portal, **values: Any) -> None:
    """Change the first site's 综合设置."""
    with portal.writing() as session:
        set_settings(session, portal.tree.site, **values)


def change_capacity(portal: Portal, pool: str, capacity: int) -> None:
    with portal.writing() as session:
        set_capacity(session, portal.tree.site, pool, capacity)


def change_window(portal: Portal, window: Any, start: Any, end: Any = None) -> None:
    with portal.writing() as session:
        set_window(session, portal.tree.site, window, start, end)


def change_row(portal: Portal, row: Registration, **values: Any) -> None:
    """Change columns of a registration past the rules, as the site's people do."""
    with portal.writing() as session:
        become(session, system("test"))
        with seeding(session):
            found = session.get_one(Registration, row.id)
            for name, value in values.items():
                setattr(found, name, value)


def put_notices(portal: Portal, province: str, site: str) -> None:
    """省报名通告 and 考点报名通告 as stored, sanitised or not."""
    tree = portal.tree
    with portal.writing() as session, seeding(session):
        for place, html in ((tree.province, province), (tree.site, site)):
            session.add(
                Notice(
                    exam_id=tree.exam.id,
                    province_id=place.province_id,
                    city_id=place.city_id,
                    site_id=place.site_id,
                    organisation_id=place.id,
                    html=html,
                )
            )


def collective(portal: Portal, passport: Passport, **values: Any) -> Registration:
    """A registration that the site has imported."""
    with portal.writing() as session:
        return make_registration(session, portal.tree, passport=passport, collective=True, **values)


def days_before(portal: Portal, days: float) -> dt.datetime:
    return portal.clock.now - dt.timedelta(days=days)


def main_action(answer: TestResponse) -> str:
    """The words of the primary button or link in the bar at the foot."""
    bar = answer.text[answer.text.index('class="action-bar"') :]
    found = re.search(r'class="button"[^>]*>([^<]+)<', bar)
    assert found is not None
    return found[1].strip()
