"""The settings: defaults, parsing, generated secrets, what production refuses."""

from __future__ import annotations

import json
import stat
from multiprocessing import get_context
from pathlib import Path

import pytest

from config import DataKey, HostSet, Mode, RateLimit, Settings, SettingsError
from config_values import embedded_socket, fresh_secrets, generated_secrets


def _production(tmp_path: Path, **changes: str) -> dict[str, str]:
    """An environment fit for production, with the given changes."""
    return {
        "KAOWU_MODE": "production",
        "INSTANCE": str(tmp_path / "instance"),
        "DATABASE_URL": "postgresql://kaowu@db.example.org/kaowu",
        "REDIS_URL": "redis://queue.example.org:6379/0",
        "PAYMENT_GATEWAY": "unionpay",
        "MAIL_URL": "smtp://mail.example.org:587",
        "PUBLIC_URL": "https://kaowu.example.org",
        **fresh_secrets(),
        **changes,
    }


def test_defaults_need_no_environment(tmp_path: Path) -> None:
    settings = Settings.from_environment({"INSTANCE": str(tmp_path)})
    assert settings.mode is Mode.DEVELOPMENT
    assert settings.port == 5000
    assert settings.database_url == f"sqlite:///{tmp_path}/kaowu.sqlite3"
    assert settings.redis_is_embedded
    assert settings.files_url == f"file://{tmp_path}/files"
    assert settings.payment_gateway == "sandbox"
    assert (settings.pay_timeout_hours, settings.submit_timeout_hours) == (24, 72)
    assert (settings.import_max_rows, settings.import_max_bytes) == (20_000, 20 * 1024 * 1024)
    assert settings.session_idle_minutes == 30
    assert not settings.totp_required
    assert settings.languages == ("zh_CN", "en")
    assert settings.public.admin == "http://127.0.0.1:5000/admin/"
    assert settings.edu is None
    assert settings.host_names == {"127.0.0.1"}


def test_a_relative_instance_counts_from_the_project(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/")
    settings = Settings.from_environment({"INSTANCE": "elsewhere", **fresh_secrets()})
    assert settings.instance == Path(__file__).parents[2] / "elsewhere"


def test_secrets_are_generated_once_and_only_for_the_owner(tmp_path: Path) -> None:
    first = Settings.from_environment({"INSTANCE": str(tmp_path / "i")})
    second = Settings.from_environment({"INSTANCE": str(tmp_path / "i")})
    assert first == second
    assert len(first.digest_key) == 32
    assert first.data_keys[0].identifier == "k1"
    mode = (tmp_path / "i" / "secrets.json").stat().st_mode
    assert stat.S_IMODE(mode) == 0o600
    assert stat.S_IMODE((tmp_path / "i").stat().st_mode) == 0o700


def test_a_secret_added_later_keeps_the_others(tmp_path: Path) -> None:
    whole = generated_secrets(tmp_path)
    old = {name: value for name, value in whole.items() if name != "DIGEST_KEY"}
    (tmp_path / "secrets.json").write_text(json.dumps(old))
    assert {**generated_secrets(tmp_path), "DIGEST_KEY": ""} == {**old, "DIGEST_KEY": ""}
    assert json.loads((tmp_path / "secrets.json").read_text())["DIGEST_KEY"]


def test_processes_that_start_together_share_the_secrets(tmp_path: Path) -> None:
    with get_context("spawn").Pool(4) as pool:
        results = pool.map(generated_secrets, [tmp_path] * 8)
    assert all(result == results[0] for result in results)


def test_secrets_stay_out_of_repr_and_messages(tmp_path: Path) -> None:
    environ = _production(tmp_path, DATABASE_URL="postgresql://u:pa55word@db/kaowu")
    text = repr(Settings.from_environment(environ))
    assert "pa55word" not in text
    assert environ["ADMIN_SECRET_KEY"] not in text
    with pytest.raises(SettingsError) as caught:
        Settings.from_environment({**environ, "ADMIN_SECRET_KEY": "too-short-value"})
    assert "ADMIN_SECRET_KEY must have at least 32 characters" in str(caught.value)
    assert "too-short-value" not in str(caught.value)


def test_a_secret_may_come_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("x" * 40 + "\n")
    environ = _production(tmp_path)
    del environ["ADMIN_SECRET_KEY"]
    settings = Settings.from_environment({**environ, "ADMIN_SECRET_KEY_FILE": f"{tmp_path}/key"})
    assert settings.admin_secret_key == "x" * 40


def test_all_mistakes_are_named_at_once(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.from_environment(
            {
                "INSTANCE": str(tmp_path),
                "PORT": "0",
                "DATABASE_URL": "mysql://x",
                "RATE_LOGIN_ACCOUNT": "often",
                "LANGUAGES": "Chinese",
            }
        )
    named = [mistake.split()[0] for mistake in caught.value.mistakes]
    assert named == ["PORT", "DATABASE_URL", "LANGUAGES", "RATE_LOGIN_ACCOUNT"]


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("KAOWU_MODE", "prod"),
        ("PORT", "65536"),
        ("PORT", "-1"),
        ("PORT", "٥"),
        ("REDIS_URL", "localhost:6379"),
        ("FILES_URL", "/srv/files"),
        ("PAYMENT_GATEWAY", "Union Pay"),
        ("PUBLIC_URL", "kaowu.example.org"),
        ("PUBLIC_URL", "https://a.example.org,https://b.example.org"),
        ("TOTP_REQUIRED", "maybe"),
        ("INITIAL_PASSWORD_MODE", "654321"),
        ("DIGEST_KEY", "c2hvcnQ="),
        ("DIGEST_KEY", "not base64!"),
        ("DATA_KEYS", "nokey"),
        ("DATA_KEYS", "TOOLONGID:AAAA"),
        ("RATE_CODE", "0/60"),
        ("LOG_LEVEL", "LOUD"),
    ],
)
def test_a_wrong_text_is_refused(tmp_path: Path, variable: str, text: str) -> None:
    with pytest.raises(SettingsError, match=variable):
        Settings.from_environment({"INSTANCE": str(tmp_path), variable: text})


