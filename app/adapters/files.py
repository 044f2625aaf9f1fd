"""The file store: photos, uploads, documents, outside the web root (fsspec: disk, S3, memory).

Keys are random and say nothing about whose file it is; who may read a file is a rule's decision.
"""

from __future__ import annotations

import hashlib
import io
import re
import secrets
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

import fsspec

from app.metadata.errors import N_, KaowuError

_KEY = re.compile(r"[a-z_]{1,30}/[0-9a-f]{2}/[0-9a-f]{32}(\.[a-z0-9]{1,8})?")
_FOLDER = re.compile(r"[a-z_]{1,30}")
_SUFFIX = re.compile(r"(\.[a-z0-9]{1,8})?")
_UNSAFE = re.compile(r'[\\/:*?"<>|\x00-\x1f\x7f]+')
#: Names that Windows gives to devices.
_DEVICES = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?", re.IGNORECASE)
_CHUNK = 1 << 20
NAME_LENGTH = 120


class FileMissing(KaowuError):
    """The store has no such file."""

    code = "files.missing"
    template = N_("文件不存在或已被清理，请重新生成或上传。")
    status = 404


class UnsafeKey(ValueError):
    """A key that this store never made."""


@dataclass(frozen=True, slots=True)
class StoredObject:
    """What was put: its key, size in bytes, and digest of the content."""

    key: str
    size: int
    sha256: str


def safe_name(name: str, default: str = "file") -> str:
    """A file name for downloads: no folders, no control characters, at most 120 characters.

    Chinese stays. The ending is kept when the name is cut.
    """
    plain = unicodedata.normalize("NFC", name).replace("\\", "/").rsplit("/", 1)[-1]
    plain = "".join(sign for sign in plain if unicodedata.category(sign)[0] != "C")
    plain = _UNSAFE.sub("_", plain).strip(" .")
    if not plain or _DEVICES.fullmatch(plain):
        return default
    if len(plain) > NAME_LENGTH:
        stem, dot, suffix = plain.rpartition(".")
        cut = NAME_LENGTH - len(suffix) - 1
        plain = f"{stem[:cut]}.{suffix}" if dot and len(suffix) <= 8 else plain[:NAME_LENGTH]
    return plain


class FileStore:
    """Files below one address: "file:///…", "s3://bucket/…", "memory://…"."""

    def __init__(self, url: str) -> None:
        self._filesystem: Any
        self._filesystem, root = fsspec.core.url_to_fs(url)
        self._root = str(root).rstrip("/")

    def put(self, content: bytes | BinaryIO, *, folder: str, suffix: str = "") -> StoredObject:
        """Store under a fresh key "folder/xx/<32 hex digits><suffix>".

        A reader never sees half a file: the content gets its key when it is complete.
        """
        if not _FOLDER.fullmatch(folder) or not _SUFFIX.fullmatch(suffix):
            raise UnsafeKey(folder + suffix)
        token = secrets.token_hex(16)
        key = f"{folder}/{token[:2]}/{token}{suffix}"
        path = self._path(key)
        self._filesystem.makedirs(path.rsplit("/", 1)[0], exist_ok=True)
        source = io.BytesIO(content) if isinstance(content, bytes) else content
        digest, size = hashlib.sha256(), 0
        partial = f"{path}.part"
        with self._filesystem.open(partial, "wb") as target:
            while chunk := source.read(_CHUNK):
                digest.update(chunk)
                size += len(chunk)
                target.write(chunk)
        self._filesystem.mv(partial, path)
        return StoredObject(key, size, digest.hexdigest())

    def get(self, key: str) -> bytes:
        """The whole content. Raises FileMissing."""
        with self.open(key) as source:
            return source.read()

    def open(self, key: str) -> BinaryIO:
        """A stream to read from. Raises FileMissing."""
        try:
            return cast(BinaryIO, self._filesystem.open(self._path(key), "rb"))
        except FileNotFoundError:
            raise FileMissing() from None

    def delete(self, key: str) -> None:
        """Remove a file; one that is gone already is no error."""
        try:
            self._filesystem.rm_file(self._path(key))
        except FileNotFoundError:
            return

    def is_writable(self) -> bool:
        """Whether a file can be put and removed (health page)."""
        try:
            self.delete(self.put(b"", folder="probe").key)
        except OSError:
            return False
        return True

    def exists(self, key: str) -> bool:
        return bool(self._filesystem.exists(self._path(key)))

    def local_path(self, key: str) -> Path | None:
        """Where the file lies on this machine's disk; None for other stores."""
        path, protocol = self._path(key), self._filesystem.protocol
        names = (protocol,) if isinstance(protocol, str) else tuple(protocol)
        return Path(path) if "file" in names else None

    def _path(self, key: str) -> str:
        if not _KEY.fullmatch(key):
            raise UnsafeKey(key)
        return f"{self._root}/{key}"
