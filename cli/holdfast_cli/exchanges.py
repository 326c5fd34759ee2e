"""`-v`: each HTTP exchange on standard error."""

import logging


def show_exchanges() -> None:
    """Method, path and query, status and size, with the milliseconds since the command began.

    Neither headers nor bodies, which is where tokens and the values of parameters are.
    """
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(relativeCreated)6.0f ms  %(message)s"))
    exchanges = logging.getLogger("urllib3.connectionpool")
    exchanges.handlers = [handler]
    exchanges.propagate = False
    exchanges.setLevel(logging.DEBUG)
