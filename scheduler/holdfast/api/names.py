"""Names an operator got wrong."""

from collections.abc import Collection
from difflib import get_close_matches


def unknown(kind: str, name: str, known: Collection[str]) -> str:
    """What to say about a name that does not exist: the nearest that does, or all if they are few.

    `kind` is singular, as `pod instance`.
    """
    text = f"There is no {kind} {name!r}."
    lower = {other.lower(): other for other in known}
    close = get_close_matches(name.lower(), lower, n=1)
    if close:
        return f"{text} Did you mean {lower[close[0]]!r}?"
    if not known:
        return f"{text} There are none at all."
    listed = ", ".join(sorted(known)[:10])
    return f"{text} There are: {listed}{', ...' if len(known) > 10 else ''}."
