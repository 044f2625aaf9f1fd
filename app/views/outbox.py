"""《邮件与短信》: what was sent and what failed; the texts themselves in development only."""

from __future__ import annotations

from app.models.account import OutboxMessage
from app.views import request as context
from app.views.engine.resource import ResourceView, pages_of


@pages_of(OutboxMessage.__admin__.name)
class OutboxView(ResourceView):
    """List and detail of the outbox."""

    def _may_reveal(self) -> bool:
        """Never in production: whoever could read one-time codes there could become anybody."""
        return not context.runtime().settings.is_production and super()._may_reveal()
