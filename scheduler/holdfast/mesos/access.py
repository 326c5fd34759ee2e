"""How this process identifies itself to masters and agents, and how it trusts them."""

from dataclasses import dataclass, field

import requests
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase, HTTPBasicAuth


@dataclass(frozen=True, slots=True)
class Access:
    """HTTP Basic credentials or an `account`, if any.

    `verify` as in requests: True, False or a CA file. `tls`: masters found by the detector in
    ZooKeeper are spoken to by https; other addresses say so themselves.
    """

    principal: str | None = None
    secret: str | None = field(default=None, repr=False)
    verify: bool | str = True
    account: AuthBase | None = None
    tls: bool = False

    def session(self, adapter: HTTPAdapter | None = None) -> requests.Session:
        """A session that ignores proxies and netrc of the environment: masters are in-house."""
        session = requests.Session()
        session.trust_env = False
        session.verify = self.verify
        if self.account is not None:
            session.auth = self.account
        elif self.principal is not None:
            session.auth = HTTPBasicAuth(self.principal.encode(), (self.secret or "").encode())
        adapter = adapter or HTTPAdapter(pool_maxsize=8)
        session.mount("http://", adapter)
        session.mount("https://", adapter)
        return session
