"""The health of the service as an HTTP status, as monitoring of dcos-commons services reads it."""

from holdfast.api.shapes import HealthBody
from holdfast.core.view import View
from holdfast.plans.plan import Status


def health(view: View) -> tuple[int, HealthBody]:
    """The HTTP status and body; what comes first here wins over what comes after.

    500 a plan has errors; 503 not subscribed to a master; 208 waits after failures; 202 deploying;
    203 recovering; 200 running. (dcos-commons' 204 and 205 cannot carry a body: 202 and 203 stand
    for them.)
    """
    plans = {plan.name: plan for plan in view.plans}
    deploy = plans.get(view.service.deploy.name)
    errors = [error for plan in view.plans for error in plan.errors]
    unfinished = [plan for plan in view.plans if plan.status is not Status.COMPLETE]
    if errors:
        code, status, message = 500, "error", "; ".join(errors)
    elif not view.connected:
        code, status = 503, "disconnected"
        message = "not subscribed to a Mesos master; tasks run on, nothing new is started"
    elif any(plan.status is Status.DELAYED for plan in unfinished):
        names = ", ".join(plan.name for plan in unfinished if plan.status is Status.DELAYED)
        code, status, message = 208, "delayed", f"waits after failures to go on with {names}"
    elif deploy in unfinished:
        code, status, message = 202, "deploying", "the deploy plan is under way"
    elif unfinished:
        names = ", ".join(plan.name for plan in unfinished)
        code, status, message = 203, "recovering", f"under way: {names}"
    else:
        code, status, message = 200, "running", "all plans are complete"
    return code, {
        "service": view.service.name,
        "status": status,
        "message": message,
        "connected": view.connected,
        "plans": {plan.name: plan.status.value for plan in view.plans},
    }
