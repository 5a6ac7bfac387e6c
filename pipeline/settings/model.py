"""
The settings as a model: what each means and what it may be.

Errors: ``TelltaleError`` > ``InvalidSettings``.
"""

import os
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    model_validator,
)
from pydantic_core import PydanticCustomError
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from pipeline.errors import TelltaleError

PREFIX = "TELLTALE_"
FILE_VARIABLE = "TELLTALE_CONFIG"
"""Environment variable with the path of a TOML file; what the environment says wins over the file."""

Need = Literal["brokers", "database_url", "pseudonym_key"]
"""Settings that have no default and that only some processes need."""


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


PseudonymKey = Annotated[SecretStr, AfterValidator(_usable_key)]
DatabaseUrl = Annotated[SecretStr, AfterValidator(_postgres_address)]


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
    database_url: DatabaseUrl = Field(
        SecretStr(""), description="PostgreSQL, postgresql://user:password@host:port/database."
    )
    pseudonym_key: PseudonymKey = Field(
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
        file = InitSettingsSource(settings_cls, init_kwargs=read_file(Path(path)) if path else {})
        return init_settings, env_settings, file


def read_file(path: Path) -> dict[str, Any]:
    """The keys of the TOML file at *path*. Raises InvalidSettings."""
    try:
        return tomllib.loads(path.read_text())
    except (OSError, ValueError) as error:  # Both decoding errors are ValueErrors.
        reason = error.strerror if isinstance(error, OSError) else error
        raise InvalidSettings(
            f"{FILE_VARIABLE}={path}: {reason}", hint="Correct the file or its path."
        ) from error
