"""What may come out: reasons of rejection, violations, grades."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from app.metadata.errors import N_
from app.models.codes.table import Code, CodeTable


class RejectionType(StrEnum):
    """Why a registration was not approved (R26.6). PHOTO asks for a new photo (R26.3)."""

    BASIC = "1"
    PHOTO = "2"
    ELIGIBILITY = "3"
    OTHER = "4"


class ViolationType(StrEnum):
    """Absence and violations (domain §3.10). CHEATING voids all subjects of the session."""

    ABSENT = "1"
    DISCIPLINE = "2"
    CHEATING = "3"
    OTHER = "4"


REJECTION_TYPES = CodeTable(
    N_("不通过类型"),
    (
        Code(code=RejectionType.BASIC.value, label=N_("基本信息有问题")),
        Code(code=RejectionType.PHOTO.value, label=N_("照片有问题")),
        Code(code=RejectionType.ELIGIBILITY.value, label=N_("报考资格有问题")),
        Code(code=RejectionType.OTHER.value, label=N_("其他问题")),
    ),
)

VIOLATION_TYPES = CodeTable(
    N_("违纪类型"),
    (
        Code(code=ViolationType.ABSENT.value, label=N_("缺考")),
        Code(code=ViolationType.DISCIPLINE.value, label=N_("违纪")),
        Code(code=ViolationType.CHEATING.value, label=N_("作弊")),
        Code(code=ViolationType.OTHER.value, label=N_("其他违规"), aliases=("其他",)),
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Grade(Code):
    """A grade begins at `minimum` marks out of 100."""

    minimum: int


#: Highest first. The certificate prints 合格 for 及格 (domain §3.10).
GRADES: CodeTable[Grade] = CodeTable(
    N_("成绩等第"),
    (
        Grade(code="3", label=N_("优秀"), rank=3, minimum=90),
        Grade(code="2", label=N_("良好"), rank=2, minimum=80),
        Grade(code="1", label=N_("及格"), rank=1, minimum=60, aliases=("合格",)),
        Grade(code="0", label=N_("不及格"), rank=0, minimum=0, aliases=("不合格",)),
    ),
)


def grade_of(score: Decimal | int) -> str:
    """Return the code of the grade of 0–100 marks; a fraction does not round up (89.5: 良好).

    Raises `ValueError` outside 0–100.
    """
    if not 0 <= score <= 100:
        raise ValueError(f"score outside 0-100: {score}")
    return next(grade.code for grade in GRADES if score >= grade.minimum)
