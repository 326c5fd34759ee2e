"""What agents refused while a set of offers is used, so that the next alike need not ask again."""

from holdfast.placement.pool import PoolKey
from holdfast.service.model import PodSpec


class Refused:
    """Why pools have no room for instances of a pod type, by the very spec they are wanted under.

    For one set of offers: pools only shrink meanwhile, so what was refused is refused again, in
    other words once something was taken. A refusal by placement constraints depends on where the
    other instances are, too.
    """

    def __init__(self) -> None:
        self._by_pool: dict[PoolKey, dict[int, str]] = {}
        self._constrained: dict[PoolKey, dict[int, str]] = {}

    def by(self, key: PoolKey, spec: PodSpec) -> str | None:
        """Why the pool refused an instance like that; None when it is to be tried."""
        return self._of(spec).get(key, {}).get(id(spec))

    def note(self, key: PoolKey, spec: PodSpec, why: str) -> None:
        """The pool refused; `spec` outlives this object."""
        self._of(spec).setdefault(key, {})[id(spec)] = why

    def taken(self, key: PoolKey) -> None:
        """Something was taken from the pool, and an instance has a place."""
        self._by_pool.pop(key, None)
        self.moved()

    def moved(self) -> None:
        """An instance has another place, or none any more."""
        self._constrained.clear()

    def _of(self, spec: PodSpec) -> dict[PoolKey, dict[int, str]]:
        return self._constrained if spec.placement else self._by_pool
