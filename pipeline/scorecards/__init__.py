"""
The scorecards as files: ours beside this module, a user's folder over them.

Loads and checks for people who edit scorecards; what scores is what ``telltale scorecards apply`` wrote into
the log.

    TelltaleError
    └── NoScorecards    the folder named does not exist or holds no *.toml
"""

from pathlib import Path

from pipeline.errors import TelltaleError
from pipeline.health.scorecard import ScorecardSet
from pipeline.scorecards.reading import Document, InvalidScorecards, read_documents, read_scorecards

__all__ = ["SHIPPED", "InvalidScorecards", "NoScorecards", "load_scorecards", "read_documents"]

SHIPPED = Path(__file__).parent


class NoScorecards(TelltaleError):  # noqa: N818 - reads as what happened
    """A folder given for scorecards has none."""


def load_scorecards(folder: Path | None = None) -> ScorecardSet:
    """
    The shipped scorecards, those of the same file name in *folder* in their place, and the others of *folder*
    beside them.

    Raises ``NoScorecards``, or ``InvalidScorecards`` with every fault of every file.
    """
    paths = {path.name: path for path in sorted(SHIPPED.glob("*.toml"))}
    if folder is not None:
        own = sorted(folder.glob("*.toml"))
        if not own:
            hint = f"copy one of {', '.join(paths)} from {SHIPPED} into it and change it there"
            raise NoScorecards(f"no *.toml in {folder}", hint=hint)
        paths |= {path.name: path for path in own}
    return read_scorecards([_document(path) for path in paths.values()])


def _document(path: Path) -> Document:
    try:
        return Document(str(path), path.read_text("utf-8"))
    except UnicodeDecodeError as error:
        fault = f"{path}: not UTF-8: byte {error.start + 1} is 0x{error.object[error.start]:02x}"
        raise InvalidScorecards([fault]) from error
