"""Photos (domain §3.11, R24, R25.25): what is taken, what is left of it, where it is kept."""

from __future__ import annotations

import datetime as dt
import io
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from sqlalchemy import select

from app.adapters.files import FileMissing, FileStore
from app.database.policy import become
from app.database.session import WRITES, KaowuSession
from app.database.unit_of_work import unit_of_work
from app.models.registration import Photo, Registration, Review
from app.rules.photo import (
    PRINT_SIZE,
    PhotoError,
    PhotoFileSize,
    PhotoNotJpeg,
    PhotoRatio,
    PhotoTooFewPixels,
    PhotoTooManyPixels,
    prepare_photo,
    upload_photo,
)
from app.rules.registration.states import InformationLocked, OnlyThroughSite
from app.rules.registration.subjects import withdraw_registration
from app.rules.site import OutsideOnlineTime
from tests import factories
from tests.factories import Tree, enter, jpeg
from tests.rules.waiting import held_up


@pytest.fixture
def tree(session: KaowuSession) -> Tree:
    return factories.make_tree(session)


@pytest.fixture
def store() -> FileStore:
    return FileStore(f"memory://photo-{os.urandom(4).hex()}")


def saved(picture: Image.Image, size: int = 30_000, **options: object) -> bytes:
    """The picture as JPEG, filled up behind its end to `size` bytes."""
    target = io.BytesIO()
    picture.save(target, "JPEG", **options)
    return target.getvalue().ljust(size, b"\0")


def with_exif(orientation: int) -> bytes:
    noise = Image.open(io.BytesIO(jpeg(400, 300)))
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010E] = "SECRET PLACE"
    return saved(noise, exif=exif, comment=b"SECRET NOTE")


# ---------------------------------------------------------------- pure


@pytest.mark.parametrize(
    ("width", "height", "error"),
    [
        (144, 192, None),
        (143, 192, PhotoTooFewPixels),
        (144, 191, PhotoTooFewPixels),
        (2000, 2600, None),
        (2001, 2600, PhotoTooManyPixels),
        (2000, 3001, PhotoTooManyPixels),
        (330, 500, None),
        (329, 500, PhotoRatio),
        (400, 500, None),
        (401, 500, PhotoRatio),
    ],
)
def test_3_11_pixels_and_ratio(width: int, height: int, error: type[Exception] | None) -> None:
    data = saved(Image.new("RGB", (width, height), "white"), 60_000)
    if error is not None:
        with pytest.raises(error, match=f"{width}×{height}"):
            prepare_photo(data)
        return
    prepared = prepare_photo(data)
    assert (prepared.width, prepared.height) == (width, height)
    with Image.open(io.BytesIO(prepared.print)) as printed:
        assert (printed.size, printed.mode, printed.format) == (PRINT_SIZE, "RGB", "JPEG")


@pytest.mark.parametrize("kilobytes", [19.9, 200.1])
def test_3_11_file_size(kilobytes: float) -> None:
    with pytest.raises(PhotoFileSize):
        prepare_photo(saved(Image.new("RGB", (300, 400)), int(kilobytes * 1024)))


@pytest.mark.parametrize("kilobytes", [20, 200])
def test_3_11_the_ends_of_the_file_size_are_legal(kilobytes: int) -> None:
    data = saved(Image.new("RGB", (300, 400)), kilobytes * 1024)
    assert prepare_photo(data).width == 300


@pytest.mark.parametrize("form", ["PNG", "GIF", "BMP", "WEBP"])
def test_3_11_other_formats_are_refused_whatever_their_name(form: str) -> None:
    target = io.BytesIO()
    Image.effect_noise((300, 400), 60).convert("RGB").save(target, form)
    with pytest.raises(PhotoNotJpeg):
        prepare_photo(target.getvalue().ljust(21_000, b"\0")[: 200 * 1024])


