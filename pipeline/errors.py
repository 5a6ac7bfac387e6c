"""
The root of the errors a person can put right. What is raised without it is a fault of ours and keeps its
traceback.
"""


class TelltaleError(Exception):
    """
    What went wrong, where, and the hint.

    ``str(error)`` says what and where; *hint* says what to do, a command or a setting, and may be empty where
    the message has said it. The tree below it is spread over the modules that raise: settings, kafka, cli.
    """

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint
