"""What svc.yml says of failures: when pod instances are replaced without an operator's word."""

from holdfast.service import vocabulary
from holdfast.service.document import Scalar
from holdfast.service.failure_model import DisasterSpec, ReplacementPolicy
from holdfast.service.section import Section

POLICY = "replacement-failure-policy"
NONE = "none"
"""In a pod, in the place of a policy: the service's own is not for this one."""


def read_replacement(
    section: Section, default: ReplacementPolicy | None
) -> ReplacementPolicy | None:
    """The policy of a service or a pod; `default` when it has none of its own."""
    node = section.node.entries.get(POLICY)
    if isinstance(node, Scalar) and node.text.strip() == NONE:
        return None
    policy = section.child(POLICY, vocabulary.REPLACEMENT)
    if policy is None:
        return default
    usual = ReplacementPolicy()
    return ReplacementPolicy(
        timeout=policy.whole("permanent-failure-timeout-secs", usual.timeout, least=1),
        delay=policy.whole("min-replace-delay-secs", usual.delay, least=0),
        per_hour=policy.whole("max-replacements-per-hour", usual.per_hour, least=1),
    )


def read_disaster(section: Section) -> DisasterSpec:
    """How much must be lost at once for automatic replacement to stop."""
    usual = DisasterSpec()
    disaster = section.child("disaster", vocabulary.DISASTER)
    if disaster is None:
        return usual
    return DisasterSpec(
        pods_percent=disaster.whole("lost-pods-percent", usual.pods_percent, least=1, most=100),
        agents=disaster.whole("lost-agents", usual.agents, least=1),
        window=disaster.whole("window-secs", usual.window, least=1),
    )
