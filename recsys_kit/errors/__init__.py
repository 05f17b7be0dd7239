"""The errors that this package raises.

Every error reads `<code> <thing> <what is wrong, with the value>; expected <rule>. <What to do.>`
Codes: RK-1xx input data, RK-2xx language models and devices, RK-3xx parameters and queries, RK-4xx files of a run,
RK-5xx the run itself. `docs/errors.md` lists them all; `meanings.toml` holds the meaning of each code.
"""


class RecsysKitError(Exception):
    """Base class of all errors of this package.

    Args:
        code: the number of the error, such as "RK-104".
        problem: what is wrong, with the value, and what is expected.
        fix: what to do about it.

    Attributes:
        code: the number of the error.
        what: the problem, without the code and the fix.
        exit_code: the exit code of the command `recsys-kit` after this error.

    >>> str(DataError("RK-104", "interactions is missing column 'timestamp'.", "Pass columns={'timestamp': 'ts'}."))
    "RK-104 interactions is missing column 'timestamp'. Pass columns={'timestamp': 'ts'}."
    """

    exit_code = 3

    def __init__(self, code: str, problem: str, fix: str) -> None:
        self.code, self.what = code, problem
        super().__init__(f"{code} {problem} {fix}")

    def _render_traceback_(self) -> list[str]:
        """Show only the message in a notebook, without the traceback."""
        return [str(self)]


class DataError(RecsysKitError):
    """The input data cannot be used as it is."""

    exit_code = 2


class ParameterError(RecsysKitError):
    """A parameter is unknown, has the wrong type or is out of range."""

    exit_code = 2


class NotFittedError(RecsysKitError, AttributeError):
    """A model is used before `fit`."""

    exit_code = 2


class BusyError(RecsysKitError):
    """Another command is working in the folder of the run."""

    exit_code = 2


class ArtifactError(RecsysKitError):
    """A file that another chapter (or an installation) should have made is missing or cannot be used."""

    exit_code = 2


class IntegrityError(ArtifactError):
    """A recorded artifact is missing or does not match its checksum."""

    exit_code = 4


class NothingToDo(RecsysKitError):
    """A chapter has nothing to work on in this data set: it is skipped, and the run goes on.

    Args:
        reason: why, such as "the data has no texts".
    """

    exit_code = 0

    def __init__(self, reason: str) -> None:
        super().__init__("RK-500", f"nothing to do: {reason}.", "The other chapters go on.")
        self.reason = reason
