"""What a registration costs (R12): 人次费 once per registration, and a fee per subject, in fen."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from app.metadata.errors import N_, KaowuError, Message
from app.models.settings import PERSON_FEE, Fee
from app.rules.capacity import AtSite


class FeeUnset(KaowuError):
    """A fee that the province has not set: neither registered online nor paid (R12.5, N21)."""

    code = "fee.unset"
    template = N_("{what}未设置，暂不能报考或支付。请联系考点，由省级管理员设置。")


#: what is missing where a subject has no fee
SUBJECT_FEE = N_("科目{code}的费用")


@dataclass(frozen=True, slots=True)
class FeeList:
    """The fees of a site in fen; what is missing is unset, 0 is set and free."""

    person: int | None
    subjects: dict[str, int]

    def require_person(self) -> int:
        """The 人次费; raises FeeUnset."""
        if self.person is None:
            raise FeeUnset(what=N_("人次费"))
        return self.person

    def require_subject(self, code: str) -> int:
        """The fee of a subject; raises FeeUnset."""
        if code not in self.subjects:
            raise FeeUnset(what=Message(SUBJECT_FEE, code=code))
        return self.subjects[code]


@dataclass(frozen=True, slots=True)
class Price:
    """The frozen fees of an order (R12.5): in fen, per subject."""

    person_fee: int
    subject_fees: dict[str, int]

    @property
    def subject_fee(self) -> int:
        return sum(self.subject_fees.values())

    @property
    def amount(self) -> int:
        return self.person_fee + self.subject_fee


_FEES = select(Fee.subject_code, Fee.amount).where(
    Fee.exam_id == bindparam("exam"), Fee.site_id == bindparam("site")
)


def fees_of(session: Session, site: AtSite) -> FeeList:
    """The fees in force at a site. One statement."""
    rows = session.execute(_FEES, {"exam": site.exam_id, "site": site.site_id})
    amounts = {code: amount for code, amount in rows}  # noqa: C416 - rows are not pairs to mypy
    return FeeList(amounts.pop(PERSON_FEE, None), amounts)


def price(fees: FeeList, subject_codes: Iterable[str], *, person_fee_due: bool) -> Price:
    """The price of these subjects; the 人次费 is due once per registration. Raises FeeUnset."""
    person_fee = fees.require_person() if person_fee_due else 0
    return Price(person_fee, {code: fees.require_subject(code) for code in sorted(subject_codes)})
