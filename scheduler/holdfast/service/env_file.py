"""Files of environment variables, as the scheduler and the command line read them."""

from pathlib import Path


class EnvFileError(Exception):
    """The file cannot be read; the text names it and the line."""


def read_env_file(path: Path) -> dict[str, str]:
    """The variables in a file of NAME=VALUE lines; a value may be in quotes. Raises EnvFileError.

    Lines may begin with `export`; empty ones and those that begin with # are skipped. Nothing is
    expanded.
    """
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise EnvFileError(f"{path} cannot be read: {error}") from None
    variables = {}
    for number, line in enumerate(text.splitlines(), start=1):
        line = line.strip().removeprefix("export ").lstrip()
        if not line or line.startswith("#"):
            continue
        name, equals, value = line.partition("=")
        if not equals or not name.isidentifier():
            # What stands there may be a secret: it is not repeated.
            raise EnvFileError(f"{path}:{number}: expected NAME=VALUE, a comment or nothing")
        variables[name] = _unquoted(value)
    return variables


def _unquoted(value: str) -> str:
    quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "\"'"
    return value[1:-1] if quoted else value
