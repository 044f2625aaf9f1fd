"""Tests reach this machine alone: a connection to any other address is refused."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable
from typing import Any

import pytest

_LOCAL_NAMES = {"", "localhost"}


class OutsideConnection(RuntimeError):
    """A test, or code that it called, tried to leave this machine."""


def is_local(address: object) -> bool:
    """Whether a socket address stays here: a path, ``localhost`` or a loopback number."""
    if not isinstance(address, tuple):
        return True  # a Unix socket's path
    host = address[0] or ""
    if isinstance(host, bytes):
        host = host.decode()
    if host in _LOCAL_NAMES:
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False  # a name: to look it up would already leave the machine


def refuse_outside(patch: pytest.MonkeyPatch) -> None:
    """Guard every way by which Python's sockets leave the machine, until the patch is undone."""

    def guarded(original: Callable[..., Any], position: int) -> Callable[..., Any]:
        def call(self: socket.socket, *arguments: Any) -> Any:
            address = arguments[position]
            if self.family in (socket.AF_INET, socket.AF_INET6) and not is_local(address):
                raise OutsideConnection(f"a test may not connect to {address!r}")
            return original(self, *arguments)

        return call

    for name, position in (("connect", 0), ("connect_ex", 0), ("sendto", -1)):
        patch.setattr(socket.socket, name, guarded(getattr(socket.socket, name), position))

    look_up = socket.getaddrinfo

    def local_look_up(host: Any, *arguments: Any, **options: Any) -> Any:
        if not is_local((host,)):
            raise OutsideConnection(f"a test may not look up {host!r}")
        return look_up(host, *arguments, **options)

    patch.setattr(socket, "getaddrinfo", local_look_up)
