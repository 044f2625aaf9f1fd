"""Templates: what is refused, what is kept, what is fetched."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from app.jobs.documents.stamping.errors import FontMissing, TemplateError
from app.jobs.documents.stamping.fonts import find_fonts
from app.jobs.documents.stamping.store import TemplateStore, from_json, to_json
from app.jobs.documents.stamping.template import compile_template, template_digest
from app.jobs.documents.stamping.tickets import page_html, small_html, small_template

FONTS = find_fonts()
FIELD = '<div data-f="name" style="width:40mm">样例</div>'


def page(body: str, style: str = "") -> str:
    return (
        "<!DOCTYPE html><html lang=zh-CN><head>"
        f"<style>@page{{size:80mm 40mm;margin:4mm}}body{{margin:0}}{style}</style></head>"
        f"<body><main>{body}</main></body></html>"
    )


def test_fields_are_found_with_their_places() -> None:
    body = (
        '<div data-f="a" style="width:40mm;font-size:10pt;color:#336699">甲</div>'
        '<table style="width:72mm"><tr><td data-f="b" style="text-align:right">乙</td></tr></table>'
        '<div data-img="photo" style="position:absolute;left:50mm;top:10mm;width:20mm;'
        'height:15mm;text-align:center;line-height:15mm">无照片</div>'
    )
    compiled = compile_template(page(body), FONTS)
    first, second = compiled.texts
    (image,) = compiled.images
    millimetre = 72 / 25.4
    assert compiled.names == {"a", "b", "photo"}
    assert (compiled.width, compiled.height) == pytest.approx((80 * millimetre, 40 * millimetre))
    assert (first.x, first.width) == pytest.approx((4 * millimetre, 40 * millimetre))
    assert (first.size, first.height, first.alignment) == (10, 0, "left")
    assert first.colour == (0.2, 0.4, 0.6)
    assert second.alignment == "right"
    assert (image.x, image.width) == pytest.approx((54 * millimetre, 20 * millimetre))
    assert image.y == pytest.approx((40 - 4 - 10 - 15) * millimetre)
    assert image.caption is not None
    assert image.caption_text == "无照片"


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (FIELD + '<p style="break-before:page">二</p>', "须恰好占一页"),
        ('<div data-f="a" style="width:9mm"><b>甲</b></div>', "不能再有其他元素"),
        ('<p>姓名：<span data-f="a">甲</span></p>', "须为块级元素"),
        ('<div data-f="a" style="position:absolute;left:0;top:0">甲</div>', "并给出宽度"),
        ('<div data-f="a" style="float:left">甲</div>', "并给出宽度"),
        ('<div data-f="a" style="font-weight:bold">甲</div>', "不能加粗"),
        ('<div data-f="a" style="font-style:italic">甲</div>', "倾斜"),
        ('<div data-f="a" style="font-family:DejaVu Sans">甲</div>', "只能用字体"),
        ('<div data-f="a" style="letter-spacing:2pt">甲</div>', "不能用字间距"),
        ('<div data-f="a" style="width:5mm">甲甲甲</div>', "须恰好占一行"),
        (FIELD + FIELD, "重复"),
    ],
)
def test_what_stamping_would_print_in_another_way_is_refused(body: str, problem: str) -> None:
    with pytest.raises(TemplateError, match=problem):
        compile_template(page(body), FONTS)


def test_fixed_text_in_a_font_outside_the_chain_is_refused() -> None:
    with pytest.raises(FontMissing):
        compile_template(page('<p style="font-family:DejaVu Serif">abc</p>'), FONTS)


def test_a_template_cannot_read_files(tmp_path: Path) -> None:
    secret = tmp_path / "secret.svg"
    secret.write_text('<svg xmlns="http://www.w3.org/2000/svg"><rect width="9" height="9"/></svg>')
    with_image = compile_template(page(f'{FIELD}<img src="{secret.as_uri()}">'), FONTS)
    without = compile_template(page(f"{FIELD}<img>"), FONTS)
    assert with_image.objects == without.objects


def test_digest_follows_html_and_fonts() -> None:
    assert template_digest("a", FONTS) == template_digest("a", FONTS)
    assert template_digest("a", FONTS) != template_digest("b", FONTS)


@pytest.mark.parametrize("html", [small_html(), page_html(3)], ids=["small", "page"])
def test_a_template_survives_its_file(html: str) -> None:
    compiled = compile_template(html, FONTS)
    assert from_json(to_json(compiled), FONTS) == compiled


def test_compiling_twice_gives_the_same_bytes() -> None:
    assert to_json(compile_template(small_html(), FONTS)) == to_json(small_template())


def test_store_makes_an_unreadable_file_anew(tmp_path: Path) -> None:
    html = page(FIELD)
    compiled = TemplateStore(tmp_path).get(html, FONTS)
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:100])
    assert TemplateStore(tmp_path).get(html, FONTS) == compiled
    assert file.read_bytes() == to_json(compiled)


def test_stamping_with_a_stored_template_never_imports_the_layout_engine(tmp_path: Path) -> None:
    code = (
        "import sys, pathlib\n"
        "from app.jobs.documents.stamping import tickets\n"
        "from tests.jobs.documents.samples import make_tickets\n"
        "tickets.templates.folder = pathlib.Path(sys.argv[1])\n"
        "tickets.write_small_tickets(pathlib.Path(sys.argv[1]) / 'a.pdf', make_tickets(2))\n"
        "print('weasyprint' in sys.modules)\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    printed = [
        subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
        for _ in range(2)
    ]
    assert printed == ["True", "False"]
    assert len(list(tmp_path.glob("*.json"))) == 1
