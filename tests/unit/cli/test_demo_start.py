"""What the demo does before it starts anything."""

from pathlib import Path

from pipeline.cli.demo_play import _own_name
from pipeline.cli.demo_screen import own_command


def test_a_second_demo_in_one_folder_has_names_of_its_own(tmp_path: Path) -> None:
    """
    It would else remove the settings of the first one, which other terminals read; what is free again is used
    again.
    """
    with _own_name(tmp_path) as first, _own_name(tmp_path) as second:
        assert (first, second) == ("demo", "demo-2")
    with _own_name(tmp_path) as third:
        assert third == "demo"
    assert list(tmp_path.iterdir()) == []


def test_hints_show_a_command_that_works_as_it_stands() -> None:
    """Without the virtual environment on PATH that is its file."""
    command = own_command()

    assert command == "telltale" or Path(command).is_file()
