"""Whose the nodes in ZooKeeper are: the user's the scheduler was given, and nobody else's."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from kazoo.exceptions import NoAuthError, NodeExistsError, NoNodeError
from kazoo.security import OPEN_ACL_UNSAFE, make_acl

from holdfast.state.store import StoreError
from holdfast.zk_client import FailFastClient


class AccessDenied(StoreError):
    """ZooKeeper does not let this scheduler's user at the records."""


def protect(client: FailFastClient, root: str) -> None:
    """Make the nodes at and below `root` those of the client's user; raises kazoo's exceptions.

    Nodes written before there was a user are given to it, the root last: what is interrupted is
    done again. The folder of all services stays one in which each user may make its own.
    """
    acl = client.default_acl
    if not acl:
        return
    everybody = make_acl("world", "anyone", create=True, delete=True)
    folder = root.rpartition("/")[0]
    if client.exists(folder) is None:
        with suppress(NodeExistsError):  # made by another scheduler just now
            client.create(folder, acl=[*acl, everybody])
    try:
        found, _ = client.get_acls(root)
    except NoNodeError:
        return
    if found == OPEN_ACL_UNSAFE:
        _give(client, root, acl)


def _give(client: FailFastClient, path: str, acl: list[object]) -> None:
    """A node that vanishes meanwhile, as a candidate's does, needs no owner."""
    try:
        for name in client.get_children(path):
            _give(client, f"{path}/{name}", acl)
        client.set_acls(path, acl)
    except NoNodeError:
        return


@contextmanager
def explained(root: str, user: str | None) -> Iterator[None]:
    """Turns ZooKeeper's refusals into AccessDenied, in words."""
    try:
        yield
    except NoAuthError as error:
        who = f"the ZooKeeper user {user!r} with this password" if user else "no ZooKeeper user"
        raise AccessDenied(
            f"ZooKeeper refuses access to {root}: this scheduler comes as {who}, and the records "
            "are another's. Nothing was written; tasks run on. Name the user that wrote them, "
            "with --zookeeper-auth-file."
        ) from error
