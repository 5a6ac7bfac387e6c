"""``telltale`` called in this process, against the servers of a test."""

import json
from dataclasses import dataclass
from typing import Any

from click.testing import CliRunner

from pipeline import cli
from pipeline.kafka.client import Configuration, client_configuration
from pipeline.settings import Security
from pipeline.wire.contract import Contract

PSEUDONYM_KEY = "0123456789abcdef0123456789abcdef"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a command printed on stdout and stderr, and its exit code."""

    out: str
    err: str
    code: int

    @property
    def rows(self) -> list[dict[str, Any]]:
        """Its NDJSON."""
        return [json.loads(line) for line in self.out.splitlines()]


@dataclass(frozen=True, slots=True, kw_only=True)
class Telltale:
    """The command line with the settings of one broker, and one database if there is one."""

    brokers: str
    database_url: str = ""
    prefix: str = ""

    @property
    def client(self) -> Configuration:
        """For looking at the broker past the command line."""
        return client_configuration(self.brokers, Security())

    @property
    def contract(self) -> Contract:
        """The topics under our prefix."""
        return Contract.load(self.prefix)

    def __call__(self, *arguments: str, **environment: str) -> Answer:
        """Run one command; raises what is no error for people."""
        settings = {
            "TELLTALE_BROKERS": self.brokers,
            "TELLTALE_DATABASE_URL": self.database_url,
            "TELLTALE_TOPIC_PREFIX": self.prefix,
            "TELLTALE_PARTITIONS": "4",
            "TELLTALE_PSEUDONYM_KEY": PSEUDONYM_KEY,
            "TELLTALE_CONFIG": "",
        }
        result = CliRunner(env=settings | environment).invoke(cli.main, arguments)
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Answer(out=result.stdout, err=result.stderr, code=result.exit_code)
