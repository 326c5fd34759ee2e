"""What the garbage collector has to look through."""

import gc


def settle() -> None:
    """Have the collector pass over everything there is now, from here on.

    It stops all threads while it looks for cycles, for as long as there are objects. Most of them
    stay for good once a scheduler has started: its libraries, and the records it has read. What is
    replaced later is freed all the same, as soon as nothing refers to it.
    """
    gc.collect()
    keep()


def fill() -> None:
    """Have the collector wait until `keep`: what is read now is garbage later, if ever."""
    gc.disable()


def keep() -> None:
    """As `settle`, but without a look for garbage first, for which nobody should wait here.

    The little that was left since `fill` in cycles stays, too.
    """
    gc.freeze()
    gc.enable()
