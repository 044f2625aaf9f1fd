"""What all commands share: the started process, who acts, groups in the help, exit codes.

0: done. 1: refused, or something is wrong; the sentence is on stderr. 2: wrong usage.
"""

from __future__ import annotations

import getpass
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar

import click
from sqlalchemy import Engine, select
from sqlalchemy.orm import sessionmaker

from app.cli.texts import _
from app.database.session import KaowuSession
from app.database.unit_of_work import reading
from app.jobs.machine import Machine, machine_of
from app.metadata.actor import Actor, system
from app.metadata.errors import N_, KaowuError
from app.metadata.text import Bad, normalise_email
from app.metadata.vocabulary import Level
from app.models.account import Passport
from app.models.exam import Exam
from app.models.organisation import Organisation, below
from app.rules import actors
from app.rules.account.errors import PassportNotFound
from app.rules.policy import WrongOrganisation
from app.runtime import Runtime, start
from config import Settings

F = TypeVar("F", bound=Callable[..., Any])


class NoCurrentExam(KaowuError):
    """Nothing to act in."""

    code = "cli.no_current_exam"
    template = N_("还没有当前考次。请用 --exam 指明考次号。")


class NoSuchExam(KaowuError):
    """--exam names none."""

    code = "cli.no_such_exam"
    template = N_("没有考次 {number}。")
    status = 404


class NobodyActs(KaowuError):
    """A command that acts for somebody was not told for whom."""

    code = "cli.nobody_acts"
    template = N_("请用 --as 指明操作人的邮箱。")


@dataclass
class Shell:
    """One call of `kaowu`: its environment, and the process behind it, started when needed."""

    environ: Mapping[str, str]
    verbose: bool = False

    @cached_property
    def settings(self) -> Settings:
        return Settings.from_environment(self.environ)

    @cached_property
    def runtime(self) -> Runtime:
        self.settings.instance.mkdir(mode=0o700, parents=True, exist_ok=True)
        logging.basicConfig(
            level=logging.INFO if self.verbose else logging.ERROR,
            format="%(levelname)s %(name)s %(message)s",
        )
        return start(self.settings)

    @property
    def engine(self) -> Engine:
        return self.runtime.engine

    @property
    def factory(self) -> sessionmaker[KaowuSession]:
        return self.runtime.factory

    @property
    def machine(self) -> Machine:
        return machine_of(self.runtime)

    @property
    def request_id(self) -> str:
        """For the audit: the account of this machine that typed the command."""
        return f"cli {getpass.getuser()}"[:40]

    def close(self) -> None:
        """Give the connections back."""
        if "runtime" in self.__dict__:
            self.runtime.engine.dispose()


pass_shell = click.make_pass_decorator(Shell)


@dataclass(frozen=True, slots=True)
class Acting:
    """The options --exam, --site and --as, as typed."""

    exam: int | None = None
    site: str | None = None
    email: str | None = None


def acting_options(command: F) -> F:
    """Give a command the options that say who acts, where: its argument `acting`."""

    def gather(*arguments: Any, **options: Any) -> Any:
        acting = Acting(options.pop("exam"), options.pop("site"), options.pop("acting_for"))
        return command(*arguments, acting=acting, **options)

    gather.__doc__ = command.__doc__
    gather.__name__ = command.__name__
    known = getattr(command, "__click_params__", [])
    gather.__click_params__ = known  # type: ignore[attr-defined] # where click keeps options
    for option in (
        click.option("--as", "acting_for", metavar="E-MAIL", help=_("操作人的邮箱")),
        click.option("--site", metavar="CODE", help=_("机构代码；上级代办时必填")),
        click.option("--exam", type=int, metavar="NUMBER", help=_("考次号；默认为当前考次")),
    ):
        gather = option(gather)
    return gather  # type: ignore[return-value] # click's decorators lose the signature


def exam_of(session: KaowuSession, number: int | None) -> Exam:
    """The session of that number, or the current one. Raises NoSuchExam, NoCurrentExam."""
    if number is None:
        current = actors.current_exam(session)
        if current is None:
            raise NoCurrentExam()
        return current
    found = session.scalars(select(Exam).where(Exam.number == number)).one_or_none()
    if found is None:
        raise NoSuchExam(number=number)
    return found


def actor_for(shell: Shell, acting: Acting) -> Actor:
    """The administrator of --as in the session of --exam, on behalf of --site where that is not
    his own (P3).

    Raises NobodyActs, PassportNotFound, WrongOrganisation, and what `load_administrator` refuses.
    """
    if not acting.email:
        raise NobodyActs()
    try:
        email = normalise_email(acting.email)
    except Bad:
        raise PassportNotFound() from None
    with reading(shell.factory, system("command line")) as session:
        passport_id = session.scalar(
            select(Passport.id).where(Passport.email == email, Passport.active.is_(True))
        )
        if passport_id is None:
            raise PassportNotFound()
        actor = actors.load_administrator(session, passport_id, exam_of(session, acting.exam))
    if acting.site is None or acting.site == actor.organisation_code:
        return actor
    return _on_behalf(shell, actor, acting.site)


def _on_behalf(shell: Shell, actor: Actor, code: str) -> Actor:
    """A superior may name an organisation below him; nobody else may name another one."""
    with reading(shell.factory, actor) as session:
        found = session.scalar(
            select(Organisation.id).where(below(actor), Organisation.code == code)
        )
    if found is None or actor.level is Level.SITE:
        raise WrongOrganisation()
    return actor.behalf(code)


# ---------------------------------------------------------------- output


def say(text: str = "") -> None:
    """A line on stdout."""
    click.echo(text)


def complain(text: str) -> None:
    """A line on stderr."""
    click.echo(text, err=True)


def width_of(text: str) -> int:
    """Columns of a terminal: Chinese characters take two."""
    return sum(2 if ord(sign) > 0x2E7F else 1 for sign in text)


def table(rows: Sequence[Sequence[str]], indent: str = "") -> None:
    """Print rows in aligned columns; the first row is the heading."""
    widths = [max(width_of(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        cells = [
            cell + " " * (width - width_of(cell)) for cell, width in zip(row, widths, strict=True)
        ]
        say((indent + "  ".join(cells)).rstrip())


# ---------------------------------------------------------------- groups in the help


@dataclass
class Chapter:
    """A heading of `kaowu --help` and the commands below it."""

    label: str
    commands: list[str] = field(default_factory=list)


class ChapteredGroup(click.Group):
    """The top group: its help shows the commands under headings."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.chapters: list[Chapter] = []

    def add_chapter(self, label: str, *commands: click.Command) -> None:
        """Add commands under a heading, in this order."""
        self.chapters.append(Chapter(label, [str(command.name) for command in commands]))
        for command in commands:
            self.add_command(command)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write one section per heading."""
        for chapter in self.chapters:
            with formatter.section(chapter.label):
                formatter.write_dl(
                    [
                        (name, self.commands[name].get_short_help_str(60))
                        for name in chapter.commands
                    ]
                )
