"""``python -m pipeline.cli``: the command line where the ``telltale`` program is not installed."""

from pipeline.cli import main

main(prog_name="telltale")
