"""Encryption and keyed digests of sensitive columns (architecture §4.10).

Stored form: key identifier, colon, base64 of nonce (12 bytes) + AES-GCM ciphertext, so that keys
can be rotated: a value is opened with the key that it names, and sealed with the first one.
"""

from __future__ import annotations

import base64
import hmac
import os
from collections.abc import Mapping

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_NONCE_BYTES = 12
IDENTIFIER_LENGTH = 16


class Keyring:
    """Data keys by identifier, the sealing one first, and the key of the digests."""

    def __init__(self, data_keys: Mapping[str, bytes], digest_key: bytes) -> None:
        if not data_keys or any(len(key) != 32 for key in data_keys.values()):
            raise ValueError("data keys must be 32 bytes each")
        if any(len(name) > IDENTIFIER_LENGTH or ":" in name for name in data_keys):
            raise ValueError("identifiers of data keys are short and have no colon")
        self._ciphers = {name: AESGCM(key) for name, key in data_keys.items()}
        self._sealing = next(iter(data_keys))
        self._digest = hmac.new(digest_key, digestmod="sha256")

    def seal(self, text: str) -> str:
        """Encrypt; a different result each time."""
        nonce = os.urandom(_NONCE_BYTES)
        sealed = self._ciphers[self._sealing].encrypt(nonce, text.encode(), None)
        return f"{self._sealing}:{base64.b64encode(nonce + sealed).decode()}"

    def open(self, stored: str) -> str:
        """Decrypt. Raises KeyError for an unknown key, InvalidTag for a damaged value."""
        name, _, encoded = stored.partition(":")
        raw = base64.b64decode(encoded)
        nonce, sealed = raw[:_NONCE_BYTES], raw[_NONCE_BYTES:]
        return self._ciphers[name].decrypt(nonce, sealed, None).decode()

    def digest(self, text: str) -> str:
        """Keyed digest (64 hex digits) for equality and uniqueness; not reversible."""
        keyed = self._digest.copy()  # large files have many, and the key is taken in once
        keyed.update(text.encode())
        return keyed.hexdigest()


_keyring: Keyring | None = None


def install_keyring(keyring: Keyring) -> None:
    """Set the process's keys; called once at start, before the first row is read."""
    global _keyring  # noqa: PLW0603 - one set of keys per process, by design
    _keyring = keyring


def keyring() -> Keyring:
    """The installed keys; RuntimeError before `install_keyring`."""
    if _keyring is None:
        raise RuntimeError("no encryption keys installed")
    return _keyring


def digest(text: str | None) -> str | None:
    """Keyed digest of a normalised value; None stays None."""
    return None if text is None else keyring().digest(text)
