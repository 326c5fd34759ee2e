"""From the address an operator wrote to the detector of the leading master."""

from urllib.parse import urlsplit

from holdfast.mesos.access import Access
from holdfast.mesos.leader import LeaderDetector, MasterAddressError
from holdfast.mesos.leader_http import HttpDetector
from holdfast.mesos.leader_zookeeper import ZooKeeperDetector
from holdfast.zk_client import ZkAddressError, parse_zk_address

DEFAULT_PORT = 5050


def detector_for(address: str, access: Access | None = None) -> LeaderDetector:
    """The detector for `zk://host:port,host:port/path`, `http(s)://host:port` or `host:port`.

    Raises MasterAddressError when the text is none of these. Nothing is connected to yet.
    """
    if address.startswith("zk://"):
        try:
            scheme = "https" if access is not None and access.tls else "http"
            return ZooKeeperDetector(parse_zk_address(address), scheme=scheme)
        except ZkAddressError as error:
            raise MasterAddressError(f"The address of the Mesos master is wrong: {error}") from None
    return HttpDetector(_base_url(address), access or Access())


def _base_url(address: str) -> str:
    url = address if "://" in address else f"http://{address}"
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port or DEFAULT_PORT
    except ValueError:
        parts, host, port = urlsplit(""), None, 0
    bare = "://" not in address and parts.path not in ("", "/")  # most likely a misspelt zk://
    web = host and parts.scheme in ("http", "https")
    if not web or bare or parts.query or parts.fragment:
        raise MasterAddressError(
            f"{address!r} is not the address of a Mesos master: expected "
            "zk://host:port,host:port/path, http://host:port, https://host:port or host:port"
        )
    host = f"[{host}]" if host and ":" in host else host
    return f"{parts.scheme}://{host}:{port}{parts.path.rstrip('/')}"
