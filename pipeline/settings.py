"""
What an operator decides: where broker, registry and database are, who we are there, how often the clock
ticks.

Each process reads it once, at its start, and hands plain values on. How accounts are scored is no setting:
that stands in the scorecards, which are named, versioned and part of the log.

Errors: ``TelltaleError`` > ``InvalidSettings``.
"""

import json
import os
import re
import tomllib
from collections.abc import Collection, Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Final, Literal, NamedTuple, Self
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    create_model,
    model_validator,
)
from pydantic_core import ErrorDetails, PydanticCustomError
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from pipeline.errors import TelltaleError

PREFIX = "TELLTALE_"
FILE_VARIABLE = "TELLTALE_CONFIG"
"""Environment variable with the path of a TOML file; what the environment says wins over the file."""

_SERVICE_HOST: Final = re.compile(r"(TELLTALE(?:_[A-Z0-9_]+)?)_SERVICE_HOST")
"""
Kubernetes tells every container of the services beside it: one named telltale makes TELLTALE_SERVICE_HOST,
TELLTALE_PORT, …
"""

Need = Literal["brokers", "database_url", "pseudonym_key"]
"""Settings that have no default and that only some processes need."""

_HINT = f"Set it in the environment, or in the TOML file that {FILE_VARIABLE} names (lower case, without {PREFIX})."


class InvalidSettings(TelltaleError):  # noqa: N818 - reads as what happened
    """
    One or more settings are missing or wrong; the message has a line for each, and no value of a secret.
    """


def _existing_file(path: Path) -> Path:
    if not path.is_file():
        raise PydanticCustomError("no_file", "{path} is not a file", {"path": str(path)})
    return path


def _existing_folder(path: Path) -> Path:
    if not path.is_dir():
        raise PydanticCustomError("no_folder", "{path} is not a folder", {"path": str(path)})
    return path


def _postgres_address(url: SecretStr) -> SecretStr:
    if not url.get_secret_value():  # Not set: whether that is a fault depends on who asks.
        return url
    scheme, _, rest = url.get_secret_value().partition("://")
    if scheme not in {"postgresql", "postgres", "postgresql+psycopg"}:
        raise PydanticCustomError("not_postgres", "must begin with postgresql://")
    try:
        address = urlsplit(f"//{rest}")
        is_plain = address.port != 0 and "@" not in address.netloc.rpartition("@")[0]
    except ValueError:
        is_plain = False
    if not is_plain:
        # Refused here, since the driver would take a part of such a password for the host, and print it.
        raise PydanticCustomError(
            "not_postgres",
            "must be postgresql://user:password@host:port/database, with @ : / ? # in user and password as %40 %3A %2F %3F %23",
        )
    # The driver is named, because the default for a bare postgresql:// has changed between releases of
    # SQLAlchemy.
    return SecretStr(f"postgresql+psycopg://{rest}")


def _usable_key(key: SecretStr) -> SecretStr:
    # Fewer and a person could be found again by trying keys; BLAKE2b takes no more.
    length = len(key.get_secret_value().encode())
    if length and not 32 <= length <= 64:
        raise PydanticCustomError("length", "has {length} bytes, not 32 to 64", {"length": length})
    return key


_PseudonymKey = Annotated[SecretStr, AfterValidator(_usable_key)]
_DatabaseUrl = Annotated[SecretStr, AfterValidator(_postgres_address)]
_REQUIRED: dict[Need, Any] = {
    "brokers": Annotated[str, Field(min_length=1)],
    "database_url": Annotated[_DatabaseUrl, Field(min_length=1)],
    "pseudonym_key": Annotated[_PseudonymKey, Field(min_length=1)],
}


