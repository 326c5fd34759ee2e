"""`holdfast-scheduler`: one service's scheduler as a process."""

import logging
import os
import signal
import sys
import threading
import time
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import click
import structlog

from holdfast import heap
from holdfast.agents import AgentInspector
from holdfast.api.credentials import BadCredentials, CredentialsFile
from holdfast.api.server import AddressError, ApiServer
from holdfast.core import effects as ef
from holdfast.core.launch import LaunchSettings
from holdfast.core.startup import BadRecord, is_being_uninstalled
from holdfast.disruptions import DisruptionAsker
from holdfast.ending import (
    EXIT_API,
    EXIT_BAD_INPUT,
    EXIT_LEADERSHIP_LOST,
    EXIT_RECORDS,
    EXIT_UNINSTALLING,
    Ending,
    Fatal,
)
from holdfast.engine import Engine
from holdfast.framework import Framework
from holdfast.leading import CannotStart
from holdfast.listener import Listener
from holdfast.mesos import calls
from holdfast.mesos.access import Access
from holdfast.mesos.connection import SchedulerConnection
from holdfast.mesos.detector import detector_for
from holdfast.mesos.leader import LeaderDetector, MasterAddressError
from holdfast.mesos.settings import MesosSettings, MesosSettingsError
from holdfast.multi import lead_many, multi_options
from holdfast.secrets.settings import SecretSettings, SettingsError
from holdfast.service.env_file import EnvFileError, read_env_file
from holdfast.service.load import load
from holdfast.service.model import ServiceSpec
from holdfast.service.problems import Problem, ServiceError
from holdfast.service.service_section import DEFAULT_ZOOKEEPER
from holdfast.settings import BadSettings, Settings, ignored, read_settings
from holdfast.single import lead_one
from holdfast.standby import Prepared
from holdfast.state.store import LeadershipLost, Record, StoreError, Uninstalled
from holdfast.state.zookeeper import ZooKeeperStore
from holdfast.statsd import Reporter
from holdfast.vitals import Vitals
from holdfast.zk_client import ZkAddressError, parse_zk_address
from holdfast.zk_settings import ZkSettings, ZkSettingsError

WATCH_SECONDS = 0.5

log = structlog.get_logger("holdfast")


@dataclass(frozen=True, slots=True)
class Options:
    """The command line's."""

    svc_yml: Path | None
    multi: str | None
    user: str
    principal: str | None
    reserve_discipline: int
    master: str | None
    zookeeper: str | None
    host: str
    port: int
    session_timeout: float
    mesos: MesosSettings
    zk: ZkSettings
    secrets: SecretSettings
    env_file: Path | None
    uninstall: bool
    api_tls_cert: Path | None
    api_tls_key: Path | None
    api_credentials: Path | None

    @property
    def tls(self) -> tuple[Path, Path] | None:
        """Certificate and key of the API."""
        cert, key = self.api_tls_cert, self.api_tls_key
        return (cert, key) if cert and key else None


FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument(
    "svc_yml", required=False, type=click.Path(exists=True, dir_okay=False, path_type=Path)
)
@multi_options
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
@click.option("--api-tls-cert", type=FILE, help="PEM certificate of the API, with its chain.")
@click.option("--api-tls-key", type=FILE, help="PEM key of that certificate.")
@click.option("--api-credentials", type=FILE, help="Who may use the API; default: everybody.")
@MesosSettings.options
@ZkSettings.options
@SecretSettings.options
@click.option(
    "--env-file",
    type=FILE,
    help="More variables for SVC_YML, a NAME=VALUE a line; they win over the environment's.",
)
def main(**given: Any) -> None:
    """Run the scheduler of the service in SVC_YML, rendered with this environment.

    With --multi instead, run that of a framework to which services are added while it runs.


    Stopping it, in whatever way, leaves the service's tasks running. With SDK_UNINSTALL in the
    environment it uninstalls the service instead, its data included, for good.
    """
    if bool(given["api_tls_cert"]) != bool(given["api_tls_key"]):
        raise click.UsageError("--api-tls-cert and --api-tls-key are given together")
    _log_to_stderr()
    try:
        mesos, zk = MesosSettings.taken_from(given), ZkSettings.taken_from(given)
        secrets = SecretSettings.taken_from(given)
        _run(
            Options(
                mesos=mesos,
                zk=zk,
                secrets=secrets,
                **given,
                uninstall="SDK_UNINSTALL" in os.environ,
            )
        )
    except Fatal as fatal:
        click.echo(f"Error: {fatal}", err=True)
        raise SystemExit(fatal.code) from None


