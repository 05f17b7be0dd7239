"""What can go wrong, said so that the reader knows what to do next.

Every error reads `<code> <thing> <what is wrong, with the value>; expected <rule>. <What to do.>`
Codes: RK-1xx input data, RK-2xx models and pretrained files, RK-3xx parameters, RK-4xx artifacts of a run, RK-5xx the
run itself.
"""


class RecsysKitError(Exception):
    """Base of the errors below; `code` is the RK number, `exit_code` what the command returns.

    >>> str(DataError("RK-104", "interactions is missing column 'timestamp'.", "Pass columns={'timestamp': 'ts'}."))
    "RK-104 interactions is missing column 'timestamp'. Pass columns={'timestamp': 'ts'}."
    """

    exit_code = 3

    def __init__(self, code: str, problem: str, fix: str) -> None:
        self.code = code
        super().__init__(f"{code} {problem} {fix}")

    def _render_traceback_(self) -> list[str]:
        """What IPython shows in a notebook: the message, which says it all."""
        return [str(self)]


class DataError(RecsysKitError):
    """The input cannot be used as it is."""

    exit_code = 2


class ParameterError(RecsysKitError):
    """A parameter is unknown, of the wrong type or out of range."""

    exit_code = 2


class NotFittedError(RecsysKitError, AttributeError):
    """A model was asked before `fit`."""

    exit_code = 2


class BusyError(RecsysKitError):
    """Another command is working in the run folder."""

    exit_code = 2


class ArtifactError(RecsysKitError):
    """Something that another chapter (or an installation) should have made is not there."""

    exit_code = 2


class IntegrityError(ArtifactError):
    """An artifact is recorded, but its bytes are others, or gone."""

    exit_code = 4


class NothingToDo(RecsysKitError):
    """A chapter has nothing to work on in this data set: it is skipped, and the run goes on."""

    exit_code = 0

    def __init__(self, reason: str) -> None:
        super().__init__("RK-500", f"nothing to do: {reason}.", "The other chapters go on.")
        self.reason = reason
