"""Whether a sink reads, as it tells the probes of its process."""

from pipeline import metrics


class Readiness:
    """The sink's state for ``pipeline.metrics.serve``; asked from the server's thread."""

    def __init__(self) -> None:
        self._state: metrics.State = (False, "starting")

    def __call__(self) -> metrics.State:
        """The state and a sentence."""
        return self._state

    def tell(self, ready: bool, sentence: str) -> None:  # noqa: FBT001 - reads like the pair it makes
        """Replace the state."""
        self._state = (ready, sentence)
