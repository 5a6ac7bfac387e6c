"""
``telltale demo``: the pipeline on embedded parts, months of history, and stories that happen in the next two
minutes. What it does is in ``demo_play``.
"""

import sys
import time
from contextlib import ExitStack

import click

from pipeline.cli.run import stop_on_sigterm


@click.command()
@click.option("--once", is_flag=True, help="Stop when every story has been told; exit code 1 if one was not.")
@click.option("--seed", default=3, show_default=True, help="Another seed, another portfolio.")
def demo(*, once: bool, seed: int) -> None:
    """
    Show the whole pipeline on embedded parts: nothing to install, nothing left behind.

    Loads months of history that end now, goes live, and tells each story as its alert comes. Ctrl-C stops it.
    """
    from pipeline.cli.demo_play import play
    from pipeline.cli.demo_screen import DemoScreen

    stop_on_sigterm()
    screen = DemoScreen(time.monotonic())
    try:
        with ExitStack() as parts:
            told = play(parts, screen, once=once, seed=seed)
    except KeyboardInterrupt:
        screen.say("stopped; nothing is left behind")
        told = True
    sys.exit(0 if told else 1)
