"""机构与管理员批量导入 (R5.4, §4.6): organisations below the importer, and who administers them.

All or nothing. A row of an organisation that exists already, with the same name and superior,
only adds its administrator. People whom nobody knows get a passport with 123456 (§8.3).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.jobs.imports.engine import ImportContext, RowsRefused
from app.jobs.imports.held import ImportRow
from app.metadata.declarations import IMPORT, Import, Place
from app.metadata.errors import N_, InvalidInput, KaowuError, Message
from app.metadata.fields import Field
from app.metadata.masking import mask_email, mask_mobile
from app.metadata.registry import register
from app.metadata.text import (
    Bad,
    normalise_code,
    normalise_email,
    normalise_mobile,
    normalise_name,
)
from app.metadata.vocabulary import Area, Level, Personal
from app.models.account import AdminBinding, Passport, PasswordHistory
from app.models.organisation import Organisation, below
from app.rules.account.bindings import bind_administrator
from app.rules.account.errors import AlreadyBound, PassportIsCandidate, PassportMixed
from app.rules.account.passports import (
    is_administrator,
    known_passport,
    live_registration,
    provide_passport,
)
from app.rules.organisation import add_site_rows, place

Found = list[tuple[str, str]]


def _code(value: Any) -> str:
    code = normalise_code(value)
    if not (code.isascii() and code.isdigit()) or len(code) not in (2, 4, 6):
        raise Bad("organisation.code", N_("机构代码：省为 2 位、地市为 4 位、考点为 6 位数字"))
    return code


class _Tree:
    """The organisations that rows refer to: those of the importer's scope, and the file's own."""

    def __init__(self, session: Session, context: ImportContext) -> None:
        rows = session.scalars(select(Organisation).where(below(context.actor)))
        self.existing = {row.code: row for row in rows}
        self.ids = {row.id: row.code for row in self.existing.values()}
        self.new = {
            row["code"]: row for row in by_depth(context.rows) if row["code"] not in self.existing
        }
        self.placed: dict[str, Organisation] = {}

    def find(self, code: str) -> Organisation | None:
        """An organisation by code: stored, or of this file and placed before."""
        return self.existing.get(code) or self.placed.get(code)

    def parent_code(self, row: Organisation) -> str:
        return self.ids.get(row.parent_id, "") if row.parent_id is not None else ""

    def build(self, row: ImportRow) -> Organisation | None:
        """The row's organisation, put below its superior; None when that is unknown.

        Raises InvalidInput for a code that does not fit below it.
        """
        if row["code"] in self.placed:
            return self.placed[row["code"]]
        parent = self.find(row["parent_code"])
        if parent is None and row["parent_code"] in self.new and row["parent_code"] != row["code"]:
            parent = self.build_parent(row)
        if parent is None:
            return None
        made = Organisation(code=row["code"], name=row["name"])
        place(made, parent)
        self.placed[row["code"]] = made
        return made

    def build_parent(self, row: ImportRow) -> Organisation | None:
        """A superior of the same file; codes get shorter upwards, so this ends."""
        parent = self.new[row["parent_code"]]
        if len(parent["code"]) >= len(row["code"]):
            return None
        try:
            return self.build(parent)
        except InvalidInput:
            return None  # reported at its own row


def by_depth(rows: Any) -> list[ImportRow]:
    """Superiors first; within a level in the order of the file."""
    return sorted(rows, key=lambda row: (len(row["code"]), row.number))


def _tree(session: Session, context: ImportContext) -> _Tree:
    if "tree" not in context.facts:
        context.facts["tree"] = _Tree(session, context)
    tree: _Tree = context.facts["tree"]
    return tree


def check(session: Session, row: ImportRow, context: ImportContext) -> Found:
    """What is wrong with a row, beyond the form of its cells."""
    with session.no_autoflush:
        return [*_organisation_problems(session, row, context), *_person_problems(session, row)]


def _organisation_problems(
    session: Session, row: ImportRow, context: ImportContext
) -> Iterator[tuple[str, str]]:
    tree = _tree(session, context)
    stored = tree.existing.get(row["code"])
    if stored is not None:
        if stored.name != row["name"]:
            text = N_("该机构代码已存在，名称为“{name}”，与文件中不同")
            yield "name", Message(text, name=stored.name)
        if tree.parent_code(stored) != row["parent_code"] and stored.parent_id in tree.ids:
            yield "parent_code", N_("该机构代码已存在，其上级与文件中不同")
        return
    first = tree.new[row["code"]]
    if (first["name"], first["parent_code"]) != (row["name"], row["parent_code"]):
        text = N_("与第 {row} 行同一机构代码的名称或上级不同")
        yield "code", Message(text, row=first.number)
        return
    try:
        built = tree.build(row)
    except InvalidInput as error:
        yield "code", error.errors["code"][0]
        return
    if built is None:
        yield "parent_code", N_("上级机构不存在，或不在您的管辖范围内")


def _person_problems(session: Session, row: ImportRow) -> Iterator[tuple[str, str]]:
    try:
        passport = known_passport(session, row["email"], row["mobile"])
    except PassportMixed as error:
        yield _column_of(error), error.as_message()
        return
    if passport is None:
        return
    if is_administrator(session, passport.id):
        yield "email", AlreadyBound().as_message()
    elif live_registration(session, passport.id) is not None:
        yield "email", PassportIsCandidate().as_message()


def _column_of(error: KaowuError) -> str:
    """The cell to mend. The e-mail is required and the mobile is not, so of two that do not
    belong together it is the mobile."""
    return "mobile" if isinstance(error, PassportMixed) else "email"


def apply(session: Session, rows: list[ImportRow], context: ImportContext) -> Mapping[str, int]:
    """Add all organisations, superiors first, then all administrators."""
    tree = _tree(session, context)
    refused: list[tuple[ImportRow, str, str]] = []
    for row in by_depth(rows):
        refused += [
            (row, name, text) for name, text in _organisation_problems(session, row, context)
        ]
    if refused:
        raise RowsRefused(refused)
    for made in sorted(tree.placed.values(), key=lambda one: len(one.code)):
        if made.level == Level.SITE.value:
            add_site_rows(session, made)
            continue
        session.add(made)
        session.flush()  # one by one: a superior before those below it
    people = 0
    for row in rows:
        context.checkpoint()
        try:
            passport, created = provide_passport(
                session, email=row["email"], mobile=row["mobile"], name=row["administrator"]
            )
            bind_administrator(
                session, passport.id, row["code"], row["administrator"], clock=context.clock
            )
        except KaowuError as error:
            raise RowsRefused([(row, _column_of(error), error.as_message())]) from None
        people += created
    return {N_("新增机构"): len(tree.placed), N_("绑定管理员"): len(rows), N_("新通行证"): people}


_COLUMNS = (
    Field(
        name="code",
        label=N_("机构代码"),
        personal=Personal.NONE,
        required=True,
        checks=(_code,),
        help=N_("省 2 位、地市 4 位、考点 6 位数字"),
    ),
    Field(
        name="name",
        label=N_("机构名称"),
        personal=Personal.NONE,
        required=True,
        max_length=60,
        width=30,
    ),
    Field(
        name="parent_code",
        label=N_("上级代码"),
        personal=Personal.NONE,
        required=True,
        checks=(_code,),
        help=N_("上级可以在同一文件中"),
    ),
    Field(
        name="administrator",
        label=N_("管理员姓名"),
        personal=Personal.PERSONAL,
        required=True,
        checks=(normalise_name,),
    ),
    Field(
        name="email",
        label=N_("邮箱"),
        personal=Personal.PERSONAL,
        required=True,
        checks=(normalise_email,),
        mask=mask_email,
        width=30,
        help=N_("没有通行证的，导入后以 123456 首次登录并须修改密码"),
    ),
    Field(
        name="mobile",
        label=N_("手机"),
        personal=Personal.SENSITIVE,
        checks=(normalise_mobile,),
        mask=mask_mobile,
        width=16,
    ),
)

ORGANISATION_IMPORT = register(
    Import(
        name="organisation_import",
        label=N_("机构与管理员批量导入"),
        menu=Place(Area.BASIC, 15),
        verbs={Level.CENTER: IMPORT, Level.PROVINCE: IMPORT},
        writes=(Organisation, Passport, PasswordHistory, AdminBinding),
        columns=_COLUMNS,
        sheet=N_("机构与管理员"),
        unique=("email", "mobile"),
        check=check,
        apply=apply,
        sample=(
            {
                "code": "9907",
                "name": "地市七",
                "parent_code": "99",
                "administrator": "张三",
                "email": "zhangsan@example.com",
                "mobile": "13800000001",
            },
            {
                "code": "990701",
                "name": "地市七考点一",
                "parent_code": "9907",
                "administrator": "李四",
                "email": "lisi@example.com",
                "mobile": "",
            },
        ),
        help=N_("机构代码已存在且名称、上级相同的行，只增加该机构的管理员。"),
    )
)
