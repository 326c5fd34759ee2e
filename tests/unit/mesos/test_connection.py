"""The subscription and the calls against a scripted master: what real networks and masters do."""

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from holdfast.mesos import calls
from holdfast.mesos.access import Access
from holdfast.mesos.backoff import Backoff
from holdfast.mesos.channel import Outcome
from holdfast.mesos.connection import SchedulerConnection
from holdfast.mesos.leader import MasterAddressError
from holdfast.mesos.messages import MasterInfo, OperationStatus, TaskState, TaskStatus
from tests.unit.mesos.fake_master import Exchange, FakeMaster
from tests.unit.mesos.recorder import Recorder, until

INFO = calls.framework_info("db", roles=["db-role"], user="root", principal="db-principal")


class Masters:
    """A detector whose leader the test appoints."""

    def __init__(self, url: str | None) -> None:
        self._state = threading.Condition()
        self._leader = MasterInfo(id="", url=url) if url else None
        self._closed = False
        self._changed: list[Callable[[MasterInfo | None], None]] = []

    def appoint(self, url: str) -> None:
        with self._state:
            self._leader = MasterInfo(id="", url=url)
            self._state.notify_all()
        for changed in self._changed:
            changed(self._leader)

    def detect(self, previous: MasterInfo | None, timeout: float) -> MasterInfo | None:
        with self._state:
            self._state.wait_for(
                lambda: self._closed or (self._leader is not None and self._leader != previous),
                timeout,
            )
            if self._closed:
                return None
            if self._leader is None:
                raise MasterAddressError("nobody leads")
            return self._leader

    def watch(self, changed: Callable[[MasterInfo | None], None]) -> None:
        self._changed.append(changed)

    def close(self) -> None:
        with self._state:
            self._closed = True
            self._state.notify_all()


@pytest.fixture
def master() -> Iterator[FakeMaster]:
    fake = FakeMaster()
    yield fake
    fake.close()


@pytest.fixture
def heard() -> Recorder:
    return Recorder()


Connect = Callable[..., SchedulerConnection]


@pytest.fixture
def connect(master: FakeMaster, heard: Recorder) -> Iterator[Connect]:
    opened: list[SchedulerConnection] = []

    def start(**options: Any) -> SchedulerConnection:
        masters = options.pop("masters", None) or Masters(master.url)
        connection = SchedulerConnection(
            lambda: INFO, masters, options.pop("listener", heard), **options
        )
        opened.append(connection)
        connection.start()
        return connection

    yield start
    for connection in opened:
        connection.stop()


def quick() -> Backoff:
    return Backoff(first=0.01, longest=0.02)


