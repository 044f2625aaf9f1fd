"""The pulse of a running job: a thread that writes heartbeat and progress, and listens for a
wish to cancel. The job itself only sets numbers and asks flags, so that it never waits for the
database on their account – not even inside its own transaction on SQLite, where a second writer
of the same thread would wait for itself."""

from __future__ import annotations

import logging
import threading
from types import TracebackType
from typing import Self

from app.jobs import ledger
from app.jobs.ledger import Order
from app.jobs.machine import Machine

logger = logging.getLogger("kaowu.jobs")


class Pulse:
    """Context manager around the work on one job."""

    def __init__(self, machine: Machine, order: Order) -> None:
        self._machine = machine
        self._order = order
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"pulse-{order.id}", daemon=True)
        self.done = 0
        self.total: int | None = None
        #: what it does just now: {"stage": (msgid), "begun": moment}
        self.stage: dict[str, str] | None = None
        self.cancel = order.cancel_requested
        self.lost = False

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(self._machine.timing.pulse):
            self._beat()

    def _beat(self) -> None:
        try:
            answer = ledger.beat(self._machine, self._order, self.done, self.total, self.stage)
        except Exception as error:  # a lock, a broken connection: the next beat tries again
            logger.warning("job %d: no heartbeat, %s", self._order.id, type(error).__name__)
            return
        if answer is None:
            self.lost = not self._stop.is_set()
        elif answer:
            self.cancel = True
