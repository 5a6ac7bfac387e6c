"""What a check is, what it finds, and the place it looks at."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple

from pipeline.errors import TelltaleError
from pipeline.kafka.client import client_configuration
from pipeline.ops.account_log import AccountLog
from pipeline.settings import Settings
from pipeline.wire.contract import Contract
from pipeline.wire.registry import open_registry

State = Literal["ok", "warn", "FAIL"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What one check found; *hint* where the state is not ok."""

    check: str
    state: State
    says: str
    hint: str = ""


class Site:
    """
    The place that is looked at, by its settings; what should move is watched for *watch_seconds* at most.
    """

    def __init__(self, settings: Settings, *, watch_seconds: float) -> None:
        self.settings = settings
        self.watch_seconds = watch_seconds
        self.contract = Contract.load(settings.topic_prefix)
        self.client = client_configuration(settings.brokers, settings.security)
        self.dsn = settings.database_url.get_secret_value()

    @cached_property
    def log(self) -> AccountLog:
        """The account log."""
        registry = open_registry(self.contract, self.settings.registry_url.get_secret_value())
        return AccountLog(self.client, self.contract, registry, partitions=self.settings.partitions)


class NotSet(TelltaleError):  # noqa: N818 - reads as what happened
    """A setting that the check is about."""


class Check(NamedTuple):
    """A check by the name it is printed under; *needs* are the checks without which it makes no sense."""

    name: str
    look: Callable[[Site], Iterator[Finding]]
    needs: tuple[str, ...] = ()


def attention(worth_a_look: bool) -> State:  # noqa: FBT001 - reads like the condition it is
    """``warn`` for what somebody should look at, else ``ok``."""
    return "warn" if worth_a_look else "ok"