class TestSubscribing:
    def test_first_contact(self, master: FakeMaster, heard: Recorder, connect: Connect) -> None:
        connection = connect()
        until(lambda: connection.connected)
        assert connection.framework_id == "f-1"
        until(lambda: heard.told)
        assert heard.told == [
            ("subscribed", ("f-1", MasterInfo("m-1", master.url, "1.11.0", "eu", "a")))
        ]
        (message,) = master.subscriptions
        info = message["subscribe"]["framework_info"]
        assert "framework_id" not in message
        assert "id" not in info
        assert "suppressed_roles" not in message["subscribe"]
        assert info["checkpoint"] is True
        assert info["failover_timeout"] == 14 * 86400
        assert [c["type"] for c in info["capabilities"]] == [
            "MULTI_ROLE", "RESERVATION_REFINEMENT", "PARTITION_AWARE", "REGION_AWARE",
        ]  # fmt: skip
        assert "mesos-stream-id" not in master.requests[0].headers

    def test_known_framework(self, master: FakeMaster, connect: Connect) -> None:
        connect(framework_id="f-7")
        until(lambda: master.subscriptions)
        (message,) = master.subscriptions
        assert message["framework_id"] == {"value": "f-7"}
        assert message["subscribe"]["framework_info"]["id"] == {"value": "f-7"}

    def test_the_current_need_for_offers_at_each_subscription(
        self, master: FakeMaster, connect: Connect
    ) -> None:
        suppressed = [("db-role",), ()]
        master.subscribe = lambda exchange: exchange.answer(503)
        connect(suppressed_roles=lambda: suppressed.pop(0) if suppressed else (), backoff=quick())
        until(lambda: len(master.subscriptions) >= 2)
        first, second = (s["subscribe"] for s in master.subscriptions[:2])
        assert first["suppressed_roles"] == ["db-role"]
        assert "suppressed_roles" not in second

    def test_redirect_is_followed(
        self, master: FakeMaster, heard: Recorder, connect: Connect
    ) -> None:
        other = FakeMaster()
        try:
            other.subscribe = lambda exchange: exchange.answer(
                307, Location=f"//{master.address}/api/v1/scheduler"
            )
            connection = connect(masters=Masters(other.url))
            until(lambda: connection.connected)
            until(lambda: heard.told)
            assert heard.told[0][0] == "subscribed"
            assert heard.told[0][1][1].url == master.url
            assert connection.call(calls.revive()).outcome is Outcome.SENT
            assert master.calls.get(timeout=5)["type"] == "REVIVE"
        finally:
            other.close()

    def test_masters_that_redirect_in_a_circle(
        self, master: FakeMaster, heard: Recorder, connect: Connect
    ) -> None:
        master.subscribe = lambda exchange: exchange.answer(307, Location=f"//{master.address}")
        connect(backoff=Backoff(first=30, longest=30))
        until(lambda: heard.of("waiting"))
        assert "redirected more than 3 times" in heard.of("waiting")[0]
        assert len(master.subscriptions) == 4

    @pytest.mark.parametrize("location", ["", "/elsewhere"])
    def test_redirect_to_nowhere(
        self, master: FakeMaster, heard: Recorder, connect: Connect, location: str
    ) -> None:
        master.subscribe = lambda exchange: exchange.answer(307, Location=location)
        connect(backoff=Backoff(first=30, longest=30))
        until(lambda: heard.of("waiting"))
        assert "names no master" in heard.of("waiting")[0]

    @pytest.mark.parametrize("status", [400, 403, 500, 503])
    def test_refusals_are_told_and_tried_again(
        self, master: FakeMaster, heard: Recorder, connect: Connect, status: int
    ) -> None:
        master.subscribe = lambda exchange: exchange.answer(status, b"for this reason")
        connection = connect(backoff=quick())
        until(lambda: len(master.subscriptions) >= 2)
        until(lambda: heard.told)
        assert f"HTTP {status}: for this reason" in heard.of("waiting")[0]
        master.subscribe = master.keep_subscribed
        until(lambda: connection.connected)

    def test_a_refusal_whose_text_never_comes(
        self, master: FakeMaster, heard: Recorder, connect: Connect
    ) -> None:
        def cut_off(exchange: Exchange) -> None:
            exchange.send(b"HTTP/1.1 400 Bad\r\nContent-Length: 50\r\n\r\nhalf a rea")

        master.subscribe = cut_off
        connect(backoff=Backoff(first=30, longest=30))
        until(lambda: heard.told)
        assert "HTTP 400" in heard.of("waiting")[0]

    def test_no_leader_known(self, heard: Recorder, master: FakeMaster, connect: Connect) -> None:
        masters = Masters(None)
        connection = connect(masters=masters)
        until(lambda: heard.told or True)
        masters.appoint(master.url)
        until(lambda: connection.connected)

    def test_not_a_stream_at_all(
        self, master: FakeMaster, heard: Recorder, connect: Connect
    ) -> None:
        def page(exchange: Exchange) -> None:
            exchange.begin_stream()
            exchange.chunk(b"<html>a page of something else</html>")
            master.hold.wait()

        master.subscribe = page
        connect(backoff=Backoff(first=30, longest=30))
        until(lambda: heard.told)
        assert "damaged" in heard.of("waiting")[0]

    def test_credentials(self, master: FakeMaster, connect: Connect) -> None:
        connection = connect(access=Access("café", "sécret"))
        until(lambda: connection.connected)
        connection.call(calls.revive())
        expected = "Basic Y2Fmw6k6c8OpY3JldA=="
        assert [r.headers["authorization"] for r in master.requests] == [expected, expected]

    def test_proxies_of_the_environment_are_ignored(
        self, master: FakeMaster, connect: Connect, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
        monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
        monkeypatch.delenv("no_proxy", raising=False)
        connection = connect()
        until(lambda: connection.connected)


class TestInterruptions:
    def test_end_of_stream_right_after_subscribing_is_no_storm(
        self, master: FakeMaster, heard: Recorder, connect: Connect
    ) -> None:
        def hang_up(exchange: Exchange) -> None:
            exchange.begin_stream()
            exchange.subscribed()
            exchange.close()

        master.subscribe = hang_up
        connect()
        time.sleep(2.0)
        assert 3 <= len(master.subscriptions) <= 8
        assert heard.of("disconnected")
        assert [what for what, _ in heard.told][:4] == ["subscribed", "disconnected"] * 2

    def test_a_steady_subscription_makes_the_next_one_quick(
        self, master: FakeMaster, heard: Recorder, connect: Connect
    ) -> None:
        delays: list[float] = []

        class Watched(Backoff):
            def next(self) -> float:
                delays.append(super().next())
                return delays[-1]

        def hang_up_later(exchange: Exchange) -> None:
            exchange.begin_stream()
            exchange.subscribed()
            time.sleep(0.1)

        master.subscribe = hang_up_later
        connect(backoff=Watched(0.01, 60.0, lambda low, high: high), steady_after=0.05)
        until(lambda: len(delays) >= 4)
        assert delays[:4] == [0.01] * 4

    def test_silence_of_five_heartbeats(
        self, master: FakeMaster, heard: Recorder, connect: Connect
    ) -> None:
        def fall_silent(exchange: Exchange) -> None:
            exchange.begin_stream()
            exchange.subscribed(beat=0.05)
            for _ in range(4):
                time.sleep(0.1)
                exchange.event({"type": "HEARTBEAT"})
            master.hold.wait()

        master.subscribe = fall_silent
        connect(backoff=quick())
        until(lambda: heard.of("disconnected"))
        assert "silent" in heard.of("disconnected")[0]
        lasted = heard.times[1] - heard.times[0]
        assert 0.6 <= lasted < 3.0
        until(lambda: len(heard.of("subscribed")) >= 2)

    def test_a_new_leader_ends_the_old_subscription_at_once(
        self, master: FakeMaster, heard: Recorder, connect: Connect
    ) -> None:
        masters = Masters(master.url)
        connection = connect(masters=masters, backoff=Backoff(first=30, longest=30))
        until(lambda: connection.connected)
        other = FakeMaster()
        try:
            masters.appoint(other.url)
            until(lambda: other.subscriptions)
            until(lambda: len(heard.of("subscribed")) == 2)
            assert heard.of("disconnected") == [f"{other.url} leads now"]
            assert other.subscriptions[0]["framework_id"] == {"value": "f-1"}
        finally:
            other.close()

    def test_stop_ends_the_stream_and_nothing_else(
        self, master: FakeMaster, heard: Recorder, connect: Connect
    ) -> None:
        connection = connect()
        until(lambda: heard.told)
        began = time.monotonic()
        connection.stop()
        assert time.monotonic() - began < 2.0
        assert not connection.connected
        assert [what for what, _ in heard.told] == ["subscribed"]
        assert [r.message["type"] for r in master.requests] == ["SUBSCRIBE"]

    @pytest.mark.parametrize(
        ("status", "reason"),
        [
            (400, b"The stream ID 'stream-1' included in this request didn't match the stream ID"),
            (400, b"Framework cannot be found"),
            (403, b"Framework is not subscribed"),
        ],
    )
    def test_a_stale_stream_id_means_subscribing_again(
        self, master: FakeMaster, heard: Recorder, connect: Connect, status: int, reason: bytes
    ) -> None:
        master.call = lambda exchange: exchange.answer(status, reason)
        connection = connect(backoff=quick())
        until(lambda: heard.told)
        result = connection.call(calls.revive())
        assert result.outcome is Outcome.REJECTED
        assert f"HTTP {status}" in result.reason
        until(lambda: len(master.subscriptions) == 2)
        until(lambda: len(heard.of("subscribed")) == 2)
        assert "no longer knows the subscription" in heard.of("disconnected")[0]

    def test_a_call_that_is_merely_wrong_keeps_the_subscription(
        self, master: FakeMaster, heard: Recorder, connect: Connect
    ) -> None:
        master.call = lambda exchange: exchange.answer(400, b"Failed to validate scheduler::Call")
        connection = connect()
        until(lambda: heard.told)
        result = connection.call(calls.revive())
        assert (result.outcome, result.stale) == (Outcome.REJECTED, False)
        assert connection.connected


class TestFinalErrors:
    def end_with(self, master: FakeMaster, message: str) -> None:
        def refuse(exchange: Exchange) -> None:
            exchange.begin_stream()
            exchange.event({"type": "ERROR", "error": {"message": message}})
            exchange.close()

        master.subscribe = refuse

    def test_failed_over(self, master: FakeMaster, heard: Recorder, connect: Connect) -> None:
        self.end_with(master, "Framework failed over")
        connection = connect(framework_id="f-9", backoff=quick())
        until(lambda: heard.told)
        ((what, text),) = heard.told
        assert what == "failed_over"
        assert "Another scheduler took over framework f-9" in text
        time.sleep(0.3)
        assert len(master.requests) == 1, "it must not subscribe again, nor send anything"
        result = connection.call(calls.revive())
        assert (result.outcome, result.reason) == (Outcome.REJECTED, text)

    def test_removed(self, master: FakeMaster, heard: Recorder, connect: Connect) -> None:
        self.end_with(master, "Framework has been removed")
        connect(framework_id="f-9", backoff=quick())
        until(lambda: heard.told)
        ((what, text),) = heard.told
        assert what == "removed"
        assert "no longer accepts framework f-9" in text
        assert "volumes, with their data" in text
        time.sleep(0.3)
        assert len(master.requests) == 1

    def test_any_other_error(self, master: FakeMaster, heard: Recorder, connect: Connect) -> None:
        self.end_with(master, "Role is invalid")
        connect(backoff=quick())
        until(lambda: heard.told)
        assert heard.told == [("fatal", "The Mesos master refuses this framework: Role is invalid")]

    def test_a_failing_listener_is_told_as_fatal_and_tears_nothing_down(
        self, master: FakeMaster, heard: Recorder, connect: Connect
    ) -> None:
        class Broken(Recorder):
            def subscribed(self, framework_id: str, master: MasterInfo) -> None:
                raise KeyError("a mistake")

        broken = Broken()
        connection = connect(listener=broken)
        until(lambda: broken.told)
        ((what, text),) = broken.told
        assert what == "fatal"
        assert "KeyError" in text
        assert not connection.connected
        assert [r.message["type"] for r in master.requests] == ["SUBSCRIBE"]


class TestEvents:
    def test_every_kind_is_delivered(
        self, master: FakeMaster, heard: Recorder, connect: Connect
    ) -> None:
        def tell(exchange: Exchange) -> None:
            exchange.begin_stream()
            exchange.subscribed()
            exchange.event({"type": "HEARTBEAT"})
            exchange.event({"type": "RESCIND", "rescind": {"offer_id": {"value": "o-1"}}})
            exchange.event({"type": "OFFERS", "offers": {"offers": []}})
            status = {"task_id": {"value": "t"}, "state": "TASK_RUNNING", "uuid": "dXVpZA=="}
            exchange.event({"type": "UPDATE", "update": {"status": status}})
            operation = {"operation_id": {"value": "op"}, "state": "OPERATION_FINISHED",
                         "uuid": {"value": "YWJj"}}  # fmt: skip
            exchange.event(
                {
                    "type": "UPDATE_OPERATION_STATUS",
                    "update_operation_status": {"status": operation},
                }
            )
            exchange.event({"type": "FAILURE", "failure": {"agent_id": {"value": "a"}}})
            exchange.event(
                {"type": "FAILURE",
                 "failure": {"agent_id": {"value": "a"}, "executor_id": {"value": "e"}}}
            )  # fmt: skip
            master.hold.wait()

        master.subscribe = tell
        connect()
        until(lambda: len(heard.told) == 7)
        assert heard.told[1:] == [
            ("rescinded", "o-1"),
            ("offers", ()),
            ("status", TaskStatus("t", TaskState.RUNNING, uuid="dXVpZA==")),
            ("operation_status", OperationStatus("op", "OPERATION_FINISHED", uuid="YWJj")),
            ("agent_failed", ("a", None)),
            ("agent_failed", ("a", "e")),
        ]

    def test_what_is_not_understood_is_logged_and_skipped(
        self,
        master: FakeMaster,
        heard: Recorder,
        connect: Connect,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        def tell(exchange: Exchange) -> None:
            exchange.begin_stream()
            exchange.subscribed()
            status = {"task_id": {"value": "t-odd"}, "state": "TASK_DANCING"}
            exchange.event({"type": "UPDATE", "update": {"status": status}})
            exchange.event({"type": "OFFERS", "offers": {"offers": [{"id": {"value": "o"}}]}})
            exchange.event({"type": "NEWER_THAN_THIS", "newer": {}})
            exchange.event({"no": "type"})
            exchange.chunk(b"3\nabc")
            exchange.event({"type": "RESCIND", "rescind": {"offer_id": {"value": "o-1"}}})
            master.hold.wait()

        master.subscribe = tell
        connect()
        until(lambda: heard.of("rescinded"))
        assert [what for what, _ in heard.told] == ["subscribed", "rescinded"]
        assert "TASK_DANCING" in caplog.text
        assert "t-odd" in caplog.text
        assert len([r for r in caplog.records if "skipped an event" in r.message]) == 4


class TestCalls:
    def test_identified_and_sent_on_a_connection_kept_open(
        self, master: FakeMaster, connect: Connect
    ) -> None:
        connection = connect()
        until(lambda: connection.connected)
        for _ in range(3):
            assert connection.call(calls.decline(["o-1"], 5.0)).outcome is Outcome.SENT
        assert master.connections == 2, "one for the stream, one for the calls"
        call = master.requests[-1]
        assert call.headers["mesos-stream-id"] == "stream-1"
        assert call.message["framework_id"] == {"value": "f-1"}
        assert call.message["decline"]["offer_ids"] == [{"value": "o-1"}]

    def test_refused_while_not_subscribed(self, master: FakeMaster, connect: Connect) -> None:
        master.subscribe = lambda exchange: exchange.answer(503)
        connection = connect(backoff=Backoff(first=30, longest=30))
        result = connection.call(calls.revive())
        assert (result.outcome, result.reason) == (Outcome.REJECTED, "not subscribed to a master")
        assert master.calls.empty()

    def test_idle_connection_closed_by_the_master(
        self, master: FakeMaster, connect: Connect
    ) -> None:
        def answer_and_close(exchange: Exchange) -> None:
            exchange.answer(202)
            exchange.close()

        master.call = answer_and_close
        connection = connect()
        until(lambda: connection.connected)
        accept = calls.accept(["o-1"], [], 5.0)
        for _ in range(4):
            assert connection.call(accept).outcome is Outcome.SENT
            time.sleep(0.05)  # the close arrives here before the next call
        assert master.calls.qsize() == 4

    def test_connection_lost_under_a_call(self, master: FakeMaster, connect: Connect) -> None:
        master.call = lambda exchange: exchange.close()
        connection = connect()
        until(lambda: connection.connected)
        result = connection.call(calls.accept(["o-1"], [], 5.0))
        assert result.outcome is Outcome.UNKNOWN
        assert master.calls.qsize() == 1, "an ACCEPT must not be repeated"
        result = connection.call(calls.revive())
        assert result.outcome is Outcome.UNKNOWN
        assert master.calls.qsize() == 3, "a REVIVE is repeated once"

    def test_a_repeatable_call_gets_through_the_second_time(
        self, master: FakeMaster, connect: Connect
    ) -> None:
        tries: list[Exchange] = []

        def close_once(exchange: Exchange) -> None:
            tries.append(exchange)
            if len(tries) == 1:
                exchange.close()
            else:
                exchange.answer(202)

        master.call = close_once
        connection = connect()
        until(lambda: connection.connected)
        assert connection.call(calls.acknowledge("t", "a", "u")).outcome is Outcome.SENT
        assert len(tries) == 2

    @pytest.mark.parametrize(
        ("status", "outcome"),
        [
            (202, Outcome.SENT),
            (200, Outcome.SENT),
            (400, Outcome.REJECTED),
            (401, Outcome.REJECTED),
            (415, Outcome.REJECTED),
            (503, Outcome.REJECTED),
            (500, Outcome.UNKNOWN),
            (502, Outcome.UNKNOWN),
        ],
    )
    def test_answers(
        self, master: FakeMaster, connect: Connect, status: int, outcome: Outcome
    ) -> None:
        master.call = lambda exchange: exchange.answer(status, b"because")
        connection = connect()
        until(lambda: connection.connected)
        result = connection.call(calls.revive())
        assert result.outcome is outcome
        assert ("because" in result.reason) == (outcome is not Outcome.SENT)

    def test_a_refusal_with_half_its_text(self, master: FakeMaster, connect: Connect) -> None:
        def half(exchange: Exchange) -> None:
            exchange.send(b"HTTP/1.1 400 Bad\r\nContent-Length: 50\r\n\r\nhalf a rea")
            exchange.close()

        master.call = half
        connection = connect()
        until(lambda: connection.connected)
        result = connection.call(calls.accept(["o"], [], 1.0))
        assert result.outcome is Outcome.REJECTED
        assert "HTTP 400" in result.reason

    def test_a_master_that_leads_no_more(
        self, master: FakeMaster, heard: Recorder, connect: Connect
    ) -> None:
        master.call = lambda exchange: exchange.answer(307, Location="//127.0.0.1:1/")
        connection = connect(backoff=quick())
        until(lambda: connection.connected)
        assert connection.call(calls.revive()).outcome is Outcome.REJECTED
        until(lambda: len(heard.of("subscribed")) == 2)

    def test_a_slow_master_blocks_nobody_else(
        self, master: FakeMaster, heard: Recorder, connect: Connect
    ) -> None:
        release = threading.Event()

        def slow(exchange: Exchange) -> None:
            if exchange.message["type"] == "REVIVE":
                release.wait()
            exchange.answer(202)

        master.call = slow
        connection = connect()
        until(lambda: connection.connected)
        results: list[Any] = []
        caller = threading.Thread(target=lambda: results.append(connection.call(calls.revive())))
        caller.start()
        until(lambda: not master.calls.empty())
        began = time.monotonic()
        assert connection.connected
        assert connection.call(calls.suppress()).outcome is Outcome.SENT
        assert time.monotonic() - began < 0.5
        release.set()
        caller.join(5)
        assert results[0].outcome is Outcome.SENT

    def test_teardown_ends_the_connection(
        self, master: FakeMaster, heard: Recorder, connect: Connect
    ) -> None:
        connection = connect(backoff=quick())
        until(lambda: connection.connected)
        assert connection.teardown().outcome is Outcome.SENT
        assert master.calls.get(timeout=5)["type"] == "TEARDOWN"
        assert not connection.connected
        assert connection.call(calls.revive()).reason == "the framework was torn down"
        time.sleep(0.1)
        assert len(master.subscriptions) == 1

    def test_a_teardown_that_was_not_taken_changes_nothing(
        self, master: FakeMaster, connect: Connect
    ) -> None:
        master.call = lambda exchange: exchange.answer(503)
        connection = connect()
        until(lambda: connection.connected)
        assert connection.teardown().outcome is Outcome.REJECTED
        assert connection.connected