def test_texts_become_values(tmp_path: Path) -> None:
    fresh = fresh_secrets()
    old = fresh_secrets()["DIGEST_KEY"]
    settings = Settings.from_environment(
        {
            "INSTANCE": str(tmp_path),
            "DATABASE_URL": "postgres://u@h/db",
            "DATA_KEYS": f"{fresh['DATA_KEYS'].replace('k1', 'k2')},k1:{old}",
            "RATE_CODE": "3/600",
            "PUBLIC_URL": "https://bm.example.org,https://id.example.org/,https://kw.example.org",
            "EDU_URL": "https://kaowu.example.edu",
            "WORKERS": "",
        }
    )
    assert settings.database_url == "postgresql+psycopg://u@h/db"
    assert [key.identifier for key in settings.data_keys] == ["k2", "k1"]
    assert isinstance(settings.data_keys[0], DataKey)
    assert settings.rate_code == RateLimit(3, 600)
    assert settings.public == HostSet(
        "https://bm.example.org/", "https://id.example.org/", "https://kw.example.org/"
    )
    assert settings.edu is not None
    assert settings.edu.passport == "https://kaowu.example.edu/passport/"
    assert "kaowu.example.edu" in settings.host_names
    assert settings.workers == 1


def test_one_key_id_is_not_used_twice(tmp_path: Path) -> None:
    keys = fresh_secrets()["DATA_KEYS"]
    with pytest.raises(SettingsError, match="twice"):
        Settings.from_environment({"INSTANCE": str(tmp_path), "DATA_KEYS": f"{keys},{keys}"})


def test_production_accepts_a_complete_environment(tmp_path: Path) -> None:
    settings = Settings.from_environment(_production(tmp_path))
    settings.check_production()
    assert settings.totp_required
    assert not (tmp_path / "instance").exists(), "production writes no secrets"


def test_production_names_every_mistake(tmp_path: Path) -> None:
    environ = {"KAOWU_MODE": "production", "INSTANCE": str(tmp_path), "TOTP_REQUIRED": "0"}
    with pytest.raises(SettingsError) as caught:
        Settings.from_environment(environ).check_production()
    named = [mistake.split()[0] for mistake in caught.value.mistakes]
    assert named == [
        "DATABASE_URL",
        "REDIS_URL",
        "PUBLIC_URL",
        "ADMIN_SECRET_KEY",
        "PORTAL_SECRET_KEY",
        "DATA_KEYS",
        "DIGEST_KEY",
        "PAYMENT_GATEWAY",
        "MAIL_URL",
        "TOTP_REQUIRED",
    ]


def test_production_refuses_the_secrets_of_development(tmp_path: Path) -> None:
    generated = generated_secrets(tmp_path / "instance")
    with pytest.raises(SettingsError) as caught:
        Settings.from_environment(_production(tmp_path, **generated)).check_production()
    assert len(caught.value.mistakes) == 4
    assert all("generated for development" in mistake for mistake in caught.value.mistakes)


def test_production_refuses_one_secret_for_both_apps(tmp_path: Path) -> None:
    same = {"ADMIN_SECRET_KEY": "s" * 40, "PORTAL_SECRET_KEY": "s" * 40}
    with pytest.raises(SettingsError, match="must differ"):
        Settings.from_environment(_production(tmp_path, **same)).check_production()


def test_a_long_instance_path_moves_the_socket(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 120)
    assert len(bytes(embedded_socket(deep))) < 100
    assert embedded_socket(deep) != embedded_socket(tmp_path / ("e" * 120))
    settings = Settings.from_environment({"INSTANCE": str(deep), **fresh_secrets()})
    assert settings.redis_is_embedded
