"""Words that agree with a number, in languages that have a singular.

Chinese has none: a msgid shows the number alone. Its translation writes both forms, as often as
it shows numbers: “{count} [count: candidate has|candidates have] not paid”.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

#: [parameter: words for one|words for any other number]
FORMS = re.compile(r"\[(\w+): ([^|\]]*)\|([^|\]]*)\]")


def agreed(text: str, parameters: Mapping[str, Any]) -> str:
    """The text with the words that agree with its numbers, before these are filled in.

    Forms of a name that is no parameter stay as they are: who fills in later chooses.
    """
    if "[" not in text:
        return text

    def chosen(found: re.Match[str]) -> str:
        name, one, others = found.groups()
        if name not in parameters:
            return found[0]
        return one if str(parameters[name]) == "1" else others

    return FORMS.sub(chosen, text)


__all__ = ["FORMS", "agreed"]
