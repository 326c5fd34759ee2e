"""What goes wrong in a playground, told to the person who started it."""


class PlaygroundError(Exception):
    """Something the user can act on; the message says what happened and what to do next."""
