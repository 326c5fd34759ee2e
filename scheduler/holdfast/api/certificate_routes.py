"""The certificates of tasks, and the way to another authority that signs them."""

from collections.abc import Iterator
from typing import Annotated

from fastapi import APIRouter, Query, Response

from holdfast.api import shapes
from holdfast.api.answers import BAD_REQUEST, REFUSED, UNANSWERED, Responses, as_json, ok, said
from holdfast.api.pod_routes import insists
from holdfast.api.source import ServiceSource, ask
from holdfast.core.commands import FORCE
from holdfast.core.confidential import certificate_expiry
from holdfast.core.events import Verb
from holdfast.core.view import View

Force = Annotated[
    str | None, Query(description="`true`: although some would not trust each other any more.")
]


def certificates_body(view: View) -> shapes.CertificatesBody:
    body: shapes.CertificatesBody = {"certificates": list(_certificates(view))}
    if view.signer is not None:
        body["authority"] = {"id": view.signer.id, "expires": view.signer.ends}
        if view.signer.stage is not None:
            body["authority"]["stage"] = view.signer.stage.value
    return body


def _certificates(view: View) -> Iterator[shapes.CertificateBody]:
    for name, pod in view.pods.items():
        for task in pod.tasks:
            expires = certificate_expiry(view.configs, pod.type, task)
            if expires is None or task.dead:
                continue
            signer = task.certified.signer if task.certified else ""
            current = view.signer is None or signer == view.signer.id
            yield {
                "pod": name,
                "task": task.name,
                "expires": expires,
                "authority": signer,
                "current": current,
            }


def add_certificates(router: APIRouter, source: ServiceSource, answer_seconds: float) -> None:
    shown: Responses = {200: ok(shapes.CertificatesBody)}

    @router.get("/certificates", tags=["certificates"], responses=shown)
    async def show_certificates() -> Response:
        """When the certificate of each running task ends, and whether its authority still signs."""
        return as_json(certificates_body(source.view))

    ordered: Responses = {
        200: said("Stored; the next launches follow it", "step 1 of 3: there is a new authority"),
        400: BAD_REQUEST,
        409: REFUSED,
        503: UNANSWERED,
    }

    @router.post("/certificates/rotate", tags=["certificates"], responses=ordered)
    async def rotate_authority(force: Force = None) -> Response:
        """Take the scheduler's own authority one of three steps on the way to another.

        Refused while a task has a certificate of before the last step, unless with `force`.
        """
        parameters = {FORCE: "true"} if insists(force) else {}
        answer = await ask(
            source, Verb.AUTHORITY_ROTATE, "own", answer_seconds, parameters=parameters
        )
        return as_json(answer.body, answer.status)