def _run(options: Options) -> None:
    environment = _environment(options.env_file)
    settings = _settings(environment)
    service = None
    if options.svc_yml is not None and options.multi is None:
        service = settings.applied_to(_service(options.svc_yml, environment))
        try:
            options.secrets.check(service, os.environ)
        except SettingsError as error:
            raise Fatal(f"{options.svc_yml}: {error}", EXIT_BAD_INPUT) from error
    framework = _framework(options, settings, service)
    try:
        zk_auth, zk_tls = options.zk.auth(), options.zk.tls()
        access = options.mesos.access(framework.principal, os.environ)
    except (MesosSettingsError, ZkSettingsError) as error:
        raise Fatal(str(error), EXIT_BAD_INPUT) from error
    ending = Ending()
    signal.signal(signal.SIGTERM, ending.on_signal)
    signal.signal(signal.SIGINT, ending.on_signal)
    try:
        detector = detector_for(options.master or f"zk://{framework.zookeeper}/mesos", access)
        hosts = parse_zk_address(options.zookeeper or framework.zookeeper)
    except (MasterAddressError, ZkAddressError) as error:
        raise Fatal(str(error), EXIT_BAD_INPUT) from error
    store = ZooKeeperStore(
        hosts.hosts,
        framework.name,
        address=f"{options.host}:{options.port}",
        on_lost=lambda reason: ending(Fatal(reason, EXIT_LEADERSHIP_LOST)),
        session_timeout=options.session_timeout,
        auth=zk_auth or hosts.auth,
        tls=zk_tls,
    )
    server: ApiServer
    prepared = Prepared(
        framework,
        service is None,
        access,
        _credentials(options),
        lambda: Vitals(store.connected, server.certificate_ends),
    )
    server = ApiServer(prepared.app, options.host, options.port, options.tls)
    heap.settle()
    try:
        if store.start(ending.stop, _tell) and store.elect(ending.stop, _tell):
            _lead(
                options,
                settings,
                framework,
                service,
                store,
                detector,
                access,
                ending,
                prepared,
                server,
            )
    except Uninstalled as error:
        ending(Fatal(str(error), EXIT_UNINSTALLING))
    except LeadershipLost as error:
        ending(Fatal(str(error), EXIT_LEADERSHIP_LOST))
    except StoreError as error:
        if not ending.stop.is_set():
            raise Fatal(str(error), EXIT_RECORDS) from error
    finally:
        store.close()
    if ending.fatal:
        raise ending.fatal


def _lead(
    options: Options,
    settings: Settings,
    framework: Framework,
    service: ServiceSpec | None,
    store: ZooKeeperStore,
    detector: LeaderDetector,
    access: Access,
    ending: Ending,
    prepared: Prepared,
    server: ApiServer,
) -> None:
    """Be the one scheduler of the framework, `service` or many, until something ends it."""
    heap.fill()
    stored = store.load()
    _mind_uninstall(options, framework, store, stored)
    base = f"{'https' if options.tls else 'http'}://{options.host}:{options.port}"
    launching = LaunchSettings(
        executor_uri=f"{base}/v1/artifacts/{prepared.executor}",
        api_host=options.host,
        api_port=options.port,
        secret_space=settings.space if options.secrets.secret_references else None,
        pause_command=settings.pause_command,
        executor=settings.executor,
        domains=settings.domains,
    )
    conduct = replace(settings.conduct, renew_before=options.secrets.renew_before)
    try:
        if service is None:
            for variable in settings.of_one_service:
                log.warning(f"{variable} does not count for a framework of many services")
            led = lead_many(
                framework,
                stored,
                launching,
                _new_id,
                options.reserve_discipline,
                conduct,
                settings.removal_timeout,
                options.uninstall,
            )
        else:
            if settings.removal_timeout is not None:
                log.warning("SERVICE_REMOVAL_TIMEOUT_S counts with --multi alone")
            led = lead_one(service, stored, launching, _new_id, conduct, options.uninstall)
    except CannotStart as error:
        raise Fatal(str(error), EXIT_RECORDS) from error
    except BadRecord as error:
        raise Fatal(f"{error}. {store.keep_copy(error.path)}", EXIT_RECORDS) from error
    delivery = None
    if led.configs is not None:
        try:
            delivery = options.secrets.delivery(
                led.configs, framework.name, stored, store, os.environ, later=service is None
            )
        except SettingsError as error:
            raise Fatal(str(error), EXIT_BAD_INPUT) from error
    del stored  # as large as what was made of it
    connection = SchedulerConnection(
        lambda: calls.framework_info(
            framework.name,
            roles=led.roles(),
            user=framework.user,
            principal=framework.principal,
            hostname=options.host,
            webui_url=framework.web_url or base,
            gpus=led.gpus(),
        ),
        detector,
        Listener(lambda event: engine.post(event), ending, led.deregisters),
        framework_id=led.framework_id,
        suppressed_roles=led.suppressed_roles,
        access=access,
    )
    inspector = AgentInspector(
        access,
        lambda event: engine.post(event),
        lambda: (connection.master_url or "").startswith("https://"),
    )
    asker = DisruptionAsker(lambda event: engine.post(event))

    def ask(question: ef.Question) -> None:
        if isinstance(question, ef.InspectAgent):
            inspector.ask(question)
        else:
            asker.ask(question)

    engine = ending.engine = Engine(led.core, store, connection, _new_id, ask, delivery=delivery)
    prepared.awaited.came(engine, connection)
    try:
        server.start()
    except AddressError as error:
        raise Fatal(str(error), EXIT_API) from error
    log.info("leading", service=framework.name, api=base, epoch=store.epoch)
    if settings.package.name:
        log.info("installed by a package", **asdict(settings.package))
    reporter = None
    if settings.statsd:
        reporter = Reporter(settings.statsd, lambda: led.metrics(engine, time.time()))
        reporter.start()
    watch = threading.Thread(target=_watch, args=(store, options, ending), daemon=True)
    watch.start()
    heap.keep()
    if not led.ended:
        connection.start()
    try:
        if not ending.stop.is_set():
            engine.run()
    finally:
        if reporter:
            reporter.stop()
        connection.stop()
        inspector.stop()
        asker.stop()
        server.stop()