def test_3_11_half_a_picture_is_refused() -> None:
    whole = jpeg(size=60_000)
    with pytest.raises(PhotoNotJpeg):
        prepare_photo(whole[: len(whole) // 2])


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_damaged_pictures_are_refused_or_decoded_but_never_worse(data: st.DataObject) -> None:
    content = bytearray(jpeg())
    for position in data.draw(st.lists(st.integers(0, len(content) - 1), max_size=20)):
        content[position] = data.draw(st.integers(0, 255))
    try:
        prepared = prepare_photo(bytes(content))
    except PhotoError:
        return
    assert Image.open(io.BytesIO(prepared.print)).size == PRINT_SIZE


def test_metadata_and_what_stands_behind_the_picture_are_gone() -> None:
    prepared = prepare_photo(with_exif(6) + b"PK\x03\x04 hidden archive")
    for content in (prepared.original, prepared.print):
        assert b"SECRET" not in content
        assert b"hidden" not in content
        with Image.open(io.BytesIO(content)) as picture:
            assert not picture.getexif()
            assert "comment" not in picture.info


def test_a_picture_that_lies_on_its_side_is_put_upright() -> None:
    prepared = prepare_photo(with_exif(6))
    assert (prepared.width, prepared.height) == (300, 400)
    with pytest.raises(PhotoRatio):
        prepare_photo(with_exif(1))


def test_the_original_keeps_its_quality() -> None:
    data = jpeg(size=60_000)
    prepared = prepare_photo(data)
    assert abs(len(prepared.original) - len(data)) < len(data) * 0.05


def test_black_and_white_and_cmyk_are_taken() -> None:
    noise = Image.effect_noise((300, 400), 60)
    for mode in ("L", "CMYK"):
        prepared = prepare_photo(saved(noise.convert(mode), 150_000))
        with Image.open(io.BytesIO(prepared.original)) as picture:
            assert picture.mode in ("L", "RGB")


# ---------------------------------------------------------------- stored


def test_the_photo_is_stored_twice_under_random_keys(
    session: KaowuSession, tree: Tree, store: FileStore
) -> None:
    row = enter(session, tree, photo=False)
    photo = upload_photo(session, row.id, jpeg(), store)
    assert (row.photo_id, photo.width, photo.height) == (photo.id, 300, 400)
    assert row.id_number not in photo.file_key + photo.print_key
    assert len(store.get(photo.file_key)) == photo.size
    assert Image.open(io.BytesIO(store.get(photo.print_key))).size == PRINT_SIZE


def test_a_new_photo_replaces_the_old_one_after_the_commit(
    fresh_database: str, store: FileStore
) -> None:
    factory, tree = factories.populate(fresh_database)
    with unit_of_work(factory, None) as session:
        row = enter(session, tree, photo=False)
        first = upload_photo(session, row.id, jpeg(), store)
        keys = (first.file_key, first.print_key)
    owner = tree.owner_of(row)
    with factory() as session:  # never committed
        session.connection(execution_options={WRITES: True})
        become(session, owner)
        upload_photo(session, row.id, jpeg(360, 480), store)
    assert all(store.exists(key) for key in keys)
    with unit_of_work(factory, owner) as session:
        second = upload_photo(session, row.id, jpeg(360, 480), store)
        assert all(store.exists(key) for key in keys)
    assert second.id == first.id
    with pytest.raises(FileMissing):
        store.get(keys[0])
    assert store.exists(second.file_key)
    factory.kw["bind"].dispose()


def test_r24_2_the_stored_photo_of_a_document_is_reused_at_the_same_site(
    session: KaowuSession, tree: Tree, store: FileStore
) -> None:
    number = factories.id_number()
    first = enter(session, tree, id_number=number)
    withdraw_registration(session, first.id)
    second = enter(session, tree, id_number=number, photo=False)
    assert second.passport_id != first.passport_id
    assert second.photo_id is None
    photo = upload_photo(session, second.id, jpeg(), store)
    assert (photo.id, photo.passport_id) == (first.photo_id, second.passport_id)
    assert len(session.scalars(select(Photo)).all()) == 1


def test_r25_25_the_lock_freezes_the_photo(
    session: KaowuSession, tree: Tree, store: FileStore
) -> None:
    row = factories.make_registration(session, tree, locked=True)
    become(session, tree.owner_of(row))
    with pytest.raises(InformationLocked):
        upload_photo(session, row.id, jpeg(), store)
    row = factories.make_registration(session, tree, collective=True)
    become(session, tree.owner_of(row))
    with pytest.raises(OnlyThroughSite):
        upload_photo(session, row.id, jpeg(), store)


def test_r15_not_outside_the_online_time(
    session: KaowuSession, tree: Tree, store: FileStore
) -> None:
    row = enter(session, tree)
    factories.set_settings(session, tree.site, online_end=tree.now.replace(year=2020))
    become(session, tree.owner_of(row))
    with pytest.raises(OutsideOnlineTime):
        upload_photo(session, row.id, jpeg(), store)


def test_r15_a_photo_that_waited_until_the_online_time_was_over_comes_too_late(
    session: KaowuSession, tree: Tree, store: FileStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = enter(session, tree)
    become(session, tree.owner_of(row))
    clock = held_up(monkeypatch, "app.rules.photo", tree.now, dt.timedelta(days=21))
    with pytest.raises(OutsideOnlineTime):
        upload_photo(session, row.id, jpeg(), store, clock=clock)


def test_r25_28_a_new_photo_after_approval_must_be_reviewed(
    session: KaowuSession, tree: Tree, store: FileStore
) -> None:
    row = factories.make_registration(session, tree, review="approved")
    become(session, tree.owner_of(row))
    upload_photo(session, row.id, jpeg(), store)
    review = session.scalar(select(Registration.review).where(Registration.id == row.id))
    assert review == Review.OPEN
