"""The one source of randomness: dice that depend on the seed and a name only."""

from random import Random


def dice_for(seed: int, *name: str | int) -> Random:
    """Dice of their own for whatever *name* names, the same in every run."""
    return Random("/".join(map(str, (seed, *name))))  # noqa: S311 - stories, not secrets
