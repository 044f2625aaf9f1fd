"""What candidates and the system's own tasks may do in registration, as declarations.

Windows gate administrators, not candidates (R9.4): a candidate's time is the site's own, which
the rules ask of `rules.site`.
"""

from __future__ import annotations

from app.metadata.declarations import ONLY_RUN, Declaration
from app.metadata.errors import N_
from app.metadata.registry import register
from app.metadata.vocabulary import Level
from app.models.capacity import CapacityPool
from app.models.payment import GatewayTransaction, PaymentOrder
from app.models.registration import Entry, PersonClaim, Photo, Registration

#: Everything that one step of a registration may write; for `writes` of operations and imports.
TABLES = (
    Registration,
    Entry,
    PersonClaim,
    Photo,
    PaymentOrder,
    GatewayTransaction,
    CapacityPool,
)


def _candidate(name: str, label: str) -> Declaration:
    return register(
        Declaration(
            name=f"candidate.{name}",
            label=label,
            verbs={Level.CANDIDATE: ONLY_RUN},
            writes=TABLES,
        )
    )


def _task(name: str, label: str) -> Declaration:
    """No level has the verb: only the system's own actor may."""
    return register(Declaration(name=name, label=label, writes=TABLES))


SAVE_PERSON = _candidate("save_person", N_("填写报名个人信息"))
UPLOAD_PHOTO = _candidate("upload_photo", N_("上传照片"))
CHOOSE_SUBJECTS = _candidate("choose_subjects", N_("选择报考科目"))
SUBMIT_FOR_REVIEW = _candidate("submit_for_review", N_("提交审核"))
WITHDRAW = _candidate("withdraw", N_("取消未支付的报考"))
PAY = _candidate("pay", N_("支付"))
RECEIVE_PAYMENT = _task("payment.receive", N_("接收支付通知"))
EXPIRE = _task("registration.expire", N_("清理超时未支付的报考"))
