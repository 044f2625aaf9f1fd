"""Refusals of the stamping engine: each with a stable code and a sentence for the user."""

from __future__ import annotations

from app.metadata.errors import N_, KaowuError


class StampingError(KaowuError):
    """Base of every refusal of this package."""

    code = "document.failed"
    template = N_("文件没有生成。请稍后重试。")


class FontMissing(StampingError):
    """No main font on this machine: a document full of empty boxes is never produced."""

    code = "document.font_missing"
    template = N_(
        "服务器没有安装中文字体“{font}”，不能生成文件。"
        "请系统管理员安装字体后重试（见文档 documents）。"
    )
    status = 503


class UncoveredText(StampingError):
    """A text holds characters that no installed font can draw (parameters: text, characters)."""

    code = "document.uncovered_text"
    template = N_(
        "“{text}”中的字符 {characters} 没有可用的字形，不能打印。"
        "请核对该字，改用标准编码的汉字，或由系统管理员补装字体。"
    )


class TemplateError(StampingError):
    """A template breaks the rules of the engine (parameter: problem, in Chinese)."""

    code = "document.template_invalid"
    template = N_("文件模板有误：{problem}")


class PhotoUnusable(StampingError):
    """The bytes are no JPEG picture that can be decoded."""

    code = "document.photo_unusable"
    template = N_("照片不是完整的 JPG 文件，不能使用。请重新上传 JPG 格式的照片。")


class PhotoNotPrepared(StampingError):
    """A photo did not go through `photos.print_derivative` (parameter: owner)."""

    code = "document.photo_not_prepared"
    template = N_("{owner}的照片没有转换成打印用的格式。请重新上传该考生的照片。")


class DocumentCancelled(StampingError):
    """The user stopped the job; nothing was left behind."""

    code = "document.cancelled"
    template = N_("已取消，没有生成文件。")
    status = 409


class ArchiveNameInvalid(StampingError):
    """A name in an archive is empty or used twice (parameter: name)."""

    code = "document.archive_name_invalid"
    template = N_("压缩包内的文件名“{name}”为空或重复，不能打包。请核对数据后重新生成。")
