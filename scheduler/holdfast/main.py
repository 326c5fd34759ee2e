"""`holdfast-scheduler`: one service's scheduler as a process."""

import logging
import os
import signal
import sys
import tempfile
import threading
import uuid
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import click
import structlog

from holdfast.api.app import create_app
from holdfast.api.server import AddressError, ApiServer
from holdfast.core import events as ev
from holdfast.core.core import Core
from holdfast.core.launch import LaunchSettings
from holdfast.core.startup import BadRecord, open_ledger
from holdfast.engine import Engine
from holdfast.mesos import calls
from holdfast.mesos.access import Access
from holdfast.mesos.connection import SchedulerConnection
from holdfast.mesos.detector import detector_for
from holdfast.mesos.leader import MasterAddressError
from holdfast.mesos.messages import MasterInfo, Offer, OperationStatus, TaskStatus
from holdfast.placement.owner import roles, uses_gpus
from holdfast.service.load import load
from holdfast.service.model import ServiceSpec
from holdfast.service.problems import Problem, ServiceError
from holdfast.state.store import LeadershipLost, StoreError
from holdfast.state.zookeeper import ZooKeeperStore
from holdfast_executor import archive

EXIT_BAD_INPUT = 1
EXIT_REFUSED_BY_MASTER = 6
EXIT_LEADERSHIP_LOST = 8
EXIT_API = 9
EXIT_RECORDS = 14
"""Exit codes; those below 14 mean what they mean in dcos-commons (ProcessExit)."""

log = structlog.get_logger("holdfast")


