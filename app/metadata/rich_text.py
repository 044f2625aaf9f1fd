"""Limited rich text, for notices: sanitised when it is saved and again where it is shown (N18)."""

from __future__ import annotations

import html
import re
from functools import lru_cache

import nh3

#: characters of a text with its markup, before anything is done with it: twelve times what a
#: notice may show is more than editors write, and still takes milliseconds to be sanitised
LONGEST = 60_000
#: notices that a process keeps ready to be shown
_KEPT = 512

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
#: of sanitised HTML: a ">" within the quotes of an attribute does not end the tag
_PIECE = re.compile(r'<[^>"]*(?:"[^"]*"[^>"]*)*>|[^<]+')
_INLINE = "b|strong|i|em|u|s|sub|sup|span|a"
_OPENING = re.compile(rf"<({_INLINE})(?:>| )")
_CLOSING = re.compile(rf"</({_INLINE})>")


def sanitised(text: str) -> str:
    """`text` as harmless HTML. Text without a tag is plain: each of its lines is a paragraph.
    What shows nothing is the empty string."""
    clean = _without_empty(
        nh3.clean(
            _BLOCKS.sub(r"<\1p>", text if _TAG.search(text) else _paragraphs(text)),
            tags=set(TAGS),
            attributes={tag: set(names) for tag, names in _ATTRIBUTES.items()},
            url_schemes=set(_SCHEMES),
        )
    ).strip()
    if not shown_length(clean) and "<hr" not in clean:
        return ""
    return clean if _TAG.search(clean) else _paragraphs(clean)


def _without_empty(clean: str) -> str:
    """Sanitised HTML without inline elements that hold nothing, however deep: in one pass."""
    kept: list[str] = []
    for piece in _PIECE.findall(clean):
        closing = _CLOSING.match(piece)
        opening = _OPENING.match(kept[-1]) if closing and kept else None
        if closing and opening and opening[1] == closing[1]:
            kept.pop()
        else:
            kept.append(piece)
    return "".join(kept)


@lru_cache(maxsize=_KEPT)
def to_show(text: str) -> str:
    """`sanitised`, for what was sanitised when it was saved: whatever has come to be stored, none
    but harmless HTML is shown (N18), and a text is worked through once, not at every view."""
    clean = sanitised(text)
    return text if clean == text else clean


def _paragraphs(text: str) -> str:
    lines = (html.escape(html.unescape(line), quote=False) for line in text.splitlines())
    return "".join(f"<p>{line.strip()}</p>" for line in lines if line.strip())


@lru_cache(maxsize=_KEPT)
def plain(text: str) -> str:
    """What a reader sees of the HTML, in one line."""
    bare = nh3.clean(_ENDS.sub(" ", text), tags=set())
    return _SPACE.sub(" ", html.unescape(bare)).strip()


def shown_length(text: str) -> int:
    """How many characters a reader sees: tags and blanks between them do not count."""
    bare = html.unescape(nh3.clean(text, tags=set()))
    return len(_SPACE.sub(" ", bare).strip())


__all__ = ["LONGEST", "TAGS", "plain", "sanitised", "shown_length", "to_show"]
