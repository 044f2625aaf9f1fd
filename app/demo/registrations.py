"""Registrations of the demo, in every state, as the rules would have left them.

They are written in bulk; the seats are taken through `rules.capacity`, and derived columns are
set by `rules.registration.states`.
"""

from __future__ import annotations

import datetime as dt
import random
import uuid
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy.orm import Session

from app.adapters.files import FileStore
from app.database.identifiers import new_id
from app.database.keys import digest
from app.demo import photos
from app.demo.ground import Ground, notice_version
from app.demo.people import People
from app.demo.plan import PERSON_FEE, SUBJECT_FEE, SitePlan
from app.demo.writing import writing
from app.models.account import Passport
from app.models.payment import GatewayTransaction, OrderState, PaymentOrder, SandboxPayment
from app.models.registration import (
    HOLDING,
    PAID_STATES,
    Entry,
    EntryState,
    Life,
    Mode,
    PersonClaim,
    Photo,
    Registration,
    Review,
)
from app.rules import capacity
from app.rules.account.passports import NO_PASSWORD
from app.rules.payment import Outcome
from app.rules.photo import prepare_photo
from app.rules.registration.states import Held, Timeouts, refresh
from app.rules.windows import local

CHANNEL = "sandbox"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """Registrations of one kind. `states`: state per entry in turn (empty: a draft).

    `hours` is how long ago the last change of state was (start of the clock of R22.8a).
    """

    count: int
    states: tuple[EntryState, ...] = ()
    most: int = 2
    review: Review = Review.NONE
    collective: bool = False
    locked: bool = False
    photo: bool = True
    reject: tuple[str, str] | None = None
    hours: float = 2.0
    life: Life = Life.ACTIVE
    subjects: tuple[str, ...] = ()


