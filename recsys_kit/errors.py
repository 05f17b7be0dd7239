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


class DataError(RecsysKitError):
    """The input cannot be used as it is."""

    exit_code = 2


class ParameterError(RecsysKitError):
    """A parameter is unknown, of the wrong type or out of range."""

    exit_code = 2


class ArtifactError(RecsysKitError):
    """Something that another chapter (or an installation) should have made is not there."""

    exit_code = 2
