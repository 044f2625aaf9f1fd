"""Which registrations each site of the demo has."""

from __future__ import annotations

from app.demo.plan import SitePlan
from app.demo.registrations import Scene
from app.models.registration import EntryState, Life, Review

_UNPAID, _PAYING, _PAID = (EntryState.UNPAID,), (EntryState.PAYING,), (EntryState.PAID,)
_DAY = 24.0
#: who pays on the day after the review: the clock of R22.8a has hardly begun
PAYABLE = Scene(count=8, states=_UNPAID, review=Review.APPROVED, locked=True)
REGISTERING = (
    Scene(count=3, life=Life.DRAFT, review=Review.OPEN, photo=False),
    Scene(count=3, life=Life.DRAFT, review=Review.OPEN),
    Scene(count=8, states=_UNPAID, review=Review.OPEN),
    Scene(count=14, states=_UNPAID, review=Review.PENDING, locked=True, hours=20),
    Scene(count=4, states=_PAYING, review=Review.APPROVED, locked=True, hours=1),
    Scene(count=12, states=_PAID, most=3, review=Review.APPROVED, locked=True, hours=4 * _DAY),
    Scene(count=3, states=(*_PAID, *_UNPAID), review=Review.APPROVED, locked=True, hours=3),
    Scene(count=3, states=_UNPAID, review=Review.REJECTED, reject=("1", "姓名与身份证不一致")),
    Scene(count=3, states=_UNPAID, review=Review.REJECTED, reject=("2", "照片背景不是白色")),
    Scene(count=6, states=_UNPAID, review=Review.OPEN, collective=True, hours=5 * _DAY),
    Scene(
        count=5, states=_PAID, review=Review.APPROVED, collective=True, locked=True, hours=5 * _DAY
    ),
    Scene(
        count=2,
        states=(EntryState.EXPIRED,),
        review=Review.OPEN,
        life=Life.EXPIRED,
        hours=8 * _DAY,
    ),
)
PAID_UP = (Scene(count=62, states=_PAID, hours=14 * _DAY),)
PRINTABLE = Scene(count=70, states=_PAID, review=Review.APPROVED, locked=True, hours=26 * _DAY)
OTHERS = {
    "990801": (
        Scene(count=3, life=Life.DRAFT),
        Scene(count=10, states=_UNPAID),
        Scene(count=3, states=_PAYING, hours=1),
        Scene(count=30, states=_PAID, hours=3 * _DAY),
    ),
    "990802": (
        Scene(count=12, states=_UNPAID, collective=True, hours=4 * _DAY),
        Scene(count=18, states=_PAID, collective=True, hours=4 * _DAY),
    ),
}
#: the session in history: paid registrations without photos
PAST = Scene(count=55, states=_PAID, photo=False, locked=True, hours=40 * _DAY)


def nearly_full(plan: SitePlan) -> Scene:
    """Paid entries of the plan's `nearly_full` subject, so that two seats are left."""
    subject = plan.nearly_full or ""
    return Scene(
        count=plan.capacity[subject] - 2,
        states=_PAID,
        most=1,
        review=Review.APPROVED,
        locked=True,
        hours=6 * _DAY,
        subjects=(subject,),
    )
