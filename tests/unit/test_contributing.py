"""What CONTRIBUTING.md tells people to type or open exists."""

import re
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]
TEXT: Final = (ROOT / "CONTRIBUTING.md").read_text()
TARGETS: Final = sorted(set(re.findall(r"`(?:\$ )?make ([a-z-]+)|^\$ make ([a-z-]+)", TEXT, re.MULTILINE)))
PATHS: Final = sorted(set(re.findall(r"`((?:[a-z_.]+/)+[A-Za-z_.]*|[a-z-]+\.lock)`", TEXT)))


@pytest.mark.parametrize("target", sorted({first or second for first, second in TARGETS}))
def test_every_make_target_is_there(target: str) -> None:
    """Those for developers too, which the README does not name."""
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE)


@pytest.mark.parametrize("path", PATHS)
def test_every_file_and_folder_is_there(path: str) -> None:
    """What moves is renamed here too."""
    assert (ROOT / path).exists()
