"""Reads the settings from environment and file, and tells all that is wrong with them at once."""

import json
import os
import re
from collections.abc import Collection, Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Final, Literal, NamedTuple

from pydantic import BaseModel, Field, SecretStr, ValidationError, create_model
from pydantic_core import ErrorDetails
from pydantic_settings import SettingsError

from pipeline.settings.model import (
    FILE_VARIABLE,
    PREFIX,
    DatabaseUrl,
    InvalidSettings,
    Need,
    PseudonymKey,
    Settings,
    read_file,
)

_SERVICE_HOST: Final = re.compile(r"(TELLTALE(?:_[A-Z0-9_]+)?)_SERVICE_HOST")
"""
Kubernetes tells every container of the services beside it: one named telltale makes TELLTALE_SERVICE_HOST,
TELLTALE_PORT, …
"""

_HINT = f"Set it in the environment, or in the TOML file that {FILE_VARIABLE} names (lower case, without {PREFIX})."
_REQUIRED: dict[Need, Any] = {
    "brokers": Annotated[str, Field(min_length=1)],
    "database_url": Annotated[DatabaseUrl, Field(min_length=1)],
    "pseudonym_key": Annotated[PseudonymKey, Field(min_length=1)],
}


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
    return list(_described(Settings, settings, PREFIX, read_file(Path(path)) if path else {}))


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
