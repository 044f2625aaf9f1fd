"""Why an account rule refuses. None of the sentences tells a stranger which accounts exist."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from app.metadata.errors import N_, InvalidInput, KaowuError
from app.metadata.text import Bad

Problem = KaowuError | Bad


class AccountError(KaowuError):
    """Base of the refusals below."""


class FieldErrors(InvalidInput):
    """Problems by field of a form, typed, so that they can be translated."""

    def __init__(self, problems: Mapping[str, Sequence[Problem]]) -> None:
        self.problems = {name: list(found) for name, found in problems.items()}
        super().__init__(
            {name: [problem.as_message() for problem in found] for name, found in problems.items()}
        )


class LoginRefused(AccountError):
    """Wrong, unknown, locked, disabled: one sentence for all, so that nothing can be told apart."""

    code = "account.login_refused"
    template = N_(
        "账号或密码不正确，或因连续输错5次已暂停登录。"
        "请核对后重试；暂停的账号15分钟后恢复，也可用验证码登录或重设密码。"
    )
    status = 401


class PasswordChanged(AccountError):
    """The password was changed between the proof and the change that rests on it."""

    code = "account.password_changed"
    template = N_("密码刚刚已被修改，本次修改没有保存。请用新密码重新登录后再试。")
    status = 409


class WrongPassword(AccountError):
    """The old password, asked before a new one is set."""

    code = "account.wrong_password"
    template = N_("原密码不正确，或因连续输错5次已暂停验证。请核对后重试，或通过“忘记密码”重设。")


class PasswordRefused(AccountError):
    """Re-authentication failed before something of the account was changed."""

    code = "account.password_refused"
    template = N_("登录密码不正确，或因连续输错5次已暂停验证。请核对后重试，或通过“忘记密码”重设。")


class CodeRefused(AccountError):
    """Wrong, expired, used, or tried too often."""

    code = "account.code_refused"
    template = N_("验证码不正确或已失效。请核对后重试，或重新获取验证码。")


class LinkRefused(AccountError):
    """An activation link that is wrong, expired, used, or replaced by a newer one."""

    code = "account.link_refused"
    template = N_(
        "链接不正确或已失效。已用它设置密码的，请直接登录；否则请打开最近收到的链接，"
        "仍然不行的，请联系上级管理员重新发放，或通过“忘记密码”设置密码。"
    )


class CodeTooSoon(AccountError):
    """A code was sent to this target within the last minute."""

    code = "account.code_too_soon"
    template = N_("验证码刚刚发送过，请在{seconds}秒后再获取。")
    status = 429


class CodeTooOften(AccountError):
    """The hourly number of codes for this target is used up."""

    code = "account.code_too_often"
    template = N_("获取验证码次数过多。请在{minutes}分钟后重试。")
    status = 429


class EmailTaken(AccountError):
    """Said only to somebody who has proved a mobile or mailbox of his own (R5.1)."""

    code = "account.email_taken"
    template = N_("该电子邮箱已注册通行证。请直接登录，或换一个邮箱。")
    status = 409


class MobileTaken(AccountError):
    """See EmailTaken."""

    code = "account.mobile_taken"
    template = N_("该手机号码已注册通行证。请直接登录，或换一个号码。")
    status = 409


class ConsentMissing(AccountError):
    """The box of the terms was not ticked."""

    code = "account.consent_missing"
    template = N_("请阅读并同意用户协议与隐私政策。")


class PasswordsDiffer(AccountError):
    """The repeated password is another one."""

    code = "account.passwords_differ"
    template = N_("两次输入的密码不一致。")


class NothingToChange(AccountError):
    """The new contact is the present one."""

    code = "account.same_contact"
    template = N_("与现在使用的相同，无需修改。")


class ProofRefused(AccountError):
    """The second proof of a first password is wrong or used up (§8.3)."""

    code = "account.proof_refused"
    template = N_("验证信息不正确或已失效。请核对后重试；仍不成功的，请联系上级管理员或考点。")


class SecondFactorRefused(AccountError):
    """Wrong, late, or used already."""

    code = "account.second_factor_refused"
    template = N_("动态口令不正确或已使用过。请等待新的口令出现后重试。")


class SecondFactorKnown(AccountError):
    """A confirmed second factor is not replaced without the superior."""

    code = "account.second_factor_known"
    template = N_("已启用动态口令。如需更换，请联系上级管理员重置。")


class PassportNotFound(AccountError):
    """R8.6: looked up by a superior."""

    code = "account.passport_not_found"
    template = N_("没有找到该通行证。请核对邮箱或通行证ID，或请本人先注册。")
    status = 404


class AlreadyBound(AccountError):
    """R8.6. Which organisation it is, is not said outside the scope."""

    code = "account.already_bound"
    template = N_("一个通行证ID只能绑定一个机构，该通行证已绑定其他机构。")
    status = 409


class AlreadyBoundHere(AlreadyBound):
    """The organisation lies in the scope of the one who asks."""

    code = "account.already_bound_here"
    template = N_("一个通行证ID只能绑定一个机构，该通行证已绑定{organisation}。")


class PassportIsCandidate(AccountError):
    """R3.4."""

    code = "account.is_candidate"
    template = N_("该通行证在当前考次已有报名信息，不能设为管理员。请使用另一个通行证。")
    status = 409


class PassportIsAdministrator(AccountError):
    """R3.4, N11."""

    code = "account.is_administrator"
    template = N_("该邮箱或手机属于考务管理员的通行证，不能用于报名。请使用其他邮箱和手机。")
    status = 409


class NotYourself(AccountError):
    """R8.2."""

    code = "account.not_yourself"
    template = N_("不能删除自己。请由本机构其他管理员或上级管理员办理。")


class LastAdministrator(NotYourself):
    """R8.2: an organisation's last administrator removes himself."""

    code = "account.last_administrator"
    template = N_("您是本机构唯一的管理员，不能删除自己。请由上级管理员办理。")


class PassportMixed(AccountError):
    """E-mail and mobile of one imported row belong to two people."""

    code = "account.two_passports"
    template = N_("该邮箱和手机属于两个不同的通行证。请核对。")
    status = 409


class MobileOfAnotherPassport(PassportMixed):
    """The row's mobile is of a passport with another e-mail, which is not said (R5.4)."""

    code = "account.mobile_of_another"
    template = N_(
        "该手机属于邮箱与本行不同的通行证。"
        "请核对邮箱和手机；确为本人的，请填写其通行证的邮箱，否则请改正手机或留空。"
    )


class EmailOfAnotherPassport(PassportMixed):
    """The row's e-mail is of a passport with another mobile, which is not said (R5.4)."""

    code = "account.email_of_another"
    template = N_(
        "该行邮箱的通行证已有其他手机。请核对邮箱和手机；确为本人的，请填写其通行证的手机或留空。"
    )