def _framework(options: Options, settings: Settings, service: ServiceSpec | None) -> Framework:
    """What the master and the store are told: that of the service, or the one of `--multi`."""
    if service is not None:
        return Framework(
            *(service.name, service.user, service.principal, service.zookeeper, service.web_url)
        )
    if options.multi is None or options.svc_yml is not None:
        raise Fatal("give either a SVC_YML or --multi NAME, and not both", EXIT_BAD_INPUT)
    principal = options.principal or f"{options.multi}-principal"
    zookeeper = options.zookeeper or os.environ.get("FRAMEWORK_ZOOKEEPER") or DEFAULT_ZOOKEEPER
    return Framework(options.multi, options.user, principal, zookeeper, region=settings.region)


def _mind_uninstall(
    options: Options, framework: Framework, store: ZooKeeperStore, stored: Mapping[str, Record]
) -> None:
    """There is no way back from an uninstall, and nothing to do for one without records."""
    if options.uninstall and not stored:
        log.info("nothing is stored: the service is uninstalled", service=framework.name)
        store.wipe()
    if is_being_uninstalled(stored) and not options.uninstall:
        raise Fatal(
            f"{framework.name} is being uninstalled, which cannot be undone: volumes are ordered"
            " destroyed. This scheduler stops; nothing was changed. Start it with"
            " SDK_UNINSTALL=true to bring that to its end.",
            EXIT_UNINSTALLING,
        )


def _watch(store: ZooKeeperStore, options: Options, ending: Ending) -> None:
    """End the process when ZooKeeper stays away for longer than a session.

    Another scheduler may lead by then. This one could not write, but it could still take the
    framework back from its successor when a master fails over.
    """
    seen = time.monotonic()
    while not ending.stop.wait(WATCH_SECONDS) and not store.wiped:
        if store.connected:
            seen = time.monotonic()
        elif time.monotonic() - seen > options.session_timeout:
            reason = f"ZooKeeper has been out of reach for {options.session_timeout:g} s"
            ending(
                Fatal(
                    f"{reason}: another scheduler may lead by now, so this one stops. Tasks run on;"
                    " start it again, it waits for ZooKeeper.",
                    EXIT_LEADERSHIP_LOST,
                )
            )
            store.close()  # a commit under way would wait for ZooKeeper


def _credentials(options: Options) -> CredentialsFile | None:
    if options.api_credentials is None:
        log.warning("whoever reaches the API may do everything: there are no --api-credentials")
        return None
    if options.tls is None:
        log.warning("passwords and tokens reach the API readable by others on the way: no TLS")
    try:
        return CredentialsFile(options.api_credentials)
    except BadCredentials as error:
        raise Fatal(str(error), EXIT_BAD_INPUT) from error


def _environment(env_file: Path | None) -> Mapping[str, str]:
    try:
        return {**os.environ, **(read_env_file(env_file) if env_file else {})}
    except EnvFileError as error:
        raise Fatal(str(error), EXIT_BAD_INPUT) from error


def _settings(environment: Mapping[str, str]) -> Settings:
    for name, why in ignored(environment).items():
        log.warning(f"{name} is set and changes nothing: {why}")
    try:
        return read_settings(environment)
    except BadSettings as error:
        listed = "".join(f"\n  {problem}" for problem in error.problems)
        text = f"the scheduler's environment is not as it should be; nothing was changed:{listed}"
        raise Fatal(text, EXIT_BAD_INPUT) from error


def _service(path: Path, environment: Mapping[str, str]) -> ServiceSpec:
    def warn(problem: Problem) -> None:
        log.warning(str(problem))

    try:
        return load(path, environment, warn=warn)
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
            structlog.dev.ConsoleRenderer(
                colors=sys.stderr.isatty(),
                pad_event_to=0,
                # The default shows variables too where `rich` is installed; secrets are in some.
                exception_formatter=structlog.dev.plain_traceback,
            ),
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)


if __name__ == "__main__":
    main()
