"""A query as a signed token: what an operation on all results was confirmed for.

The token belongs to one person and one session of the exam; it cannot be made or changed by the
browser, and another person's is refused.
"""

from __future__ import annotations

from flask import current_app
from itsdangerous import BadData, URLSafeTimedSerializer

from app.metadata.actor import Actor
from app.metadata.errors import N_, KaowuError
from app.metadata.query import ListQuery
from app.rules import listing

LIFETIME_SECONDS = 12 * 60 * 60


class BadToken(KaowuError):
    """A token that is forged, too old, or somebody else's."""

    code = "query.token"
    template = N_("查询条件已失效，请回到列表重新查询后再操作。")


def _serializer() -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(str(current_app.config["SECRET_KEY"]), salt="kaowu.list-query")


def seal(query: ListQuery, actor: Actor) -> str:
    """The token of a query for this actor. It can be read by who holds it, and stands in an
    address, so it has digests instead of personal text."""
    owner = [actor.passport_id, actor.exam_id]
    return _serializer().dumps([owner, listing.kept(query).to_json()])


def unseal(token: str, actor: Actor) -> ListQuery:
    """The query of a token. Raises BadToken."""
    try:
        owner, value = _serializer().loads(token, max_age=LIFETIME_SECONDS)
        query = ListQuery.from_json(value)
    except (BadData, TypeError, ValueError):
        raise BadToken() from None
    if owner != [actor.passport_id, actor.exam_id]:
        raise BadToken()
    return query
