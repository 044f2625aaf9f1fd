"""Bytes of files that are kept, for page and REST."""

from __future__ import annotations

from typing import Any

from flask import Response, send_file

from app.adapters.files import FileStore
from app.models.job import StoredFile
from app.views import request as context
from app.views.engine import answers


def send_stored(store: FileStore, stored: StoredFile) -> Any:
    """The bytes of a file whose rule has been asked: by the web server in front where it can."""
    prefix, path = context.runtime().settings.files_accel_prefix, store.local_path(stored.key)
    if prefix and path is not None:
        answer = Response(mimetype=stored.media_type)
        answer.headers["X-Accel-Redirect"] = f"{prefix.rstrip('/')}/{stored.key}"
        answer.headers["Content-Disposition"] = answers.download_name(stored.name)
        return answer
    return send_file(
        store.open(stored.key),
        mimetype=stored.media_type,
        as_attachment=True,
        download_name=stored.name,
        max_age=0,
    )


__all__ = ["send_stored"]
