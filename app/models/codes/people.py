"""What describes a candidate: documents, sex, ethnic group, education, occupation, province."""

from __future__ import annotations

from enum import StrEnum

from app.metadata.errors import N_
from app.models.codes.table import Code, CodeTable, table_from_json


class IdType(StrEnum):
    """Kinds of identity documents (domain §3.4)."""

    RESIDENT = "1"
    MILITARY = "2"
    PASSPORT = "3"
    HONG_KONG_MACAO_PERMIT = "4"
    TAIWAN_PERMIT = "5"
    RESIDENCE_PERMIT = "6"
    OTHER = "9"


class Sex(StrEnum):
    """Sex as in GB/T 2261.1 (domain §3.5)."""

    MALE = "1"
    FEMALE = "2"


ID_TYPES = CodeTable(
    N_("证件类型"),
    (
        Code(
            code=IdType.RESIDENT.value,
            label=N_("居民身份证"),
            aliases=("身份证", "二代身份证", "临时身份证", "居民身份证(含临时)"),
        ),
        Code(
            code=IdType.MILITARY.value,
            label=N_("军人证件"),
            aliases=("军官证", "警官证", "士兵证", "军人证"),
        ),
        Code(code=IdType.PASSPORT.value, label=N_("护照")),
        Code(
            code=IdType.HONG_KONG_MACAO_PERMIT.value,
            label=N_("港澳居民来往内地通行证"),
            aliases=("港澳通行证", "回乡证"),
        ),
        Code(
            code=IdType.TAIWAN_PERMIT.value,
            label=N_("台湾居民来往大陆通行证"),
            aliases=("台湾通行证", "台胞证"),
        ),
        Code(
            code=IdType.RESIDENCE_PERMIT.value,
            label=N_("港澳台居民居住证"),
            aliases=("居住证", "港澳居民居住证", "台湾居民居住证"),
        ),
        Code(code=IdType.OTHER.value, label=N_("其他"), active=False),
    ),
)

SEXES = CodeTable(
    N_("性别"),
    (
        Code(code=Sex.MALE.value, label=N_("男"), aliases=("男性",)),
        Code(code=Sex.FEMALE.value, label=N_("女"), aliases=("女性",)),
    ),
)

#: GB/T 3304, with 97 and 98 (domain §3.5).
ETHNIC_GROUPS = table_from_json(N_("民族"), "ethnic_groups.json")

#: Provinces of the examination, with army units 81–84 and the test province 99 (domain §3.3).
#: Not the table for ID numbers: there 81–83 are Hong Kong, Macao and Taiwan.
PROVINCES = table_from_json(N_("省份"), "provinces.json")

#: Level of education; the rank decides whether another site may take a record over (R20.5).
EDUCATIONS = CodeTable(
    N_("文化程度"),
    (
        Code(
            code="10",
            label=N_("研究生"),
            rank=8,
            aliases=("硕士", "博士", "硕士研究生", "博士研究生"),
        ),
        Code(code="20", label=N_("大学本科"), rank=7, aliases=("本科",)),
        Code(code="30", label=N_("大学专科"), rank=6, aliases=("专科", "大专")),
        Code(
            code="40",
            label=N_("中专/中职"),
            rank=5,
            aliases=("中专", "中职", "中等专业学校", "职业高中", "职高"),
        ),
        Code(code="50", label=N_("技工学校"), rank=4, aliases=("技校",)),
        Code(code="60", label=N_("高中"), rank=3),
        Code(code="70", label=N_("初中"), rank=2),
        Code(code="80", label=N_("小学"), rank=1),
        Code(code="90", label=N_("其他"), rank=0),
    ),
)

OCCUPATION_STUDENT = "01"
OCCUPATIONS = CodeTable(
    N_("职业"),
    (
        Code(code=OCCUPATION_STUDENT, label=N_("学生")),
        Code(code="02", label=N_("教师")),
        Code(code="03", label=N_("国家公务员/机关"), aliases=("国家公务员", "公务员", "机关")),
        Code(code="04", label=N_("专业技术"), aliases=("专业技术人员",)),
        Code(code="05", label=N_("企业管理"), aliases=("企业管理人员",)),
        Code(code="06", label=N_("工人")),
        Code(code="07", label=N_("农民")),
        Code(code="08", label=N_("军人")),
        Code(code="09", label=N_("商业服务"), aliases=("商业服务人员",)),
        Code(code="10", label=N_("自由职业"), aliases=("自由职业者",)),
        Code(code="11", label=N_("无业/待业"), aliases=("无业", "待业")),
        Code(code="99", label=N_("其他")),
    ),
)
