"""Demo data: one province with six sites, each in another phase of the session.

Generated people of the test province 99 only. Everything follows from a fixed seed and from the
day on which it is loaded. Never in production.
"""

from app.demo.accounts import FILE, Account, DemoPasswordWeak, accounts, password_for
from app.demo.load import AlreadyFilled, DemoRefused, DemoReport, is_empty, is_loaded, load

__all__ = [
    "FILE",
    "Account",
    "AlreadyFilled",
    "DemoPasswordWeak",
    "DemoRefused",
    "DemoReport",
    "accounts",
    "is_empty",
    "is_loaded",
    "load",
    "password_for",
]