class Fatal(Exception):
    """Ends the process with a code; the message is for the operator. Tasks run on."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


class Listener:
    """Turns what the master tells into events of the engine."""

    def __init__(self, post: Callable[[ev.Event], None], end: Callable[[Fatal], None]) -> None:
        self._post = post
        self._end = end

    def subscribed(self, framework_id: str, master: MasterInfo) -> None:
        self._post(ev.Subscribed(framework_id, master))

    def disconnected(self, reason: str) -> None:
        self._post(ev.Disconnected(reason))

    def waiting(self, reason: str) -> None:
        log.warning("no subscription yet; trying again", reason=reason)

    def offers(self, offers: tuple[Offer, ...]) -> None:
        self._post(ev.OffersReceived(offers))

    def rescinded(self, offer_id: str) -> None:
        self._post(ev.OfferRescinded(offer_id))

    def status(self, status: TaskStatus) -> None:
        self._post(ev.StatusReceived(status))

    def operation_status(self, status: OperationStatus) -> None:
        self._post(ev.OperationStatusReceived(status))

    def agent_failed(self, agent_id: str, executor_id: str | None) -> None:
        self._post(ev.AgentFailed(agent_id, executor_id))

    def failed_over(self, message: str) -> None:
        self._end(Fatal(message, EXIT_LEADERSHIP_LOST))

    def fatal(self, message: str) -> None:
        self._end(Fatal(message, EXIT_REFUSED_BY_MASTER))


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("svc_yml", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--master", help="zk://host:port/mesos or host:port; default: the one in ZooKeeper.")
@click.option("--zookeeper", help="host:port,... of the records; default: scheduler.zookeeper.")
@click.option("--host", default="127.0.0.1", help="Address of the API, as agents reach it.")
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    envvar="PORT_API",
    default=8080,
    help="Port of the API.",
)
@click.option("--session-timeout", type=float, default=10.0, help="ZooKeeper session, seconds.")
@click.option(
    "--principal-secret-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The secret of scheduler.principal, when the master asks for authentication.",
)
def main(
    svc_yml: Path,
    master: str | None,
    zookeeper: str | None,
    host: str,
    port: int,
    session_timeout: float,
    principal_secret_file: Path | None,
) -> None:
    """Run the scheduler of the service in SVC_YML, rendered with this environment.

    Stopping it, in whatever way, leaves the service's tasks running.
    """
    _log_to_stderr()
    try:
        _run(svc_yml, master, zookeeper, host, port, session_timeout, principal_secret_file)
    except Fatal as fatal:
        click.echo(f"Error: {fatal}", err=True)
        raise SystemExit(fatal.code) from None


def _run(
    svc_yml: Path,
    master: str | None,
    zookeeper: str | None,
    host: str,
    port: int,
    session_timeout: float,
    principal_secret_file: Path | None,
) -> None:
    service = _service(svc_yml)
    stop = threading.Event()
    ended: list[Fatal] = []
    engine: Engine | None = None

    def end(fatal: Fatal | None = None) -> None:
        if fatal is not None:
            ended.append(fatal)
        stop.set()
        if engine is not None:
            engine.stop()

    def on_signal(number: int, _frame: FrameType | None) -> None:
        log.info("stopping; tasks run on", signal=signal.Signals(number).name)
        end()

    signal.signal(signal.SIGTERM, on_signal)
    signal.signal(signal.SIGINT, on_signal)
    try:
        detector = detector_for(master or f"zk://{service.zookeeper}/mesos")
    except MasterAddressError as error:
        raise Fatal(str(error), EXIT_BAD_INPUT) from error
    store = ZooKeeperStore(
        zookeeper or service.zookeeper,
        service.name,
        address=f"{host}:{port}",
        on_lost=lambda reason: end(Fatal(reason, EXIT_LEADERSHIP_LOST)),
        session_timeout=session_timeout,
    )
    with tempfile.TemporaryDirectory(prefix="holdfast-") as folder:
        executor = archive.build(Path(folder) / "holdfast-executor.pyz")
        name = f"holdfast-executor-{archive.digest(executor)[:16]}.pyz"
        if not store.start(stop, _tell) or not store.elect(stop, _tell):
            raise ended[0] if ended else SystemExit(0)
        try:
            ledger, errors = open_ledger(store.load(), service)
        except (BadRecord, StoreError) as error:
            raise Fatal(str(error), EXIT_RECORDS) from error
        for refused in errors:
            log.error("the changed svc.yml is refused; the former one stays in force", why=refused)
        settings = LaunchSettings(f"http://{host}:{port}/v1/artifacts/{name}", host, port)
        core = Core(ledger, settings, _new_id, errors)
        access = Access(
            service.principal if principal_secret_file else None,
            principal_secret_file.read_text().strip() if principal_secret_file else None,
        )
        connection = SchedulerConnection(
            calls.framework_info(
                service.name,
                roles=roles(ledger.service),
                user=service.user,
                principal=service.principal,
                hostname=host,
                webui_url=service.web_url or f"http://{host}:{port}",
                gpus=uses_gpus(ledger.service),
            ),
            detector,
            Listener(lambda event: engine.post(event) if engine else None, end),
            framework_id=ledger.framework_id,
            suppressed_roles=lambda: roles(ledger.service) if core.suppressed else (),
            access=access,
        )
        engine = Engine(core, store, connection, _new_id)
        server = ApiServer(create_app(engine, {name: executor}), host, port)
        try:
            server.start()
        except AddressError as error:
            store.close()
            raise Fatal(str(error), EXIT_API) from error
        log.info("leading", service=service.name, api=f"http://{host}:{port}", epoch=store.epoch)
        connection.start()
        try:
            if not stop.is_set():
                engine.run()
        except LeadershipLost as error:
            ended.append(Fatal(str(error), EXIT_LEADERSHIP_LOST))
        finally:
            connection.stop()
            server.stop()
            store.close()
    if ended:
        raise ended[0]


def _service(path: Path) -> ServiceSpec:
    def warn(problem: Problem) -> None:
        log.warning(str(problem))

    try:
        return load(path, os.environ, warn=warn)
    except ServiceError as error:
        raise Fatal(str(error), EXIT_BAD_INPUT) from error


def _new_id() -> str:
    return uuid.uuid4().hex


def _tell(line: str) -> None:
    log.warning(line)


def _log_to_stderr() -> None:
    """One line an event, on standard error, where Marathon and systemd collect it."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), pad_event_to=0),
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)


if __name__ == "__main__":
    main()
