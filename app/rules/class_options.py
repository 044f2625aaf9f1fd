"""考点班级选项设置 (chapter 18): the list from which candidates of a site choose their class."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.metadata.declarations import CHANGE, LOOK, Place, Resource
from app.metadata.errors import N_, InvalidInput, Message, StaleRow
from app.metadata.fields import Computed, Field, Kind
from app.metadata.registry import register
from app.metadata.text import normalise
from app.metadata.vocabulary import Area, Level, Personal, Verb, Window
from app.models.registration import LIVE, Registration
from app.models.settings import SETTERS, SITE_COLUMN, SITE_ORDER, ClassOption, SiteSettings
from app.rules import affected
from app.rules.crud import Context, before
from app.rules.effects import effects
from app.rules.former import of_site

LENGTH = 50
MOST = 500
#: between two options: the Chinese semicolon or the English one (R18.1), or a new line
_SEPARATOR = re.compile(r"[；;\n]")


def former_options(session: Session, row: SiteSettings) -> Mapping[str, str]:
    """The options of the site in the last session of the exam (R0.6b), for the form."""
    rows = of_site(session, ClassOption, row.site_id)
    names = [option.name for option in sorted(rows, key=lambda option: option.position)]
    return {"class_text": "；".join(names)} if names else {}


CLASS_OPTIONS = register(
    Resource(
        name="class_option",
        label=N_("考点班级选项设置"),
        menu=Place(Area.SETUP, 90),
        model=SiteSettings,
        searches=("open",),
        verbs={
            Level.CENTER: LOOK,
            Level.PROVINCE: CHANGE,
            Level.CITY: LOOK,
            Level.SITE: CHANGE,
        },
        entrusted=frozenset({Verb.EDIT}),
        window=Window.SETUP,
        binds=SETTERS,
        single=frozenset({Level.SITE}),
        order=SITE_ORDER,
        writes=(ClassOption,),
        virtual=(
            Field(
                name="class_text",
                label=N_("班级选项"),
                personal=Personal.NONE,
                kind=Kind.MULTILINE,
            ),
        ),
        computed=(
            SITE_COLUMN,
            Computed(
                "class_names",
                N_("班级选项"),
                lambda row: [option.name for option in row.class_options],
                loads=("class_options",),
            ),
        ),
        columns=("site_name", "class_names"),
        shown=("class_names",),
        version="class_version",
        former=former_options,
        edit_label=N_("设置"),
        remarks=(
            N_("①各个选项之间用中文（“；”）或英文分号（“;”）分隔。"),
            N_("②为空为不设置。"),
            N_("③设置了选项，本考点报名的班级信息只能从选项中选取。"),
        ),
        help=N_("不建议在报名期间清除或修改已有的班级选项设置。"),
    )
)


def options_in(text: str | None) -> list[str]:
    """The options of a text: trimmed, without empty ones, each once, in their order (R18).

    Raises InvalidInput for one of more than 50 characters, or for too many.
    """
    found = (normalise(part, collapse=True) for part in _SEPARATOR.split(text or ""))
    names = list(dict.fromkeys(name for name in found if name))
    long = [name for name in names if len(name) > LENGTH]
    problems: list[str] = [
        Message(
            N_("“{name}”有 {count} 个字，每个选项最多 {most} 个字"),
            name=name[:12] + "…",
            count=len(name),
            most=LENGTH,
        )
        for name in long
    ]
    if len(names) > MOST:
        problems.append(
            Message(N_("共 {count} 个选项，最多 {most} 个"), count=len(names), most=MOST)
        )
    if problems:
        raise InvalidInput({"class_text": problems})
    return names


def set_options(session: Session, row: SiteSettings, names: Iterable[str]) -> None:
    """The options of the site become exactly these, in this order. Those that stay keep their
    rows, so that the log tells what was added, moved and deleted."""
    known = {
        option.name: option
        for option in session.scalars(select(ClassOption).where(ClassOption.site_id == row.site_id))
    }
    for position, name in enumerate(names, start=1):
        option = known.pop(name, None)
        if option is None:
            path = {key: getattr(row, key) for key in ("exam_id", "province_id", "city_id")}
            option = ClassOption(**path, site_id=row.site_id, name=name, position=position)
            session.add(option)
        elif option.position != position:
            option.position = position
    for option in known.values():
        session.delete(option)


@before("class_option", Verb.EDIT)
def _store(row: SiteSettings, context: Context) -> None:
    if "class_text" in context.values:
        _hold(context.session, row)
        set_options(context.session, row, options_in(context.values["class_text"]))
        context.session.expire(row, ["class_options"])


def _hold(session: Session, row: SiteSettings) -> None:
    """Keep others from saving options of the site until this transaction ends.

    The row of settings is not written, so its own version does not notice them. Raises StaleRow
    where the options are no longer those that the form's version was compared with.
    """
    compared = {option.name: option.position for option in row.class_options}
    session.scalar(select(SiteSettings.id).where(SiteSettings.id == row.id).with_for_update())
    present = session.execute(
        select(ClassOption.name, ClassOption.position).where(ClassOption.site_id == row.site_id)
    )
    if compared != {name: position for name, position in present}:  # noqa: C416 - as in `fee_grid`
        raise StaleRow()


@effects("class_option", Verb.EDIT)
def _effects(row: SiteSettings, context: Context) -> Iterator[Message]:
    """R18.4: registration is running; options in use go (values that exist stay)."""
    session = context.session
    wanted = set(options_in(context.values.get("class_text")))
    present = set(
        session.scalars(select(ClassOption.name).where(ClassOption.site_id == row.site_id))
    )
    if wanted == present:
        return
    yield from affected.during_registration(session, row.site_id, context.clock())
    for name, count in _used(session, row, present - wanted):
        yield Message(
            N_("“{name}”已有 {count} 名考生使用：他们的班级保留，新的报名不能再选。"),
            name=name,
            count=count,
        )


def _used(session: Session, row: SiteSettings, names: set[str]) -> list[tuple[str, int]]:
    statement = (
        select(Registration.class_name, func.count())
        .where(
            Registration.site_id == row.site_id,
            Registration.class_name.in_(names),
            Registration.life.in_(LIVE),
        )
        .group_by(Registration.class_name)
        .order_by(Registration.class_name)
    )
    return [(name or "", count) for name, count in session.execute(statement)]


__all__ = ["CLASS_OPTIONS", "former_options", "options_in", "set_options"]
