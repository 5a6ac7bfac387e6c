"""`pytest tests/golden --update-golden` writes down what the scenarios give now; the diff is to be read as behaviour."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="rewrite what tests/golden expects")


@pytest.fixture
def update_golden(request: pytest.FixtureRequest) -> bool:
    """Whether what is found becomes what is expected."""
    return bool(request.config.getoption("--update-golden"))
