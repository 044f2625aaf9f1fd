"""Mail and SMS leave the house here. `deliverer` chooses by address:

    outbox:                                   nothing leaves; the rows are the outbox page
    smtp://user:password@host:587             SMTP with STARTTLS (smtp+plain:// without)
    smtps://user:password@host:465            SMTP over TLS
    https://token@gateway/path?signature=…    SMS: JSON {"mobile", "text"} with bearer token

What is handed out is a function (channel, target, subject, body); it raises `DeliveryFailed`
or an OSError, which the outbox counts and tries again.
"""

from __future__ import annotations

import json
import smtplib
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit, urlunsplit

Deliver = Callable[[str, str, str, str], None]
_TIMEOUT_SECONDS = 15
_SMTP_PORTS = {"smtp": 587, "smtp+plain": 25, "smtps": 465}


class DeliveryFailed(Exception):
    """The gateway refused. The text is for operators; it holds no address and no message."""


def deliverer(mail_url: str, mail_sender: str, sms_url: str) -> Deliver:
    """The function that delivers both kinds. Raises ValueError for an unknown kind of address."""
    send_mail = _mail(mail_url, mail_sender)
    send_sms = _sms(sms_url)

    def deliver(channel: str, target: str, subject: str, body: str) -> None:
        if channel == "mail":
            send_mail(target, subject, body)
        else:
            send_sms(target, body)

    return deliver


def _mail(url: str, sender: str) -> Callable[[str, str, str], None]:
    parts = urlsplit(url)
    if parts.scheme == "outbox":
        return lambda _target, _subject, _body: None
    if parts.scheme not in _SMTP_PORTS or not parts.hostname:
        raise ValueError("MAIL_URL must be outbox:, smtp:// or smtps://")

    def send(target: str, subject: str, body: str) -> None:
        message = EmailMessage()
        message["From"], message["To"], message["Subject"] = sender, target, subject
        message["Date"] = formatdate(localtime=True)
        message["Message-ID"] = make_msgid(domain=sender.rpartition("@")[2] or None)
        message.set_content(body)
        try:
            with _connect(parts) as connection:
                connection.send_message(message)
        except smtplib.SMTPResponseException as error:
            raise DeliveryFailed(f"SMTP {error.smtp_code}") from None
        except smtplib.SMTPException as error:
            raise DeliveryFailed(type(error).__name__) from None

    return send


def _connect(parts: SplitResult) -> smtplib.SMTP:
    """A connection that is encrypted (unless asked otherwise) and logged in."""
    host, port = parts.hostname or "", parts.port or _SMTP_PORTS[parts.scheme]
    context = ssl.create_default_context()
    connection: smtplib.SMTP
    if parts.scheme == "smtps":
        connection = smtplib.SMTP_SSL(host, port, timeout=_TIMEOUT_SECONDS, context=context)
    else:
        connection = smtplib.SMTP(host, port, timeout=_TIMEOUT_SECONDS)
    try:
        if parts.scheme == "smtp":
            connection.starttls(context=context)
        if parts.username:
            connection.login(unquote(parts.username), unquote(parts.password or ""))
    except BaseException:
        connection.close()
        raise
    return connection


def _sms(url: str) -> Callable[[str, str], None]:
    parts = urlsplit(url)
    if parts.scheme == "outbox":
        return lambda _target, _body: None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("SMS_URL must be outbox: or an http(s) address")
    host = parts.hostname + (f":{parts.port}" if parts.port else "")
    address = urlunsplit((parts.scheme, host, parts.path or "/", "", ""))
    signature = parse_qs(parts.query).get("signature", [""])[0]

    def send(target: str, body: str) -> None:
        text = f"【{signature}】{body}" if signature else body
        request = urllib.request.Request(  # noqa: S310 - the scheme was checked above
            address,
            json.dumps({"mobile": target, "text": text}).encode(),
            {"Content-Type": "application/json", "Accept": "application/json"},
        )
        if parts.username:
            request.add_header("Authorization", f"Bearer {unquote(parts.username)}")
        try:
            with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS):  # noqa: S310 - as above
                return
        except urllib.error.HTTPError as error:
            error.close()
            raise DeliveryFailed(f"HTTP {error.code}") from None

    return send
