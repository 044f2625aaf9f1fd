"""The command line: what the pages do, from a shell. Entry point: `app.cli:main`."""

from app.cli.entry import main, run

__all__ = ["main", "run"]
