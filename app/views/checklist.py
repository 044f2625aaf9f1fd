"""《报名前检查》: a site's own list; above it, all sites with what they lack."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from flask import Response, jsonify, request, url_for
from flask_appbuilder import BaseView, expose
from flask_babel import gettext

from app.metadata import registry
from app.metadata.actor import Actor
from app.metadata.declarations import Declaration
from app.metadata.text import normalise
from app.metadata.vocabulary import Level, Verb
from app.models.organisation import Organisation
from app.rules.checklist import declaration as checklist
from app.rules.checklist.declaration import CHECKLIST
from app.rules.checklist.findings import Finding, Item, Weight, count, is_closed
from app.rules.grids import EVERY_SITE, Choice
from app.rules.notices import PROVINCE_NOTICE
from app.rules.policy import granted
from app.views import chrome
from app.views import request as context
from app.views.engine import answers, lists
from app.views.engine.answers import verb
from app.views.engine.asked import organisation_code
from app.views.engine.resource import LOOK_UP
from app.views.texts import text

_SIZES = (50, 100, 200)
#: the row of a superior's table names so many findings
_MARKS = "①②③"
_TONES = {Weight.MUST: "bad", Weight.SHOULD: "warn"}


class Checklist(BaseView):
    """One page per level."""

    route_base = "/setup-checklist"
    class_permission_name = CHECKLIST.name
    default_view = "index"
    declaration = CHECKLIST

    @expose("/")
    @verb(Verb.VIEW)
    def index(self) -> Any:
        session, acting = context.read_session(), context.actor()
        if acting.level is Level.SITE:
            site, items = checklist.of_site(session, acting.organisation_code)
            return self._items(site, items)
        choice, chosen = _asked()
        if acting.level is Level.CENTER and choice == EVERY_SITE:
            return self._provinces()
        found = checklist.of_sites(session, choice)
        own = []
        if acting.level is Level.PROVINCE and choice == EVERY_SITE:
            own = checklist.of_province(session, (items for _, items in found))
        shown = [
            (site, items)
            for site, items in found
            if not chosen or any(item.weight is Weight(chosen) for item in items)
        ]
        return self._list(own, shown)

    @expose("/site/<code>")
    @verb(Verb.VIEW)
    def site(self, code: str) -> Any:
        """The list of one site, for its superiors."""
        return self._items(*checklist.of_site(context.read_session(), code[:6]))

    @expose("/organisations")
    @verb(Verb.VIEW)
    def organisations(self) -> Response:
        """Organisations below the actor whose code or name fits `q`."""
        words = request.args.get("q", "")[:60]
        found = lists.organisations(context.read_session(), context.actor(), words, LOOK_UP)
        return jsonify([{"id": code, "text": label} for code, label in found])

    def _items(self, site: Organisation, items: Sequence[Item]) -> Any:
        acting = context.actor()
        own = acting.level is Level.SITE
        title = gettext(CHECKLIST.label)
        return answers.page(
            "checklist",
            title=title if own else f"{title} · {site.display}",
            notices=[{"text": gettext(CHECKLIST.help)}],
            verdict=_verdict(items),
            entries=[_entry(item, acting, site) for item in items],
            back_url=None if own else url_for(f"{CHECKLIST.name}.index"),
            **_tab(),
        )

    def _provinces(self) -> Any:
        """The whole country is not read at once: the centre chooses a province, or searches."""
        address = url_for(f"{CHECKLIST.name}.index")
        rows = [
            {
                "id": province.id,
                "cells": {
                    "province": {"text": province.display, "url": f"{address}?_org={province.code}"}
                    if count
                    else province.display,
                    "sites": count,
                },
            }
            for province, count in checklist.provinces(context.read_session())
        ]
        columns = [
            {"name": "province", "label": gettext("省"), "sticky": True},
            {"name": "sites", "label": gettext("启用的考点"), "align": "num"},
        ]
        return answers.page(
            "checklist",
            title=gettext(CHECKLIST.label),
            notices=[
                {"text": gettext(CHECKLIST.help)},
                {"text": gettext("请选择省，或输入考点代码、名称后查询。")},
            ],
            search=_search(),
            table={"label": gettext(CHECKLIST.label), "columns": columns, "rows": rows},
            **_tab(),
        )

    def _list(self, own: Sequence[Item], found: Sequence[tuple[Organisation, list[Item]]]) -> Any:
        acting = context.actor()
        size, number = _paging()
        rows = found[(number - 1) * size : number * size]
        return answers.page(
            "checklist",
            title=gettext(CHECKLIST.label),
            notices=[{"text": gettext(CHECKLIST.help)}],
            search=_search(),
            verdict=_verdict(own) if own else None,
            entries=[_entry(item, acting, None) for item in own],
            table=_table(rows, (number - 1) * size),
            paging={
                "page": number,
                "size": size,
                "total": len(found),
                "url_pattern": _pattern(),
                "sizes": _SIZES,
            },
            **_tab(),
        )


def _tab() -> dict[str, Any]:
    return {"tab_key": f"{CHECKLIST.name}.index", "tab_title": gettext(CHECKLIST.label)}


def _asked() -> tuple[Choice, str]:
    """The choice of sites, and the weight of findings that a site must have. The reader's own
    organisation is no choice. Raises NotFound for what is no code."""
    chosen = request.args.get("weight", "")
    code = organisation_code(request.args.get("_org", ""))
    if code == context.actor().organisation_code:
        code = ""
    words = normalise(request.args.get("name", ""))[:60]
    return Choice(code, words), chosen if chosen in set(Weight) else ""


def _paging() -> tuple[int, int]:
    size = request.args.get("size", type=int)
    number = request.args.get("page", 1, type=int)
    return size if size in _SIZES else _SIZES[0], max(number, 1)


def _pattern() -> str:
    given = {name: request.args.get(name, "") for name in ("_org", "name", "weight")}
    query = urlencode({name: value for name, value in given.items() if value})
    return f"?{query}{'&' if query else ''}page={{page}}&size={{size}}"


def _search() -> dict[str, Any]:
    choice, chosen = _asked()
    address = url_for(f"{CHECKLIST.name}.index")
    look_up = url_for(f"{CHECKLIST.name}.organisations")
    organisation = lists.organisation_field(
        context.read_session(), context.actor(), "_org", choice.organisation, look_up
    )
    return {
        "fields": [
            organisation,
            {"name": "name", "label": gettext("考点"), "kind": "text", "value": choice.words},
            {
                "name": "weight",
                "label": gettext("检查结果"),
                "kind": "select",
                "value": chosen,
                "choices": [
                    (Weight.MUST.value, gettext("有必须处理的问题")),
                    (Weight.SHOULD.value, gettext("有建议处理的问题")),
                ],
            },
        ],
        "action": address,
        "reset_url": address,
    }


def _verdict(items: Sequence[Item]) -> dict[str, str]:
    must, should = count(items, Weight.MUST), count(items, Weight.SHOULD)
    if must:
        sentence = gettext(
            "%(must)s 个问题必须处理，否则考生不能报名，或不能按设置报名。", must=must
        )
        return {"text": sentence, "tone": "bad"}
    if is_closed(items):
        return {"text": gettext("考点不开考，没有必须处理的问题。"), "tone": "warn"}
    if should:
        sentence = gettext("可以开放报名；还有 %(should)s 处建议核对。", should=should)
        return {"text": sentence, "tone": "warn"}
    return {"text": gettext("各项设置齐全，可以开放报名。"), "tone": "ok"}


def _entry(item: Item, acting: Actor, site: Organisation | None) -> dict[str, Any]:
    return {
        "label": gettext(item.label),
        "url": _address(item.page, acting, site),
        "badge": _badge(item),
        "findings": [_finding(finding, acting) for finding in item.findings],
    }


def _badge(item: Item) -> dict[str, str]:
    if item.weight is None:
        return {"text": gettext("已就绪"), "tone": "ok"}
    label = gettext("必须处理") if item.weight is Weight.MUST else gettext("建议核对")
    return {"text": label, "tone": _TONES[item.weight]}


def _finding(finding: Finding, acting: Actor) -> dict[str, str]:
    """The sentence; and who mends it, where that is somebody else."""
    note = ""
    if finding.mended_by is not acting.level and finding.mended_by.rank < acting.level.rank:
        note = gettext("请联系省级管理员")
    return {"text": text(finding.text), "note": note}


def _address(name: str, acting: Actor, site: Organisation | None) -> str | None:
    """Where it is mended: the page, of that site where a superior looks at one."""
    declaration = registry.find(name, Declaration)
    if declaration is None:
        return None
    if not any(granted(declaration, verb, acting) for verb in (Verb.LIST, Verb.VIEW)):
        return None
    address = chrome.address_of(declaration)
    if site is None or acting.level is Level.SITE:
        return address
    if name == PROVINCE_NOTICE.name:
        return address + _province_of(acting, site)
    return f"{address}?{urlencode({'_org': site.code})}"


def _province_of(acting: Actor, site: Organisation) -> str:
    """The choice of the site's province for who reads several."""
    if acting.province_id is not None or site.province_id is None:
        return ""
    province = context.read_session().get(Organisation, site.province_id)
    return f"?{urlencode({'province': province.code})}" if province is not None else ""


