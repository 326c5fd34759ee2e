"""What ends a command early: one line on standard error, and an exit code for scripts.

The codes are documented in docs/cli.md; 1 and 2 are those of click.
"""

import click

EXIT_TROUBLE = 6
EXIT_INVALID = 9


class Failure(click.ClickException):
    """`message` says what happened and what to do next. Exit code 1."""


class Unreachable(Failure):
    """No scheduler answered."""

    exit_code = 3


class NotFound(Failure):
    """The scheduler knows nothing of that name."""

    exit_code = 4


class Refused(Failure):
    """The scheduler will not do it; nothing was changed."""

    exit_code = 5


class Unknown(Failure):
    """The scheduler does not know who asks: credentials are missing, wrong or expired."""

    exit_code = 7


class NotAllowed(Failure):
    """Who asks has not the role it needs."""

    exit_code = 8


class Trouble(Failure):
    """The scheduler could not carry out what it was asked."""

    exit_code = EXIT_TROUBLE


class Invalid(Failure):
    """A definition, an update or options that a scheduler would refuse."""

    exit_code = EXIT_INVALID


class TimedOut(Failure):
    """What was waited for has not happened in the time given."""

    exit_code = 10
