"""What is known of a person: the columns that registrations and student records share."""

from __future__ import annotations

import datetime as dt

from sqlalchemy import Date, String
from sqlalchemy.orm import Mapped, mapped_column

from app.database.base import PLUMBING, Encrypted
from app.metadata.errors import N_
from app.metadata.fields import Kind, Search, col
from app.metadata.id_numbers import searched_numbers
from app.metadata.masking import mask_address, mask_email, mask_id, mask_mobile, unmasked
from app.metadata.text import (
    normalise_email,
    normalise_name,
    normalise_phone,
    normalise_postcode,
)
from app.metadata.vocabulary import Personal
from app.models.codes import EDUCATIONS, ETHNIC_GROUPS, ID_TYPES, OCCUPATIONS, SEXES


class PersonalData:
    """Columns of one person. `id_digest` finds the encrypted number and keeps it unique."""

    name: Mapped[str] = mapped_column(
        String(30),
        info=col(
            N_("姓名"),
            Personal.PERSONAL,
            listed=True,
            search=Search.PREFIX,
            checks=(normalise_name,),
            help=N_("须与证件一致；少数民族姓名间隔点用“·”"),
        ),
    )
    sex: Mapped[str] = mapped_column(
        String(1), info=col(N_("性别"), Personal.PERSONAL, choices=SEXES.choices, listed=True)
    )
    birth: Mapped[dt.date] = mapped_column(
        Date, info=col(N_("出生日期"), Personal.PERSONAL, listed=True)
    )
    id_type: Mapped[str] = mapped_column(
        String(1),
        info=col(N_("证件类型"), Personal.PERSONAL, choices=ID_TYPES.choices, listed=True),
    )
    id_number: Mapped[str] = mapped_column(
        Encrypted(30),
        info=col(
            N_("证件号码"),
            Personal.SENSITIVE,
            listed=True,
            sortable=False,
            search=Search.EXACT,
            mask=mask_id,
            digest_column="id_digest",
            searched_as=searched_numbers,
        ),
    )
    id_digest: Mapped[str] = mapped_column(String(64), info=PLUMBING)
    ethnic: Mapped[str | None] = mapped_column(
        String(2),
        info=col(N_("民族"), Personal.PERSONAL, choices=ETHNIC_GROUPS.choices, listed=True),
    )
    education: Mapped[str | None] = mapped_column(
        String(2), info=col(N_("文化程度"), Personal.PERSONAL, choices=EDUCATIONS.choices)
    )
    occupation: Mapped[str | None] = mapped_column(
        String(2), info=col(N_("职业"), Personal.PERSONAL, choices=OCCUPATIONS.choices)
    )
    department: Mapped[str | None] = mapped_column(
        String(50), info=col(N_("院系"), Personal.NONE, search=Search.PREFIX, more=True)
    )
    major: Mapped[str | None] = mapped_column(
        String(50), info=col(N_("专业"), Personal.NONE, search=Search.PREFIX, more=True)
    )
    class_name: Mapped[str | None] = mapped_column(
        String(50), info=col(N_("班级"), Personal.NONE, search=Search.PREFIX, more=True)
    )
    student_number: Mapped[str | None] = mapped_column(
        String(30), info=col(N_("学号"), Personal.PERSONAL, search=Search.EXACT, more=True)
    )
    postcode: Mapped[str | None] = mapped_column(
        String(6), info=col(N_("邮编"), Personal.NONE, checks=(normalise_postcode,))
    )
    address: Mapped[str | None] = mapped_column(
        String(100),
        info=col(N_("联系地址"), Personal.PERSONAL, mask=mask_address, checks=(unmasked,)),
    )
    mobile: Mapped[str | None] = mapped_column(
        Encrypted(20),
        info=col(
            N_("联系电话"),
            Personal.SENSITIVE,
            mask=mask_mobile,
            sortable=False,
            checks=(normalise_phone,),
        ),
    )
    email: Mapped[str | None] = mapped_column(
        String(254),
        info=col(N_("电子邮箱"), Personal.PERSONAL, mask=mask_email, checks=(normalise_email,)),
    )
    remark: Mapped[str | None] = mapped_column(
        String(200), info=col(N_("备注"), Personal.NONE, kind=Kind.MULTILINE)
    )
