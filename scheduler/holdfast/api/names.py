"""Names an operator got wrong."""

from collections.abc import Collection
from difflib import get_close_matches

from starlette.exceptions import HTTPException


class Unknown(HTTPException):
    """A 404 for a name that does not exist, with the nearest that does, or all if they are few.

    `kind` is singular, as `pod instance`.
    """

    def __init__(self, kind: str, name: str, known: Collection[str]) -> None:
        super().__init__(404, f"There is no {kind} {name!r}. {_instead(name, known)}")


def _instead(name: str, known: Collection[str]) -> str:
    lower = {other.lower(): other for other in known}
    begun = [other for other in lower if name and other.startswith(name.lower())]
    close = begun if len(begun) == 1 else get_close_matches(name.lower(), lower, n=1)
    if close:
        return f"Did you mean {lower[close[0]]!r}?"
    if not known:
        return "There are none at all."
    listed = ", ".join(sorted(known)[:10])
    return f"There are: {listed}{', ...' if len(known) > 10 else ''}."
