"""Mail and SMS: how a message of the outbox leaves the house.

`outbox:` delivers nothing: the message stays readable on the outbox page of a development
machine. `smtp://user:password@host:port` (or `smtps://`) sends mail.
"""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Callable
from email.message import EmailMessage
from urllib.parse import SplitResult, unquote, urlsplit

#: (channel, target, subject, body); raises anything on failure.
Deliver = Callable[[str, str, str, str], None]
_SECONDS = 15


class NoSuchService(ValueError):
    """An address whose kind of service nobody has written an adapter for."""


def deliverer(mail_url: str, sms_url: str, sender: str) -> Deliver:
    """The function that delivers both channels. Raises NoSuchService."""
    channels = {"mail": _mail(mail_url, sender), "sms": _sms(sms_url)}

    def deliver(channel: str, target: str, subject: str, body: str) -> None:
        channels[channel](target, subject, body)

    return deliver


def _keep(_target: str, _subject: str, _body: str) -> None:
    """The outbox page shows it."""


def _sms(url: str) -> Callable[[str, str, str], None]:
    if urlsplit(url).scheme != "outbox":
        raise NoSuchService(f"no SMS adapter for {urlsplit(url).scheme}:")
    return _keep


def _mail(url: str, sender: str) -> Callable[[str, str, str], None]:
    parts = urlsplit(url)
    if parts.scheme == "outbox":
        return _keep
    if parts.scheme not in ("smtp", "smtps"):
        raise NoSuchService(f"no mail adapter for {parts.scheme}:")

    def send(target: str, subject: str, body: str) -> None:
        message = EmailMessage()
        message["From"], message["To"], message["Subject"] = sender, target, subject
        message.set_content(body)
        with _server(parts) as server:
            server.send_message(message)

    return send


def _server(parts: SplitResult) -> smtplib.SMTP:
    """A logged-in connection; encrypted wherever the server can."""
    host, context = parts.hostname or "localhost", ssl.create_default_context()
    server: smtplib.SMTP
    if parts.scheme == "smtps":
        server = smtplib.SMTP_SSL(host, parts.port or 465, timeout=_SECONDS, context=context)
    else:
        server = smtplib.SMTP(host, parts.port or 25, timeout=_SECONDS)
        if server.ehlo()[0] == 250 and server.has_extn("starttls"):
            server.starttls(context=context)
    if parts.username:
        server.login(unquote(parts.username), unquote(parts.password or ""))
    return server
