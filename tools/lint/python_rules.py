"""Rules on Python code that no general linter knows: ways around the policy on the session."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

#: modules that may speak Core; they check scope themselves
CORE_ALLOWED = (
    "app/database/",
    "app/rules/capacity.py",
    "app/rules/policy.py",  # the state of the session, asked by every permit
    "app/rules/statistics/",
)
_BULK_METHODS = {
    "bulk_insert_mappings",
    "bulk_update_mappings",
    "bulk_save_objects",
    "from_statement",
    "exec_driver_sql",
}
_STATEMENTS = {"insert", "update", "delete", "select"}


@dataclass(frozen=True, slots=True)
class Finding:
    """One place that breaks a rule."""

    path: Path
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.message}"


def check(path: Path, relative: str) -> Iterator[Finding]:
    """All findings in one file of the application."""
    source = path.read_text(encoding="utf-8")
    tree = ast.parse(source)
    for node in ast.walk(tree):
        for line, message in _findings(node, relative):
            yield Finding(path, line, message)


def _findings(node: ast.AST, relative: str) -> Iterator[tuple[int, str]]:
    if not relative.startswith(CORE_ALLOWED):
        yield from _core(node)
    if isinstance(node, ast.Call):
        yield from _call(node, relative)


def _core(node: ast.AST) -> Iterator[tuple[int, str]]:
    """Core statements on tables bypass the scope (fab.md §2.3, proofs §2)."""
    if not isinstance(node, ast.Call):
        return
    name = _name(node.func)
    if name in _BULK_METHODS:
        yield node.lineno, f"{name}() bypasses the policy on the session"
    if name in _STATEMENTS and any(_is_table(argument) for argument in node.args):
        yield node.lineno, f"{name}() on a table bypasses the policy on the session"
    if (
        name == "connection"
        and isinstance(node.func, ast.Attribute)
        and _name(node.func.value) in ("session", "database")
    ):
        yield node.lineno, "session.connection() bypasses the policy on the session"


def _call(node: ast.Call, relative: str) -> Iterator[tuple[int, str]]:
    name = _name(node.func)
    if name == "with_loader_criteria":
        for argument in node.args:
            if isinstance(argument, ast.Lambda) and argument.args.defaults:
                yield node.lineno, "a default argument in a criterion leaks the first actor's value"
    if name == "add_link":
        yield node.lineno, "menu links are made from endpoints (the session is in the address)"
    if name in ("commit", "rollback") and relative.startswith("app/rules/"):
        yield node.lineno, f"rules never {name}: the unit of work owns the transaction"


def _name(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def _is_table(node: ast.expr) -> bool:
    return isinstance(node, ast.Attribute) and node.attr == "__table__"
