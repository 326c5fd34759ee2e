"""The health of the service as an HTTP status, as monitoring of dcos-commons services reads it."""

from holdfast.api.shapes import HealthBody
from holdfast.core.view import View
from holdfast.plans.derive import BUILT_IN, DEPLOY
from holdfast.plans.plan import Plan, Status
from holdfast.recovery.decide import Choice


def health(view: View) -> tuple[int, HealthBody]:
    """The HTTP status and body; what comes first here wins over what comes after.

    500 a plan has errors; 503 not subscribed to a master; 207 a disaster, or an operator is asked
    about a failed instance; 208 waits after failures; 207 waits for an operator; 202 deploying or
    uninstalling; 203 recovering or decommissioning; 200 running, or uninstalled, subscribed or not.
    (dcos-commons' 204 and 205 cannot carry a body: 202 and 203 stand for them.)
    """
    asked = [str(each) for each in view.verdicts.values() if each.choice is Choice.ASK]
    errors = [error for plan in view.plans for error in plan.errors]
    left = unfinished(view)
    built_in = [plan for plan in left if plan.name in BUILT_IN]
    if errors:
        code, status, message = 500, "error", "; ".join(errors)
    elif view.uninstalling is not None and view.uninstalling.done:
        code, status, message = 200, "uninstalled", "nothing is left; this scheduler can be stopped"
    elif not view.connected:
        code, status = 503, "disconnected"
        message = "not subscribed to a Mesos master; tasks run on, nothing new is started"
    elif view.uninstalling is not None:
        code, status, message = 202, "uninstalling", "the deploy plan shows how far it is"
    elif view.disaster or asked:
        code, status = 207, "waiting"
        message = f"disaster: {view.disaster}" if view.disaster else asked[0]
    elif delayed := _names(left, Status.DELAYED):
        code, status, message = 208, "delayed", f"waits after failures to go on with {delayed}"
    elif waiting := _names(left, Status.WAITING):
        code, status, message = 207, "waiting", f"waits for an operator to continue {waiting}"
    elif any(plan.name == DEPLOY for plan in built_in):
        code, status, message = 202, "deploying", "the deploy plan is under way"
    elif built_in:
        code, status, message = 203, "recovering", f"under way: {_names(built_in)}"
    elif left:
        code, status, message = 200, "running", f"under way: {_names(left)}"
    else:
        code, status, message = 200, "running", "nothing is left to do"
    return code, {
        "service": view.service.name,
        "status": status,
        "message": message,
        "connected": view.connected,
        "plans": {plan.name: plan.status.value for plan in view.plans},
    }


def unfinished(view: View) -> list[Plan]:
    """The plans that are not done.

    One of the operator's own that nobody started, or that was paused, keeps nobody waiting.
    """
    return [
        plan
        for plan in view.plans
        if plan.status is not Status.COMPLETE and (plan.name in BUILT_IN or not plan.interrupted)
    ]


def _names(plans: list[Plan], status: Status | None = None) -> str:
    return ", ".join(plan.name for plan in plans if status in (None, plan.status))
