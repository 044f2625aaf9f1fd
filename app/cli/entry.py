"""`kaowu`: the top group, and how its errors become sentences and exit codes."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Mapping, Sequence

import click
from sqlalchemy.exc import OperationalError, ProgrammingError

from app.cli.arrange import arrange
from app.cli.audit import audit
from app.cli.check import check
from app.cli.database import database
from app.cli.demo import demo
from app.cli.documents import document
from app.cli.grid import grid
from app.cli.imports import import_file
from app.cli.jobs import jobs
from app.cli.operation import operation
from app.cli.permissions import permissions
from app.cli.repair import repair
from app.cli.shell import ChapteredGroup, Shell, complain
from app.cli.texts import _
from app.metadata.errors import KaowuError
from config import SettingsError

REFUSED, USAGE = 1, 2
logger = logging.getLogger("kaowu.cli")


@click.group(
    "kaowu",
    cls=ChapteredGroup,
    help=_("考务（Kaowu）命令行。代某人操作的命令用 --as 指明操作人，权限与页面相同。"),
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.option("-v", "--verbose", is_flag=True, help=_("显示运行日志"))
@click.pass_obj
def kaowu(shell: Shell, verbose: bool) -> None:
    """The top group."""
    shell.verbose = verbose


kaowu.add_chapter(_("安装与维护"), database, permissions, repair, demo)
kaowu.add_chapter(_("业务（代某人操作）"), import_file, document, operation, grid, arrange)
kaowu.add_chapter(_("运行"), jobs, check, audit)


def run(arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    """Run one command; the exit code. Sentences go to stdout, refusals to stderr."""
    shell = Shell(environ)
    try:
        result = kaowu.main(list(arguments), "kaowu", standalone_mode=False, obj=shell)
    except click.exceptions.Exit as ended:
        return ended.exit_code
    except click.Abort:
        complain(_("已取消。"))
        return REFUSED
    except click.UsageError as error:
        complain(_("用法错误：") + _usage(error))
        if error.ctx is not None:
            complain(_("用法说明：{path} --help").format(path=error.ctx.command_path))
        return USAGE
    except click.ClickException as error:
        complain(error.format_message())
        return REFUSED
    except SettingsError as error:
        complain(_("设置有误，没有执行：") + f"\n{error}")
        return REFUSED
    except KaowuError as refusal:
        complain(refusal.message(_))
        return REFUSED
    except (OperationalError, ProgrammingError) as error:
        # the text of the statement may hold personal data: it goes to the log alone
        logger.info("database: %s", error)
        complain(_("无法使用数据库：{cause}").format(cause=_first_line(error)))
        complain(_("请检查 DATABASE_URL，并运行 kaowu db upgrade。"))
        return REFUSED
    finally:
        shell.close()
    return result if isinstance(result, int) else 0


def _first_line(error: OperationalError | ProgrammingError) -> str:
    return str(error.orig).strip().partition("\n")[0]


def _usage(error: click.UsageError) -> str:
    """The commonest mistakes in the language of the shell; others as the parser says them."""
    if isinstance(error, click.NoSuchOption):
        return _("没有选项 {name}").format(name=error.option_name)
    if isinstance(error, click.MissingParameter) and error.param is not None:
        return _("缺少 {name}").format(name=error.param.get_error_hint(error.ctx or _nowhere()))
    if isinstance(error, click.BadParameter) and error.param is not None:
        hint = error.param.get_error_hint(error.ctx or _nowhere())
        return f"{hint}：{error.message}"
    return error.format_message()


def _nowhere() -> click.Context:
    return click.Context(kaowu)


def main() -> None:
    """What the console script calls."""
    sys.exit(run(sys.argv[1:], os.environ))