def _table(rows: Sequence[tuple[Organisation, list[Item]]], before: int) -> dict[str, Any]:
    return {
        "label": gettext(CHECKLIST.label),
        "columns": [
            {"name": "site", "label": gettext("考点"), "sticky": True},
            {"name": "must", "label": gettext("必须处理"), "align": "num"},
            {"name": "should", "label": gettext("建议核对"), "align": "num"},
            {"name": "findings", "label": gettext("主要问题"), "align": "wrap"},
        ],
        "rows": [_row(site, items) for site, items in rows],
        "first_number": before + 1,
    }


def _row(site: Organisation, items: Sequence[Item]) -> dict[str, Any]:
    must, should = count(items, Weight.MUST), count(items, Weight.SHOULD)
    named = [
        text(finding.text)
        for item in items
        for finding in item.findings
        if finding.weight is Weight.MUST
    ]
    return {
        "id": site.id,
        "cells": {
            "site": {
                "text": site.display,
                "url": url_for(f"{CHECKLIST.name}.site", code=site.code),
            },
            "must": {"text": str(must), "tone": "bad"} if must else 0,
            "should": {"text": str(should), "tone": "warn"} if should else 0,
            "findings": numbered(named),
        },
    }


def numbered(sentences: Sequence[str]) -> str:
    """The first of these, numbered: they have commas and semicolons of their own."""
    if len(sentences) < 2:
        return "".join(sentences)
    shown = " ".join(f"{mark}{told}" for mark, told in zip(_MARKS, sentences, strict=False))
    return shown + (" …" if len(sentences) > len(_MARKS) else "")


def register(builder: Any) -> None:
    """Add the page."""
    builder.add_view_no_menu(Checklist, endpoint=CHECKLIST.name)
