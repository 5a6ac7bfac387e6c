"""The one source of randomness: generators that depend on the seed and a name only."""

from random import Random


def random_for(seed: int, *name: str | int) -> Random:
    """A generator of its own for whatever *name* names, the same in every run."""
    return Random("/".join(map(str, (seed, *name))))  # noqa: S311 - stories, not secrets
