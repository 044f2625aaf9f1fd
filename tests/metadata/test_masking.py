"""Masks (domain §8.1, R25.18)."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.metadata.masking import (
    STAR,
    last_four,
    mask_account,
    mask_address,
    mask_email,
    mask_id,
    mask_mobile,
    unmasked,
)
from app.metadata.text import Bad

LENGTH_KEPT = [mask_id, mask_mobile, mask_account]


def test_domain_8_1_examples() -> None:
    assert mask_id("110101200101010034") == "110101********0034"
    assert mask_id("99010120000116006X") == "990101********006X"
    assert mask_mobile("13812341234") == "138****1234"
    assert mask_email("zhang@example.com") == "z***@example.com"
    assert mask_account("6222000011112222") == "************2222"


def test_short_documents_and_landlines_show_less() -> None:
    assert mask_id("E12345678") == "E*****678"
    assert mask_id("W745") == "***5"
    assert mask_id("55") == "**"
    assert mask_mobile("010-62345678") == "0*******5678"
    assert mask_account("12") == "**"
    assert mask_email("z@example.com") == "***@example.com"
    assert mask_email("nothing") == "***"


def test_an_address_shows_the_town_at_most() -> None:
    assert mask_address("测试省测试市演示路123号") == "测试省测试市****"
    assert mask_address("某村口") == "某****"
    with pytest.raises(Bad):
        unmasked("测试省测试市****2号")
    assert unmasked("测试省*号") == "测试省*号"


@pytest.mark.parametrize("mask", [*LENGTH_KEPT, mask_email, mask_address, last_four])
def test_empty_stays_empty(mask: Callable[[str], str]) -> None:
    assert mask("") == ""


def test_r25_18_last_four_shows_shorter_numbers_whole() -> None:
    assert last_four("110101200101010034") == "0034"
    assert last_four("666") == "666"


@pytest.mark.parametrize("mask", LENGTH_KEPT)
@given(value=st.text(st.characters(exclude_characters=STAR), min_size=1, max_size=40))
def test_masks_keep_the_length_and_hide_enough(mask: Callable[[str], str], value: str) -> None:
    masked = mask(value)
    hidden = masked.count(STAR)
    public_form = (mask is mask_id and len(value) == 18) or (
        mask is mask_mobile and len(value) == 11
    )
    assert len(masked) == len(value)
    assert hidden >= (4 if public_form else len(value) / 2)
    assert all(shown in (STAR, real) for shown, real in zip(masked, value, strict=True))


@given(st.from_regex(r"99[0-9]{15}[0-9X]", fullmatch=True))
def test_masked_id_never_shows_the_birthday_or_the_number(number: str) -> None:
    masked = mask_id(number)
    assert masked[6:14] == STAR * 8
    assert number not in masked


@given(st.from_regex(r"[a-z0-9.]{1,64}", fullmatch=True))
def test_masked_email_shows_one_letter_at_most(local: str) -> None:
    masked = mask_email(f"{local}@example.com")
    shown = masked.removesuffix("@example.com")
    assert shown in (STAR * 3, local[0] + STAR * 3)
    assert not (len(local) == 1 and local in shown)
