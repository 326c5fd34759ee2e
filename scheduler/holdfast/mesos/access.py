"""How this process identifies itself to a master, and how it trusts one."""

from dataclasses import dataclass

import requests
from requests.adapters import HTTPAdapter
from requests.auth import HTTPBasicAuth


@dataclass(frozen=True, slots=True)
class Access:
    """HTTP Basic credentials, if any; `verify` as in requests (True, False or a CA file)."""

    principal: str | None = None
    secret: str | None = None
    verify: bool | str = True

    def session(self, adapter: HTTPAdapter | None = None) -> requests.Session:
        """A session that ignores proxies and netrc of the environment: masters are in-house."""
        session = requests.Session()
        session.trust_env = False
        session.verify = self.verify
        if self.principal is not None:
            session.auth = HTTPBasicAuth(self.principal.encode(), (self.secret or "").encode())
        adapter = adapter or HTTPAdapter(pool_maxsize=8)
        session.mount("http://", adapter)
        session.mount("https://", adapter)
        return session
