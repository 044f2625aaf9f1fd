"""Browsers that the pages do not support (R1.2)."""

from __future__ import annotations

#: what every Internet Explorer says of itself
_OLD = ("MSIE ", "Trident/")


def is_unsupported(agent: str) -> bool:
    """Whether a User-Agent header is that of a browser which gets the page 请使用推荐浏览器."""
    return any(mark in agent for mark in _OLD)