class Security(BaseModel):
    """How the Kafka clients prove who they are, and know the broker."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        "PLAINTEXT", description="Protocol of the brokers' listener."
    )
    mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = Field(
        "SCRAM-SHA-512", description="SASL mechanism, for the SASL_ protocols."
    )
    username: str = Field("", description="SASL user, for the SASL_ protocols.")
    password: SecretStr = Field(SecretStr(""), description="SASL password, for the SASL_ protocols.")
    ca_file: Annotated[Path, AfterValidator(_existing_file)] | None = Field(
        None,
        description="PEM file with the authority of the brokers' certificates; the system's when not set.",
    )

    @model_validator(mode="after")
    def _sasl_is_complete(self) -> Self:
        if self.protocol.startswith("SASL") and not (self.username and self.password.get_secret_value()):
            raise PydanticCustomError(
                "incomplete", "{protocol} needs __USERNAME and __PASSWORD", {"protocol": self.protocol}
            )
        return self


class Settings(BaseSettings):
    """
    Every setting; ``TELLTALE_SECURITY__USERNAME`` in the environment is ``username`` in the file's
    ``[security]``.
    """

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_nested_delimiter="__", env_ignore_empty=True, extra="forbid", frozen=True
    )

    brokers: str = Field("", description="Kafka brokers to begin with, host:port separated by commas.")
    security: Security = Field(Security(), description="Identity at the brokers.")
    registry_url: SecretStr = Field(
        SecretStr(""),
        description="Schema registry with the Confluent API, user:password@ included if it asks for one; "
        "not set: the ids of schemas/registry.yaml, without a server.",
    )
    database_url: _DatabaseUrl = Field(
        SecretStr(""), description="PostgreSQL, postgresql://user:password@host:port/database."
    )
    pseudonym_key: _PseudonymKey = Field(
        SecretStr(""),
        description="Key of the hash that stands for a person, made by `openssl rand -hex 32`; "
        "changing it makes all people new.",
    )
    topic_prefix: str = Field(
        "",
        pattern=r"^[A-Za-z0-9._-]{0,100}$",
        description="Put before the name of every topic and group, so that two Telltales can share a cluster.",
    )
    partitions: int = Field(
        12,
        ge=1,
        le=1000,
        description="Partitions of the account log and the outputs; fixed for the life of a log.",
    )
    replication_factor: int = Field(
        -1, ge=-1, le=10, description="Copies of each topic we create; -1 is the brokers' default."
    )
    tick_seconds: float = Field(10.0, ge=0.1, le=60, description="Seconds between two ticks of the clock.")
    session_seconds: float = Field(
        20.0, ge=6, le=300, description="Seconds without a heartbeat after which a worker counts as dead."
    )
    set_floods_aside: bool = Field(
        False,
        description="Whether unreadable records go to the dead letters however many there are, "
        "where the intake would else stop at a flood of them.",
    )
    scorecards: Annotated[Path, AfterValidator(_existing_folder)] | None = Field(
        None, description="Folder of scorecards (TOML) that stand in for the shipped ones of the same name."
    )
    metrics_host: str = Field("127.0.0.1", description="Address /metrics, /readyz and /livez listen on.")
    metrics_port: int = Field(
        0,
        ge=0,
        le=65535,
        description="Their port, the first of three for `telltale run`; 0 is any free one, told at the start.",
    )
    log_format: Literal["json", "console"] = Field("json", description="Shape of log lines on stderr.")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="Least level that is logged."
    )
    run_directory: Path = Field(
        Path(".run"), description="Where processes started together keep logs and state."
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - one file is enough
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """
        Environment before file; the file's unknown keys are faults, so a misspelt one does not pass in
        silence.
        """
        path = os.environ.get(FILE_VARIABLE)
        file = InitSettingsSource(settings_cls, init_kwargs=_read_file(Path(path)) if path else {})
        return init_settings, env_settings, file


def load_settings(*needs: Need) -> Settings:
    """
    Read environment and file; the settings in *needs* must be there.

    Raises InvalidSettings with all faults at once, before anything is connected.
    """
    # Pydantic reports a missing field together with all other faults if the field is required, so make it so.
    required: dict[str, Any] = {name: (_REQUIRED[name], ...) for name in needs}
    model = create_model("Settings", __base__=Settings, **required)
    faults = [f"  {name}: no such setting{_meant(name)}" for name in _unknown_variables()]
    try:
        settings = model()
    except ValidationError as error:
        faults += [_fault(detail) for detail in error.errors(include_url=False, include_input=False)]
    except SettingsError as error:  # A value that should be JSON; the cause would print the value.
        faults.append(f"  {error}")
    else:
        if not faults:
            return settings
    raise InvalidSettings(
        "settings are missing or wrong:\n" + "\n".join(sorted(faults)), hint=_HINT
    ) from None


class Described(NamedTuple):
    """
    One setting: its variable, what it means, its value as text (a secret masked), and where that comes from.
    """

    name: str
    meaning: str
    value: str
    source: Literal["environment", "file", "default"]


def described_settings() -> list[Described]:
    """Every setting as ``load_settings()`` finds it. Raises InvalidSettings."""
    settings = load_settings()
    path = os.environ.get(FILE_VARIABLE)
    return list(_described(Settings, settings, PREFIX, _read_file(Path(path)) if path else {}))


def _described(
    model: type[BaseModel],
    values: BaseModel,
    prefix: str,
    file: dict[str, Any],
    environment: Collection[str] = (),
) -> Iterator[Described]:
    """*environment* are the keys that a variable for the whole table, as JSON, says."""
    for key, field in model.model_fields.items():
        value, name = getattr(values, key), f"{prefix}{key.upper()}"
        if isinstance(value, BaseModel):
            together = json.loads(os.environ.get(name) or "{}")
            yield from _described(type(value), value, f"{name}__", file.get(key, {}), together)
            continue
        source: Literal["environment", "file", "default"] = "file" if key in file else "default"
        if os.environ.get(name) or key in environment:
            source = "environment"
        if isinstance(value, SecretStr):
            value = "********" if value.get_secret_value() else ""
        yield Described(name, field.description or "", "" if value is None else str(value), source)


def _known_variables(model: type[BaseModel] = Settings, prefix: str = PREFIX) -> Iterator[str]:
    for key, field in model.model_fields.items():
        name = f"{prefix}{key.upper()}"
        yield name
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from _known_variables(field.annotation, f"{name}__")


def _unknown_variables() -> list[str]:
    """
    Variables with our prefix that are no setting, and none that Kubernetes sets for a service named like us.
    """
    known = {FILE_VARIABLE, *_known_variables()}
    services = {match[1] for name in os.environ if (match := _SERVICE_HOST.fullmatch(name))}
    return [
        name
        for name in os.environ
        # What is below a setting that is a table is checked with the table, and named by its fault.
        if name.startswith(PREFIX) and name not in known and not name.startswith(f"{PREFIX}SECURITY__")
        if not any(name.startswith((f"{service}_SERVICE_", f"{service}_PORT")) for service in services)
    ]


def _meant(name: str) -> str:
    """The setting whose name is nearest, if one is near."""
    known = [known.removeprefix(PREFIX) for known in (FILE_VARIABLE, *_known_variables())]
    near = get_close_matches(name.removeprefix(PREFIX), known, n=1)
    return f", did you mean {PREFIX}{near[0]}?" if near else "; `telltale settings` lists all"


def _read_file(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text())
    except (OSError, ValueError) as error:  # Both decoding errors are ValueErrors.
        reason = error.strerror if isinstance(error, OSError) else error
        raise InvalidSettings(
            f"{FILE_VARIABLE}={path}: {reason}", hint="Correct the file or its path."
        ) from error


def _fault(detail: ErrorDetails) -> str:
    """One line: the variable's name, what is wrong, what the setting means."""
    name = PREFIX + "__".join(str(part) for part in detail["loc"]).upper()
    match detail["type"]:
        case (
            "missing" | "too_short"
        ):  # Too short is the empty string; the lengths that matter have validators.
            wrong = "not set"
        case "extra_forbidden":
            return f"  {name}: no such setting{_meant(name)}"
        case _:
            wrong = detail["msg"].replace("Input should", "should")
    return f"  {name}: {wrong}. {Settings.model_fields[str(detail['loc'][0])].description}"
