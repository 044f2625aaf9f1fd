"""What stands in deploy/ and docs/operations.md agrees with the code."""

from __future__ import annotations

import configparser
import re
import tomllib
from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped] # it ships no types

from config import Settings, SettingsError
from config_values import fresh_secrets

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
_NAMES = [variable.name for variable in Settings.variables().values()]


def _example() -> dict[str, str]:
    """The settings of env.example, those that are commented out included."""
    pairs = re.findall(r"^#?([A-Z_]+)=(.*)$", (DEPLOY / "env.example").read_text(), re.MULTILINE)
    assert len(dict(pairs)) == len(pairs), "no setting stands there twice"
    return dict(pairs)


def test_the_example_names_every_setting_and_no_other() -> None:
    assert sorted(_example()) == sorted(_NAMES)


def test_the_example_gives_the_defaults_as_defaults(tmp_path: Path) -> None:
    example = _example()
    for variable in Settings.variables().values():
        own = ("KAOWU_MODE", "MAIL_URL", "MAIL_SENDER", "PAYMENT_GATEWAY", "SMS_URL", "EDU_URL")
        changed = (*own, "INSTANCE", "FILES_ACCEL_PREFIX", "TRUSTED_PROXIES")
        if isinstance(variable.default, str) and variable.name not in changed:
            assert example[variable.name] == variable.default, variable.name


def test_the_example_unfilled_is_refused_and_filled_is_accepted() -> None:
    example = _example()
    with pytest.raises(SettingsError) as caught:
        Settings.from_environment(example).check_production()
    named = {mistake.split()[0] for mistake in caught.value.mistakes}
    assert named == {*fresh_secrets(), "PAYMENT_GATEWAY"}
    filled = {**example, **fresh_secrets(), "PAYMENT_GATEWAY": "unionpay"}
    settings = Settings.from_environment(filled)
    settings.check_production()
    assert len(settings.host_names) == 6


def test_the_manual_explains_every_setting() -> None:
    rows = re.findall(
        r"^\| `([A-Z_]+)` \| (.*) \| (.*) \|$", (ROOT / "docs/operations.md").read_text(), re.M
    )
    assert [name for name, _, _ in rows] == _NAMES
    for (_, default, meaning), variable in zip(rows, Settings.variables().values(), strict=True):
        assert meaning == variable.meaning + (" ◆" if variable.secret else "")
        if isinstance(variable.default, str):
            assert default == (f"`{variable.default}`" if variable.default else "–")


@pytest.mark.parametrize("unit", sorted(path.name for path in DEPLOY.glob("*.service")))
def test_a_unit_restarts_for_ever_and_may_write_one_place(unit: str) -> None:
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    parser.optionxform = str  # type: ignore[assignment]
    parser.read(DEPLOY / unit)
    service = parser["Service"]
    assert service["Restart"] == "always"
    assert parser["Unit"]["StartLimitIntervalSec"] == "0"
    assert service["User"] == "kaowu"
    assert service["EnvironmentFile"] == "/etc/kaowu/env"
    assert service["ProtectSystem"] == "strict"
    assert service["ReadWritePaths"] == "/var/lib/kaowu"
    assert service["ExecStart"].startswith("/opt/kaowu/.venv/bin/")


def test_units_start_what_run_py_starts() -> None:
    commands = " ".join(path.read_text() for path in DEPLOY.glob("*.service"))
    for part in ("app.wsgi:application", "-m app.jobs.worker", "-m app.jobs.upkeep"):
        assert part in commands
        assert part.rpartition(" ")[2] in (ROOT / "run.py").read_text()


def test_compose_is_well_formed() -> None:
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    services = compose["services"]
    assert set(services) == {"database", "queue", "migrate", "web", "worker", "upkeep"}
    for name in ("migrate", "web", "worker", "upkeep"):
        assert services[name]["cap_drop"] == ["ALL"]
        assert services[name]["environment"]["REDIS_URL"] == "redis://queue:6379/0"
    assert services["web"]["depends_on"]["migrate"]["condition"] == "service_completed_successfully"
    assert services["web"]["ports"] == ["127.0.0.1:8000:8000"], "reached through nginx alone"


def test_nginx_overwrites_what_a_client_says_of_itself() -> None:
    proxy = (DEPLOY / "nginx-proxy.conf").read_text()
    for header in ("X-Forwarded-For $remote_addr", "X-Forwarded-Host $host", "X-Request-ID"):
        assert f"proxy_set_header {header}" in proxy
    common = (DEPLOY / "nginx-common.conf").read_text()
    files = re.search(r"location /_files/ \{(.*?)\}", common, re.DOTALL)
    assert files is not None
    assert "internal;" in files[1]
    assert _example()["FILES_ACCEL_PREFIX"] == "/_files/"
    assert _example()["TRUSTED_PROXIES"] == "1"


def test_every_dependency_is_locked() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wanted = project["project"]["dependencies"]
    optional = [
        entry for extra in project["project"]["optional-dependencies"].values() for entry in extra
    ]
    tools = project["dependency-groups"]["dev"]

    def names(entries: list[str]) -> set[str]:
        found = [re.match(r"[A-Za-z0-9-]+", entry) for entry in entries]
        return {match[0].lower() for match in found if match}

    def locked(path: str) -> set[str]:
        return set(re.findall(r"^([a-z0-9-]+)==", (ROOT / path).read_text(), re.MULTILINE))

    assert names(wanted + optional + tools) <= locked("requirements.lock")
    assert names(wanted + optional) <= locked("deploy/requirements.lock")


def test_the_log_in_of_administrators_is_not_on_the_hosts_of_candidates() -> None:
    """A pattern of the common part would win over a plain prefix: `^~` keeps it out."""
    servers = (DEPLOY / "nginx.conf").read_text().split("\nserver {")
    candidates = [
        part for part in servers if "server_name bm." in part or "server_name id." in part
    ]
    inner = [part for part in candidates if "kaowu-common.conf" in part]
    assert len(inner) == 2
    for part in inner:
        assert re.search(r"location \^~ /admin \{\s*return 404;", part)
