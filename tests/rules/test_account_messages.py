"""The outbox, and the adapters behind it with real servers on this machine."""

from __future__ import annotations

import json
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any, ClassVar

import pytest
from sqlalchemy import select

from app.adapters.messages import DeliveryFailed, deliverer
from app.models.account import OutboxMessage
from app.rules import messages
from tests.rules.account_world import World, open_world


@pytest.fixture
def world(fresh_database: str) -> Iterator[World]:
    with open_world(fresh_database) as made:
        yield made


def _queue(world: World, count: int = 1) -> None:
    with world.writing() as session:
        for number in range(count):
            messages.queue(session, f"a{number}@example.com", "主题", f"内容{number}")


def _states(world: World) -> list[tuple[str, int, str | None]]:
    with world.looking() as session:
        rows = session.scalars(select(OutboxMessage).order_by(OutboxMessage.id))
        return [(row.state, row.attempts, row.error) for row in rows]


def test_messages_leave_in_order_and_once(world: World) -> None:
    _queue(world, 3)
    seen: list[str] = []

    def deliver(channel: str, target: str, subject: str, body: str) -> None:
        assert (channel, subject) == ("mail", "主题")
        seen.append(body)
        # another process sweeps while this one is delivering
        assert messages.send_queued(world.factory, _never, limit=1).sent <= 1

    def _never(_channel: str, _target: str, _subject: str, body: str) -> None:
        seen.append(body)

    messages.send_queued(world.factory, deliver)
    assert sorted(seen) == ["内容0", "内容1", "内容2"]
    assert {state for state, _, _ in _states(world)} == {"sent"}


def test_a_failing_gateway_is_tried_five_times_with_growing_pauses(world: World) -> None:
    _queue(world)
    calls = []

    def broken(channel: str, *_: str) -> None:
        calls.append(channel)
        raise OSError("down")

    for minute in (0, 1, 2, 4, 8):
        world.clock.now = world.clock.now.replace(second=0)
        world.clock.forward(minutes=minute)
        messages.send_queued(world.factory, broken, clock=world.clock)
        assert messages.send_queued(world.factory, broken, clock=world.clock).failed == 0
    assert len(calls) == 5
    assert _states(world) == [("failed", 5, "OSError: down")]


def test_a_rolled_back_transaction_sends_nothing(world: World) -> None:
    def fail() -> None:
        with world.writing() as session:
            messages.queue(session, "a@example.com", "主题", "内容")
            raise RuntimeError("rolled back")

    with pytest.raises(RuntimeError, match="rolled back"):
        fail()
    assert _states(world) == []


# ---------------------------------------------------------------- adapters


class _Smtp(socketserver.StreamRequestHandler):
    """Just enough of SMTP to take one message."""

    received: ClassVar[list[bytes]] = []
    refuse = False

    def handle(self) -> None:
        self.wfile.write(b"220 test\r\n")
        while line := self.rfile.readline():
            word = line[:4].upper()
            if word == b"DATA":
                self.wfile.write(b"354 go\r\n")
                lines = []
                while (part := self.rfile.readline()) != b".\r\n":
                    lines.append(part)
                self.received.append(b"".join(lines))
            if word == b"QUIT":
                self.wfile.write(b"221 bye\r\n")
                return
            answer = b"550 no\r\n" if self.refuse and word == b"RCPT" else b"250 ok\r\n"
            self.wfile.write(answer)


class _Gateway(BaseHTTPRequestHandler):
    received: ClassVar[list[tuple[str | None, Any]]] = []
    status = 200

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.received.append((self.headers["Authorization"], json.loads(body)))
        self.send_response(self.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def _serving(server: socketserver.TCPServer) -> Iterator[int]:
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_mail_goes_out_by_smtp() -> None:
    _Smtp.received, _Smtp.refuse = [], False
    with _serving(socketserver.TCPServer(("127.0.0.1", 0), _Smtp)) as port:
        send = deliverer(f"smtp+plain://127.0.0.1:{port}", "kaowu@example.com", "outbox:")
        send("mail", "a@example.com", "登录验证码", "验证码 123456")
        _Smtp.refuse = True
        with pytest.raises(DeliveryFailed):
            send("mail", "a@example.com", "登录验证码", "验证码 123456")
    message = message_from_bytes(_Smtp.received[0], policy=policy.default)
    assert (message["To"], message["Subject"]) == ("a@example.com", "登录验证码")
    assert "验证码 123456" in message.get_content()


def test_sms_goes_out_by_http_with_token_and_signature() -> None:
    _Gateway.received, _Gateway.status = [], 200
    with _serving(HTTPServer(("127.0.0.1", 0), _Gateway)) as port:
        url = f"http://secret@127.0.0.1:{port}/send?signature=%E8%80%83%E5%8A%A1"
        send = deliverer("outbox:", "kaowu@example.com", url)
        send("sms", "13800990001", "", "验证码 123456")
        _Gateway.status = 503
        with pytest.raises(DeliveryFailed, match="HTTP 503"):
            send("sms", "13800990001", "", "验证码 123456")
    assert _Gateway.received[0] == (
        "Bearer secret",
        {"mobile": "13800990001", "text": "【考务】验证码 123456"},
    )


def test_unknown_addresses_are_refused_at_start() -> None:
    for mail, sms in (("ftp://host", "outbox:"), ("outbox:", "smtp://host"), ("smtp:", "outbox:")):
        with pytest.raises(ValueError, match="_URL must be"):
            deliverer(mail, "kaowu@example.com", sms)
