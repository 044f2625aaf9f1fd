"""Password policy and hashes (domain §8.3, R5.4)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.security import check_password_hash

from app.rules import password as rules
from app.rules.password import check_password, password_problems, verify_password

GOOD = "xK7#mQ2vLp9w"


def problems(text: str, *identifiers: str, administrator: bool = False) -> set[type]:
    found = password_problems(text, administrator=administrator, identifiers=identifiers)
    assert all(str(problem) for problem in found)
    return {type(problem) for problem in found}


def test_r8_3_lengths_of_candidates_and_administrators() -> None:
    assert problems(GOOD[:10]) == set()
    assert problems(GOOD[:9]) == {rules.PasswordTooShort}
    assert problems(GOOD[:11], administrator=True) == {rules.PasswordTooShort}
    assert problems(GOOD, administrator=True) == set()
    assert problems(GOOD * 20) == {rules.PasswordTooLong}


@pytest.mark.parametrize("text", ["xkvqmzplwd", "xkvqm28plw", "4829175036", "XKVQMZ#PLW"])
def test_r8_3_two_classes_are_not_enough(text: str) -> None:
    assert rules.PasswordTooPlain in problems(text)


@pytest.mark.parametrize("text", ["xKvqmzpl7w", "xkvqm#pl7w", "XKVQM#PL7W", "紫禁城下雪kQ27v"])
def test_r8_3_three_classes_are_enough(text: str) -> None:
    assert problems(text) == set()


@pytest.mark.parametrize(
    ("text", "identifier"),
    [
        ("xK7#Zhangwei9w", "zhangwei@example.com"),
        ("xK7#smith.a9wQ", "Smith.A@example.com"),
        ("xK#13800001234", "13800001234"),
        ("xK7#张三mQ2vLp", "张三"),
        ("xK7#阿依古丽mQ2v", "阿依古丽·买买提"),
        ("xK7#ANNASMITH", "Anna Smith"),
        ("xK7#smithmQ2v", "Anna Smith"),
        ("ｘK7#ｓｍｉｔｈmQ2v", "Anna Smith"),
    ],
)
def test_r8_3_not_containing_email_mobile_or_name(text: str, identifier: str) -> None:
    assert rules.PasswordHoldsIdentity in problems(text, identifier)


def test_r8_3_parts_too_short_to_tell_are_ignored() -> None:
    assert problems(GOOD, "k@example.com", "x", "", "Li Mq") == set()


@pytest.mark.parametrize(
    "text",
    [
        "Password123!",
        "P@ssw0rd2024",
        "Qwer1234!@#$",
        "Admin@123456",
        "1qaz2WSX3edc",
        "Kaowu2024!!",
        "Aa123456789!",
        "Zhang1234!@#",
        "aA1!aA1!aA1!",
        "Abcdefghij1!",
        "Woaini1314520!",
        "Zxcvbnm,./1A",
        "Aaaaaaaaaa1!",
        "lkjhGFDSA098",
    ],
)
def test_r8_3_common_passwords_and_keyboard_patterns(text: str) -> None:
    assert rules.PasswordCommon in problems(text)


@pytest.mark.parametrize("text", ["Sunny-Tiger-Dragon-2024", "Wo3xihuan4ni!", "Tr0ub4dor&3x"])
def test_phrases_with_common_words_are_accepted_when_long(text: str) -> None:
    assert problems(text, administrator=True) == set()


def test_list_of_common_words_is_clean() -> None:
    words = rules._common_words()
    assert len(words) >= 300
    assert len(set(words)) == len(words)
    assert all(word == word.lower() and len(word) >= 3 for word in words)


@given(st.text(max_size=140), st.booleans())
def test_any_text_is_judged(text: str, administrator: bool) -> None:
    found = password_problems(text, administrator=administrator, identifiers=["a@b.cn", "张三"])
    assert rules.INITIAL_PASSWORD not in text or len(text) >= 10 or found
    assert all("{" not in str(problem) for problem in found)


def test_r8_3_last_five_are_barred_and_asked_last() -> None:
    asked = []

    def used_before(text: str) -> bool:
        asked.append(text)
        return True

    assert password_problems("short", administrator=False, used_before=used_before)
    assert asked == []
    with pytest.raises(rules.PasswordUsedBefore, match="最近5次"):
        check_password(GOOD, administrator=True, used_before=used_before)
    assert asked == [GOOD]
    check_password(GOOD, administrator=True, used_before=lambda _: False)


@pytest.mark.usefixtures("real_hashes")
def test_hash_and_verify() -> None:
    stored = rules.hash_password(GOOD)
    assert stored.startswith("scrypt:32768:8:1$")
    assert GOOD not in stored
    assert verify_password(stored, GOOD)
    assert not verify_password(stored, GOOD + "x")
    assert verify_password(stored, "ｘK7#mQ2vLp9w")
    assert not rules.needs_rehash(stored)
    assert rules.needs_rehash("scrypt:16384:8:1$salt$hash")


def test_matches_any_looks_at_the_last_five_only() -> None:
    stored = rules.hash_password(GOOD)
    assert rules.matches_any(GOOD, ["!", stored])
    assert not rules.matches_any(GOOD, ["!"] * 5 + [stored])


@pytest.mark.usefixtures("real_hashes")
@pytest.mark.parametrize("stored", [None, "", "!", "plain", "scrypt:32768:8:1", "md5$a$b"])
def test_unknown_users_and_locked_hashes_cost_the_same_work(
    stored: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked: list[str] = []
    real = check_password_hash

    def counting(hashed: str, text: str) -> bool:
        checked.append(hashed)
        return real(hashed, text)

    monkeypatch.setattr(rules, "check_password_hash", counting)
    assert not verify_password(stored, GOOD)
    assert [hashed.split("$")[0] for hashed in checked] == ["scrypt:32768:8:1"]


def test_overlong_and_broken_texts_are_refused_quietly() -> None:
    stored = rules.hash_password("\ud800" + GOOD)
    assert not verify_password(stored, "x" * 1_000_000)
    assert not rules.is_initial_password("\ud800")


def test_r5_4_initial_password_is_known_but_never_good() -> None:
    assert rules.is_initial_password("123456")
    assert rules.is_initial_password("１２３４５６")
    assert not rules.is_initial_password("1234567")
    assert rules.PasswordTooShort in problems(rules.INITIAL_PASSWORD)


def test_r8_3_administrators_renew_after_ninety_days() -> None:
    changed = datetime(2020, 1, 1, tzinfo=UTC)
    assert rules.is_expired(changed, changed + timedelta(days=90), administrator=True)
    assert not rules.is_expired(changed, changed + timedelta(days=89), administrator=True)
    assert not rules.is_expired(changed, changed + timedelta(days=900), administrator=False)
