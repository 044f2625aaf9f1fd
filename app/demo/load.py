"""Load the demo, once: everything in one transaction, or nothing."""

from __future__ import annotations

import datetime as dt
import random
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.adapters.files import FileStore
from app.database.policy import become
from app.database.unit_of_work import unit_of_work
from app.demo import arranged, ground, roster, scenes
from app.demo.accounts import PAYING, PRINTING, add_accounts
from app.demo.ground import Ground
from app.demo.people import People
from app.demo.plan import CURRENT, HISTORY, HISTORY_BASE, SITES, Calendar, SitePlan
from app.demo.registrations import Maker
from app.demo.writing import writer
from app.jobs.machine import Machine
from app.metadata.errors import N_, KaowuError
from app.metadata.text import LOCAL_ZONE
from app.models.account import Passport, Setting
from app.models.exam import Exam

MARK = "demo"
SEED = "kaowu-demo"


class AlreadyFilled(KaowuError):
    """There is data already."""

    code = "demo.already_filled"
    template = N_("数据库中已有数据，没有载入演示数据。")
    status = 409


class DemoRefused(KaowuError):
    """Demo accounts and people do not belong into production."""

    code = "demo.production"
    template = N_("生产环境不能载入演示数据。")
    status = 403


@dataclass(frozen=True, slots=True)
class DemoReport:
    """What was loaded."""

    registrations: int
    entries: int
    sites: int


def is_loaded(session: Session) -> bool:
    """Whether the demo is in the database; the session is the system's."""
    return session.scalar(select(Setting.id).where(Setting.name == MARK)) is not None


def is_empty(session: Session) -> bool:
    """Whether there is neither an exam session nor an account."""
    return all(session.scalar(select(model.id).limit(1)) is None for model in (Exam, Passport))


def load(machine: Machine, password: str, *, request_id: str = "") -> DemoReport:
    """Load everything relative to the machine's clock. Raises AlreadyFilled.

    Takes some seconds, most of them for the photos.
    """
    now = machine.clock()
    with unit_of_work(machine.factory, writer(), request_id=request_id) as session:
        if not is_empty(session):
            raise AlreadyFilled()
        loader = _Loader(session, machine.files, now)
        report = loader.load(password)
        become(session, writer())
        session.add(Setting(name=MARK, value={"loaded_at": now.isoformat()}))
    return report


class _Loader:
    def __init__(self, session: Session, files: FileStore, now: dt.datetime) -> None:
        self.session, self.files, self.now = session, files, now
        self.today = now.astimezone(LOCAL_ZONE).date()
        rng = random.Random(SEED)  # noqa: S311 - the same demo each time, nothing to guess
        self.people = People(rng, self.today)
        self.made: list[Maker] = []

    def load(self, password: str) -> DemoReport:
        ground.add_catalogues(self.session)
        self._history()
        now = self._current()
        accounts = add_accounts(self.session, password, self.now)
        self._registering(now, accounts[PAYING])
        self._paid_up(now)
        self._printable(now, accounts[PRINTING])
        for plan in SITES:
            if plan.code in scenes.OTHERS:
                maker = self._maker(now, plan)
                for scene in scenes.OTHERS[plan.code]:
                    maker.play(scene)
                maker.save()
        roster.add_records(self.session, now)
        held = [row for maker in self.made for row in maker.registrations]
        return DemoReport(len(held), sum(len(row.entries) for row in held), len(SITES))

    def _history(self) -> None:
        calendar = Calendar(self.today + dt.timedelta(days=HISTORY_BASE))
        past = ground.add_exam(self.session, HISTORY, calendar)
        self._prepare(past)
        moment = calendar.at(0)
        for plan in SITES[:4]:
            if plan.capacity:
                maker = Maker(self.session, None, past, plan, self.people, moment)
                maker.play(scenes.PAST)
                maker.save()
                self.made.append(maker)

    def _current(self) -> Ground:
        made = ground.add_exam(self.session, CURRENT, Calendar(self.today))
        self._prepare(made)
        return made

    def _prepare(self, made: Ground) -> None:
        ground.make_current(self.session, made)
        ground.set_windows(self.session, made, SITES)
        ground.add_province_notice(self.session, made)
        for plan in SITES:
            ground.set_site(self.session, made, plan)

    def _maker(self, made: Ground, plan: SitePlan) -> Maker:
        maker = Maker(self.session, self.files, made, plan, self.people, self.now)
        self.made.append(maker)
        return maker

    def _plan(self, code: str) -> SitePlan:
        return next(plan for plan in SITES if plan.code == code)

    def _registering(self, made: Ground, paying: Passport) -> None:
        plan = self._plan("990701")
        maker = self._maker(made, plan)
        maker.play(scenes.PAYABLE, paying)
        for scene in scenes.REGISTERING:
            maker.play(scene)
        maker.play(scenes.nearly_full(plan))
        maker.save()

    def _paid_up(self, made: Ground) -> None:
        """Paid, with rooms; the first dozen entries are arranged already."""
        maker = self._maker(made, self._plan("990702"))
        for scene in scenes.PAID_UP:
            maker.play(scene)
        maker.save()
        arranged.add_rooms(self.session, made, "990702")
        seats = arranged.arrange_site(self.session, made, "990702")
        arranged.clear_but(self.session, seats, 12)

    def _printable(self, made: Ground, printing: Passport) -> None:
        maker = self._maker(made, self._plan("990703"))
        maker.play(scenes.PRINTABLE, printing)
        maker.save()
        arranged.add_rooms(self.session, made, "990703")
        arranged.arrange_site(self.session, made, "990703")
        arranged.number(self.session, made, "990703")
