"""Where a setting comes from, and that a secret never shows."""

from __future__ import annotations

from pathlib import Path

import pytest

from mailing_trigger.errors import SettingsError
from mailing_trigger.settings import (
    ABOUT,
    CONFIG_VARIABLE,
    Settings,
    child_environment,
    load,
    unknown_variables,
    variable,
)

SECRET = "hunter2-correct-horse"
OPERATIONS = Path(__file__).parents[2] / "docs" / "operations.md"


def config(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "settings.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_nothing_given_means_the_defaults() -> None:
    assert load({}, environ={}) == Settings()


def test_a_flag_beats_the_environment_which_beats_the_file(tmp_path: Path) -> None:
    path = config(tmp_path, "port = 1\npartitions = 11\ntopic_prefix = 'file.'\n")
    env = {"MAILING_TRIGGER_PORT": "2", "MAILING_TRIGGER_PARTITIONS": "22"}

    settings = load({"port": "3", "partitions": None}, config=path, environ=env)

    assert (settings.port, settings.partitions, settings.topic_prefix) == (3, 22, "file.")


def test_an_empty_variable_is_not_a_value(tmp_path: Path) -> None:
    path = config(tmp_path, "port = 8081\n")
    assert load({}, config=path, environ={"MAILING_TRIGGER_PORT": ""}).port == 8081


def test_the_file_in_the_working_folder_is_read_when_no_other_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mailing-trigger.toml").write_text("port = 8082\n", encoding="utf-8")
    other = config(tmp_path, "port = 8083\n")

    assert load({}, environ={}).port == 8082
    assert load({}, environ={CONFIG_VARIABLE: str(other)}).port == 8083


@pytest.mark.parametrize(
    ("text", "named"),
    [
        pytest.param("prot = 8080\ntopics = 'x'\n", ["prot, topics", "port"], id="unknown keys"),
        pytest.param("[kafka]\n'linger.ms' = 5\n", ["linger.ms"], id="not about the connection"),
        pytest.param("[kafka]\nsasl.username = 'x'\n", ["quotes"], id="dotted key without quotes"),
        pytest.param("kafka = 'x'\n", ["[kafka]"], id="kafka is no table"),
        pytest.param("port = 'many'\n", ["port", "'many'", "settings.toml"], id="not a number"),
        pytest.param("port = true\n", ["port", "True"], id="a truth is no number"),
        pytest.param("port = 70000\n", ["65535"], id="out of range"),
        pytest.param("insecure = 'perhaps'\n", ["insecure", "perhaps"], id="not a truth"),
        pytest.param("ack_timeout_s = nan\n", ["ack_timeout_s"], id="nan seconds"),
        pytest.param("log_level = 'loud'\n", ["log_level", "DEBUG"], id="unknown level"),
        pytest.param("port = \n", ["not TOML"], id="not TOML"),
    ],
)
def test_what_is_wrong_in_the_file_is_named(tmp_path: Path, text: str, named: list[str]) -> None:
    with pytest.raises(SettingsError) as raised:
        load({}, config=config(tmp_path, text), environ={})
    for part in named:
        assert part in str(raised.value)


def test_a_named_file_that_is_missing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"absent\.toml"):
        load({}, config=tmp_path / "absent.toml", environ={})


def test_a_wrong_flag_or_variable_is_called_by_its_name() -> None:
    with pytest.raises(SettingsError, match="--ack-timeout-s"):
        load({"ack_timeout_s": "soon"}, environ={})
    with pytest.raises(SettingsError, match="MAILING_TRIGGER_PORT"):
        load({}, environ={"MAILING_TRIGGER_PORT": "-1"})


def test_security_comes_from_the_file_and_is_overruled_by_variables(tmp_path: Path) -> None:
    path = config(
        tmp_path,
        "[kafka]\n'security.protocol' = 'SASL_SSL'\n'sasl.password' = 'old'\n"
        "'enable.ssl.certificate.verification' = true\n",
    )
    env = {
        "MAILING_TRIGGER_KAFKA_SASL_PASSWORD": SECRET,
        "MAILING_TRIGGER_KAFKA_IMAGE": "not a property of a connection",
    }

    assert load({}, config=path, environ=env).kafka == {
        "security.protocol": "SASL_SSL",
        "sasl.password": SECRET,
        "enable.ssl.certificate.verification": "true",
    }


@pytest.mark.parametrize(
    "name",
    ["sasl.password", "ssl.key.password", "ssl.key.pem", "sasl.oauthbearer.client.secret"],
)
def test_a_secret_never_shows_in_the_repr(name: str) -> None:
    settings = Settings(kafka={name: SECRET, "sasl.username": "worker"})
    assert SECRET not in repr(settings)
    assert "worker" in repr(settings)


def test_a_registry_password_never_shows_in_the_repr() -> None:
    shown = repr(Settings(schema_registry_url=f"https://me:{SECRET}@registry:8081"))
    assert SECRET not in shown
    assert "registry:8081" in shown


def test_a_child_has_exactly_its_parents_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mailing-trigger.toml").write_text("insecure = false\n", encoding="utf-8")
    monkeypatch.setenv("MAILING_TRIGGER_CREDENTIALS", "/overruled")
    monkeypatch.setenv("MAILING_TRIGGER_KAFKA_SASL_USERNAME", "overruled")
    settings = Settings(
        bootstrap_servers="kafka:9092",
        data_dir=tmp_path,
        insecure=True,
        processes=3,
        ack_timeout_s=1.5,
        kafka={"sasl.password": SECRET, "security.protocol": "SASL_SSL"},
    )

    env = child_environment(settings)

    assert load({}, environ=env) == settings


def test_a_misspelt_variable_is_found() -> None:
    env = {
        "MAILING_TRIGGER_PROT": "1",
        "MAILING_TRIGGER_PORT": "1",
        "MAILING_TRIGGER_CONFIG": "x",
        "MAILING_TRIGGER_KAFKA_SSL_CA_LOCATION": "x",
        "PORT": "1",
    }
    assert unknown_variables(env) == ["MAILING_TRIGGER_PROT"]


def test_the_operations_page_has_every_setting_as_the_code_has_it() -> None:
    page = OPERATIONS.read_text(encoding="utf-8")
    for row in table_rows():
        assert row in page, f"docs/operations.md lacks this row:\n{row}"


def table_rows() -> list[str]:
    """Return the settings table as docs/operations.md must show it."""
    defaults = Settings(data_dir=Path())
    rows = []
    for name, about in ABOUT.items():
        value = getattr(defaults, name)
        default = about.shown or ("" if value in {None, False, ""} else f"`{value}`")
        rows.append(f"| `{name}` | `{variable(name)}` | {default or 'none'} | {about.text} |")
    return rows
