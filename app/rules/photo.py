"""Photos of candidates (domain §3.11, R24): checked by decoding, freed of all metadata, stored.

A photo belongs to (session, site, document number) and outlives the registration (R24.2, N13).
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any, Protocol

from PIL import Image, ImageOps, JpegImagePlugin
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.database.policy import elevated
from app.database.unit_of_work import after_commit
from app.metadata.errors import N_, KaowuError
from app.metadata.vocabulary import Verb
from app.models.registration import Photo, Registration
from app.rules.clock import Clock, system_clock
from app.rules.policy import permit
from app.rules.registration import permits
from app.rules.registration.states import change_saved, hold
from app.rules.site import load_site

KILOBYTE = 1024
SIZE_RANGE = (20 * KILOBYTE, 200 * KILOBYTE)
LEAST_PIXELS = (144, 192)
MOST_PIXELS = (2000, 3000)
#: width / height
RATIO_RANGE = (0.66, 0.80)
#: Pixels of the print derivative, 3:4.
PRINT_SIZE = (240, 320)
_PRINT_QUALITY = 88
_ORIGINAL_QUALITY = 92
#: A photo that is too tall loses its lower edge, never the top of the head.
_CENTERING = (0.5, 0.0)
_FOLDER = "photo"


class PhotoError(KaowuError):
    """Base of everything wrong with a photo, for reports that count them."""


class PhotoFileSize(PhotoError):
    code = "photo.file_size"
    template = N_("照片文件应为20–200KB，该文件为{size}KB。请重新选择或压缩照片。")


class PhotoNotJpeg(PhotoError):
    code = "photo.not_jpeg"
    template = N_("文件不是完整的JPEG照片。请将照片另存为JPG格式后重新上传。")


class PhotoTooFewPixels(PhotoError):
    code = "photo.too_few_pixels"
    template = N_("照片为{width}×{height}像素，至少应为144×192像素。请使用更清晰的照片。")


class PhotoTooManyPixels(PhotoError):
    code = "photo.too_many_pixels"
    template = N_("照片为{width}×{height}像素，最大为2000×3000像素。请缩小后重新上传。")


class PhotoRatio(PhotoError):
    code = "photo.ratio"
    template = N_("照片为{width}×{height}像素，宽高比例应接近3:4（0.66–0.80）。请裁剪后重新上传。")


@dataclass(frozen=True, slots=True)
class PreparedPhoto:
    """Two clean JPEG files: the original upright and without metadata, and the one for print."""

    original: bytes
    print: bytes
    width: int
    height: int


class Stored(Protocol):
    """What a file store says about a file that it took."""

    @property
    def key(self) -> str: ...
    @property
    def size(self) -> int: ...
    @property
    def sha256(self) -> str: ...


class PhotoStore(Protocol):
    """The part of the file store that photos need."""

    def put(self, content: bytes, *, folder: str, suffix: str = "") -> Stored: ...
    def delete(self, key: str) -> None: ...


# ---------------------------------------------------------------- pure functions


def prepare_photo(data: bytes) -> PreparedPhoto:
    """Check and clean an uploaded photo. Raises PhotoError subclasses, one per cause.

    Only the pixels survive: EXIF (with places and times), comments, profiles, and whatever a file
    carries behind its picture are gone. The compression tables are kept, and so is the quality.
    """
    if not SIZE_RANGE[0] <= len(data) <= SIZE_RANGE[1]:
        raise PhotoFileSize(size=round(len(data) / KILOBYTE))
    try:
        with Image.open(io.BytesIO(data), formats=["JPEG"]) as source:
            _check_pixels(*_upright_size(source))
            options = _compression(source)
            source.load()
            picture = ImageOps.exif_transpose(source)
            if picture.mode not in ("RGB", "L"):
                picture, options = picture.convert("RGB"), {"quality": _ORIGINAL_QUALITY}
            return PreparedPhoto(
                original=_encode(picture, options),
                print=_print_derivative(picture),
                width=picture.width,
                height=picture.height,
            )
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise PhotoNotJpeg() from error


def _upright_size(source: Image.Image) -> tuple[int, int]:
    """Width and height as people see it: EXIF orientations 5 to 8 lie on their side."""
    orientation = source.getexif().get(0x0112, 1)
    width, height = source.size
    return (height, width) if orientation in (5, 6, 7, 8) else (width, height)


def _check_pixels(width: int, height: int) -> None:
    facts = {"width": width, "height": height}
    if width < LEAST_PIXELS[0] or height < LEAST_PIXELS[1]:
        raise PhotoTooFewPixels(**facts)
    if width > MOST_PIXELS[0] or height > MOST_PIXELS[1]:
        raise PhotoTooManyPixels(**facts)
    if not RATIO_RANGE[0] <= width / height <= RATIO_RANGE[1]:
        raise PhotoRatio(**facts)


def _compression(source: Image.Image) -> dict[str, Any]:
    """The source's own tables, so that encoding again loses next to nothing."""
    tables = getattr(source, "quantization", None)
    if not tables:
        return {"quality": _ORIGINAL_QUALITY}
    return {"qtables": tables, "subsampling": JpegImagePlugin.get_sampling(source)}


