"""Sentences with parameters, said in another language where they are shown."""

from __future__ import annotations

import pickle
from types import SimpleNamespace
from typing import cast

import pytest

from app.metadata import cleaning
from app.metadata.errors import LABELLED, InvalidInput, KaowuError, Message, listed
from app.metadata.fields import Field, Kind
from app.metadata.vocabulary import Personal
from app.models.roster import RosterPolicy, _allowed_names
from app.rules.checklist import findings
from app.views import texts

WORDS = {
    "{what}的容量": "capacity of {what}",
    "科目{code}": "subject {code}",
    "考点": "site",
    "、": ", ",
    "；": "; ",
    "{label}：{message}": "{label}: {message}",
    "{head}{causes}": "{head} {causes}",
    "输入有误，请按提示修改。": "Wrong input.",
    "人数": "Number",
    "不能大于 {maximum}": "at most {maximum}",
    "缺少：{missing}": "missing: {missing}",
}


def english(text: str) -> str:
    return WORDS.get(text, text)


class Missing(KaowuError):
    code = "test.missing"
    template = "缺少：{missing}"


def test_a_message_is_its_chinese_text() -> None:
    message = Message("{what}的容量", what=Message("科目{code}", code="24"))
    assert message == "科目24的容量"
    assert isinstance(message, str)
    assert message.message(english) == "capacity of subject 24"


def test_names_are_joined_as_the_language_joins_them() -> None:
    names = listed(["甲", "乙"])
    assert names == "甲、乙"
    assert names.message(english) == "甲, 乙"
    assert not listed([])


def test_lists_of_the_product_are_joined_so() -> None:
    """Codes of the check-list, and 可报考考点 of a site."""
    missing = findings._named("缺少：{codes}", {"66", "24"})
    assert isinstance(missing, Message)
    assert missing.message(english) == "缺少：24, 66"
    places = [SimpleNamespace(allowed_site=SimpleNamespace(display=name)) for name in "甲乙丙丁"]
    for count, shown in ((2, "甲, 乙"), (4, "甲, 乙, 丙等 4 个考点")):
        text = _allowed_names(cast(RosterPolicy, SimpleNamespace(allowed=places[:count])))
        assert cast(Message, text).message(english) == shown


def test_a_message_survives_a_copy_between_processes() -> None:
    message = pickle.loads(pickle.dumps(Message("科目{code}", code="24")))  # noqa: S301 - ours
    assert (message, message.message(english)) == ("科目24", "subject 24")


def test_parameters_of_a_refusal_are_translated_where_they_are_texts_of_the_catalogue() -> None:
    refusal = Missing(missing=["考点", "张三", Message("科目{code}", code="24")])
    assert refusal.message() == "缺少：考点、张三、科目24"
    assert refusal.message(english) == "missing: site, 张三, subject 24"
    assert refusal.as_message().message(english) == refusal.message(english)


def test_numbers_keep_their_formats() -> None:
    assert Message("{seconds:.1f} 秒", seconds=1.25).message(english) == "1.2 秒"


def _refused() -> InvalidInput:
    field = Field(name="n", label="人数", personal=Personal.NONE, kind=Kind.INTEGER, maximum=9)
    with pytest.raises(InvalidInput) as caught:
        cleaning.load([field], {"n": "10"})
    return caught.value


def test_field_errors_are_translated_with_their_labels() -> None:
    refusal = _refused()
    assert refusal.errors == {"n": ["人数：不能大于 9"]}
    assert refusal.message() == "输入有误，请按提示修改。人数：不能大于 9"
    assert refusal.message(english) == "Wrong input. Number: at most 9"


def test_beside_its_field_a_message_does_not_repeat_the_label(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(texts, "gettext", english)
    assert texts.without_label(_refused().errors["n"][0], "人数") == "at most 9"
    assert texts.without_label(Message(LABELLED, label="人数", message="考点"), "人数") == "site"
    assert texts.without_label("没有标签", "人数") == "没有标签"
