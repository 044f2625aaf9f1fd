"""Limited rich text, for notices: sanitised when it is saved and again where it is shown (N18)."""

from __future__ import annotations

import html
import re

import nh3

#: what it may consist of: no picture, form, frame, style or script
TAGS = frozenset(
    {
        *("p", "br", "b", "strong", "i", "em", "u", "s", "sub", "sup", "span", "blockquote", "hr"),
        *("h2", "h3", "h4", "ul", "ol", "li", "a"),
        *("table", "caption", "thead", "tbody", "tr", "th", "td"),
    }
)
_ATTRIBUTES = {"a": {"href"}, "th": {"colspan", "rowspan"}, "td": {"colspan", "rowspan"}}
_SCHEMES = {"http", "https", "mailto", "tel"}
#: editors write blocks of their own, which mean no more than a paragraph
_BLOCKS = re.compile(r"<(/?)(?:div|h1|h5|h6)\b[^>]*>", re.IGNORECASE)
_TAG = re.compile(r"</?[a-zA-Z!]")
_ENDS = re.compile(r"<br\b[^>]*>|</(?:p|li|h\d|t[dhr]|blockquote|caption)>", re.IGNORECASE)
_SPACE = re.compile(r"\s+")


def sanitised(text: str) -> str:
    """`text` as harmless HTML. Text without a tag is plain: each of its lines is a paragraph.
    What shows nothing is the empty string."""
    clean = nh3.clean(
        _BLOCKS.sub(r"<\1p>", text if _TAG.search(text) else _paragraphs(text)),
        tags=set(TAGS),
        attributes={tag: set(names) for tag, names in _ATTRIBUTES.items()},
        url_schemes=set(_SCHEMES),
    ).strip()
    if not shown_length(clean) and "<hr" not in clean:
        return ""
    return clean if _TAG.search(clean) else _paragraphs(clean)


def _paragraphs(text: str) -> str:
    lines = (html.escape(html.unescape(line), quote=False) for line in text.splitlines())
    return "".join(f"<p>{line.strip()}</p>" for line in lines if line.strip())


def plain(text: str) -> str:
    """What a reader sees of the HTML, in one line."""
    bare = nh3.clean(_ENDS.sub(" ", text), tags=set())
    return _SPACE.sub(" ", html.unescape(bare)).strip()


def shown_length(text: str) -> int:
    """How many characters a reader sees: tags and blanks between them do not count."""
    bare = html.unescape(nh3.clean(text, tags=set()))
    return len(_SPACE.sub(" ", bare).strip())


__all__ = ["TAGS", "plain", "sanitised", "shown_length"]