def _encode(picture: Image.Image, options: dict[str, Any]) -> bytes:
    """A new image of the pixels alone: `picture.info` would carry metadata along."""
    clean = Image.new(picture.mode, picture.size)
    clean.paste(picture)
    target = io.BytesIO()
    clean.save(target, "JPEG", **options)
    return target.getvalue()


def _print_derivative(picture: Image.Image) -> bytes:
    """RGB, 240 by 320 pixels, cropped to 3:4 from both sides or from below."""
    fitted = ImageOps.fit(
        picture.convert("RGB"), PRINT_SIZE, Image.Resampling.LANCZOS, centering=_CENTERING
    )
    return _encode(fitted, {"quality": _PRINT_QUALITY, "optimize": True})


# ---------------------------------------------------------------- storing


def upload_photo(
    session: Session,
    registration_id: int,
    data: bytes,
    store: PhotoStore,
    *,
    clock: Clock = system_clock,
) -> Photo:
    """The candidate's own photo, while his data are not locked (R25.25); answers R26.3.

    Raises PhotoError, InformationLocked, OnlyThroughSite, causes of `Site.require_online`.
    """
    prepared = prepare_photo(data)
    with permit(session, permits.UPLOAD_PHOTO, Verb.RUN, clock=clock):
        held = hold(session, registration_id)
        now = clock()  # not before: the lock may have been waited for
        held.require_individual()
        held.require_unlocked()
        load_site(session, held.registration.site_id or 0).require_online(now)
        photo = attach_photo(session, held.registration, prepared, store)
        change_saved(held.registration, now)
    return photo


def attach_photo(
    session: Session, registration: Registration, prepared: PreparedPhoto, store: PhotoStore
) -> Photo:
    """Store a photo for (session, site, document) and link it, under the caller's permit.

    A stored photo of that key is replaced, whoever had uploaded it; its files go after the commit.
    """
    original = store.put(prepared.original, folder=_FOLDER, suffix=".jpg")
    printed = store.put(prepared.print, folder=_FOLDER, suffix=".jpg")
    with elevated(session, "photo of (session, site, document)", Photo):
        photo = session.scalars(
            select(Photo).where(
                Photo.exam_id == registration.exam_id,
                Photo.site_id == registration.site_id,
                Photo.id_digest == registration.id_digest,
            )
        ).one_or_none()
        if photo is None:
            photo = _new_photo(registration)
            session.add(photo)
        else:
            _delete_later(session, store, photo.file_key, photo.print_key)
        photo.passport_id = registration.passport_id
        photo.file_key, photo.print_key = original.key, printed.key
        photo.sha256, photo.size = original.sha256, original.size
        photo.width, photo.height = prepared.width, prepared.height
        photo.advice = {}
        session.flush()
    registration.photo_id = photo.id
    registration.photo_renewal = False
    return photo


def _new_photo(registration: Registration) -> Photo:
    return Photo(
        exam_id=registration.exam_id,
        province_id=registration.province_id,
        city_id=registration.city_id,
        site_id=registration.site_id,
        id_digest=registration.id_digest,
    )


def _delete_later(session: Session, store: PhotoStore, *keys: str) -> None:
    def delete() -> None:
        for key in keys:
            store.delete(key)

    after_commit(session, delete)
