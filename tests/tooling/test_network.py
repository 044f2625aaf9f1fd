"""No test leaves the machine."""

from __future__ import annotations

import socket
import urllib.request

import pytest

from tests.network import OutsideConnection, is_local


@pytest.mark.parametrize(
    ("address", "local"),
    [
        ("/run/socket", True),
        (b"\0abstract", True),
        (("127.0.0.1", 80), True),
        (("127.9.9.9", 80), True),
        (("::1", 80, 0, 0), True),
        (("localhost", 80), True),
        (("", 80), True),
        (("10.0.0.1", 80), False),
        (("0.0.0.0", 80), False),  # noqa: S104 -- not bound to
        (("example.org", 80), False),
        (("localhost.example.org", 80), False),
        ((b"192.0.2.1", 80), False),
    ],
)
def test_what_is_local(address: object, local: bool) -> None:
    assert is_local(address) is local


def test_a_connection_outside_is_refused() -> None:
    with socket.socket() as stream, pytest.raises(OutsideConnection, match=r"192\.0\.2\.1"):
        stream.connect(("192.0.2.1", 80))
    with socket.socket() as stream, pytest.raises(OutsideConnection):
        stream.connect_ex(("192.0.2.1", 80))


def test_a_datagram_outside_is_refused() -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as datagrams, pytest.raises(OutsideConnection):
        datagrams.sendto(b"x", ("192.0.2.1", 53))


def test_a_name_is_not_even_looked_up() -> None:
    with pytest.raises(OutsideConnection, match=r"example\.org"):
        urllib.request.urlopen("http://example.org/")


def test_this_machine_is_reached() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname()) as client,
    ):
        assert client.getpeername() == server.getsockname()