@dataclass
class Maker:
    """Writes the registrations of one site. `given`: passports for the first ones of a scene."""

    session: Session
    files: FileStore | None
    ground: Ground
    plan: SitePlan
    people: People
    now: dt.datetime
    rows: list[Any] = field(default_factory=list)
    registrations: list[Held] = field(default_factory=list)
    seats: list[tuple[str, dt.date | None]] = field(default_factory=list)

    @property
    def rng(self) -> random.Random:
        return self.people.rng

    def play(self, scene: Scene, given: Passport | None = None) -> list[Held]:
        """Make the registrations of a scene; `given` is the passport of the first one."""
        made = []
        for index in range(scene.count):
            made.append(self._registration(scene, given if index == 0 else None))
        self.registrations += made
        return made

    def save(self) -> None:
        """Write all rows at once and take the seats."""
        with writing(self.session):
            # by kind, in the order of their keys: parents before children
            for kind in (Passport, Photo, Registration, PersonClaim, PaymentOrder):
                self.session.add_all(row for row in self.rows if isinstance(row, kind))
                self.session.flush()
            self.session.add_all(self.rows)
            site = self.ground.site(self.plan.code)
            capacity.claim(self.session, site, capacity.seats_of(self.seats))

    # ------------------------------------------------------------ one registration

    def _registration(self, scene: Scene, given: Passport | None) -> Held:
        person = self.people.next(self.plan.classes)
        passport = given or self._passport(person)
        if given is not None:
            person |= {"name": given.name, "email": given.email, "mobile": given.mobile}
        path = self.ground.path(self.plan.code)
        owner = path | {"passport_id": passport.id}
        changed = self.now - dt.timedelta(hours=scene.hours)
        id_digest = str(digest(person["id_number"]))
        row = Registration(
            id=new_id(),
            **owner,
            **person,
            id_digest=id_digest,
            mode=(Mode.COLLECTIVE if scene.collective else Mode.INDIVIDUAL).value,
            life=scene.life.value,
            review=scene.review.value,
            locked=scene.locked,
            state_changed_at=changed,
            submitted_at=changed if scene.states else None,
            notice_version=notice_version(self.plan),
            notice_accepted_at=changed,
        )
        if scene.reject:
            row.reject_type, row.reject_reason = scene.reject
            row.photo_renewal = scene.reject[0] == "2"
        self.rows.append(row)
        if scene.life in (Life.DRAFT, Life.ACTIVE):
            claim = {"exam_id": row.exam_id, "id_digest": id_digest}
            self.rows.append(PersonClaim(**claim, registration_id=row.id))
        if scene.photo and self.files is not None:
            row.photo_id = self._photo(owner, person, id_digest)
        held = Held(row, self._entries(scene, owner, row, changed))
        refresh(held)
        return held

    def _passport(self, person: dict[str, Any]) -> Passport:
        row = Passport(
            id=new_id(),
            number=uuid.uuid4().hex,
            name=person["name"],
            email=person["email"],
            mobile=person["mobile"],
            mobile_digest=digest(person["mobile"]),
            password_hash=NO_PASSWORD,
            origin="demo",
            session_version=1,
        )
        self.rows.append(row)
        return row

    def _photo(self, owner: dict[str, Any], person: dict[str, Any], id_digest: str) -> int:
        if self.files is None:
            raise RuntimeError("no file store")
        drawn = photos.draw(self.rng, self.people.made, female=person["sex"] == "2")
        photo = prepare_photo(drawn)
        put = self.files.put(photo.original, folder="photo", suffix=".jpg")
        printed = self.files.put(photo.print, folder="photo", suffix=".jpg")
        row = Photo(
            id=new_id(),
            **owner,
            id_digest=id_digest,
            file_key=put.key,
            print_key=printed.key,
            sha256=put.sha256,
            size=put.size,
            width=photo.width,
            height=photo.height,
        )
        self.rows.append(row)
        return row.id

    # ------------------------------------------------------------ entries and orders

    def _entries(
        self, scene: Scene, owner: dict[str, Any], row: Registration, changed: dt.datetime
    ) -> list[Entry]:
        if not scene.states:
            return []
        count = max(len(set(scene.states)), self.rng.randint(1, scene.most))
        offered = scene.subjects or self._offered()
        codes = sorted(self.rng.sample(offered, min(count, len(offered))))
        entries = []
        for index, code in enumerate(codes):
            state = scene.states[index % len(scene.states)]
            entry = Entry(
                id=new_id(),
                **owner,
                registration_id=row.id,
                subject_code=code,
                state=state.value,
                preference_day=self._preference(scene),
            )
            entries.append(entry)
            if state in HOLDING:
                self.seats.append((code, entry.preference_day))
        self.rows += entries
        paid = [entry for entry in entries if entry.state in PAID_STATES]
        paying = [entry for entry in entries if entry.state == EntryState.PAYING]
        if paid:
            self._order(owner, row, paid, changed, OrderState.PAID)
        if paying:
            self._order(owner, row, paying, changed, OrderState.OPEN)
        return entries

    def _offered(self) -> tuple[str, ...]:
        """Popular subjects more often; the nearly full one is filled by a scene of its own."""
        return tuple(code for code in self.plan.capacity if code != self.plan.nearly_full)

    def _preference(self, scene: Scene) -> dt.date | None:
        if self.plan.day_quota is None or scene.collective or self.rng.random() < 0.6:
            return None
        return self.rng.choice(self.ground.calendar.exam_days)

    def _order(
        self,
        owner: dict[str, Any],
        row: Registration,
        entries: list[Entry],
        changed: dt.datetime,
        state: OrderState,
    ) -> None:
        subject_fee = SUBJECT_FEE * len(entries)
        paid = state is OrderState.PAID
        order = PaymentOrder(
            id=new_id(),
            **owner,
            number=f"{local(changed, '%Y%m%d%H%M%S')}{self.rng.randrange(10**10):010d}",
            registration_id=row.id,
            subject_codes=".".join(entry.subject_code for entry in entries),
            person_fee=PERSON_FEE,
            subject_fee=subject_fee,
            amount=PERSON_FEE + subject_fee,
            channel=CHANNEL,
            state=state.value,
            expires_at=changed + Timeouts().pay,
            paid_at=changed if paid else None,
        )
        for entry in entries:
            entry.order_id, entry.fee = order.id, SUBJECT_FEE
            entry.paid_at = changed if paid else None
        row.locked = True
        transaction = f"SB{self.rng.getrandbits(96):024x}" if paid else None
        self.rows += [order, self._bank_record(order, transaction)]
        if transaction:
            self.rows.append(
                GatewayTransaction(
                    exam_id=order.exam_id,
                    order_id=order.id,
                    transaction_number=transaction,
                    amount=order.amount,
                    outcome=Outcome.PAID.value,
                    received_at=changed,
                )
            )

    def _bank_record(self, order: PaymentOrder, transaction: str | None) -> SandboxPayment:
        return SandboxPayment(
            order_number=order.number,
            amount=order.amount,
            state="paid" if transaction else "open",
            transaction_number=transaction,
        )
