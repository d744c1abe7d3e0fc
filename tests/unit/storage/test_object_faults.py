"""Requests that fail on the way: what was stored is never reported as lost, nor the other way round."""

import logging
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pytest

from mistique_core.errors import InvalidInputError, StorageError
from mistique_core.storage import object_probe
from mistique_core.storage.object_address import ObjectOptions
from mistique_core.storage.object_store import ObjectBackend
from mistique_core.testing.storage import NAMES
from tests.unit.storage.fault_proxy import Fault, FaultProxy, fault_proxy

DATA = np.random.default_rng(0).bytes(100_000)
OPTIONS = ObjectOptions(tries=4, first_wait_seconds=0.001, timeout_seconds=30)
TRANSIENT: list[Fault] = ["refuse", "busy", "busy_after", "drop_answer"]

Open = Callable[..., ObjectBackend]


@pytest.fixture
def proxy(s3_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultProxy]:
    with fault_proxy(s3_endpoint) as running:
        yield running


@pytest.fixture
def opened(proxy: FaultProxy, s3_location: str) -> ObjectBackend:
    """Return a backend that goes through the proxy, opened without faults."""
    backend = ObjectBackend(s3_location, replace(OPTIONS, endpoint=proxy.endpoint))
    proxy.requests.clear()
    return backend


@pytest.fixture
def direct(s3_location: str) -> ObjectBackend:
    """Return a backend on the same place without the proxy."""
    return ObjectBackend(s3_location)


@pytest.mark.parametrize("fault", TRANSIENT)
def test_a_put_is_repeated_and_is_a_success(
    opened: ObjectBackend, direct: ObjectBackend, proxy: FaultProxy, fault: Fault
) -> None:
    """Also when the server had stored the object and refuses the repetition."""
    proxy.faults["PUT"] = [fault, fault]
    assert opened.put_if_absent(NAMES[0], DATA) is True
    assert direct.get_range(NAMES[0], 0, len(DATA)) == DATA
    if fault in ("busy_after", "drop_answer"):
        assert proxy.statuses("PUT") == [200, 412, 412]
    else:
        assert proxy.statuses("PUT") == [0, 0, 200]
    assert opened.put_if_absent(NAMES[0], DATA) is False


@pytest.mark.parametrize("fault", TRANSIENT)
def test_a_put_that_comes_second_says_so_however_often_it_is_repeated(
    opened: ObjectBackend, direct: ObjectBackend, proxy: FaultProxy, fault: Fault
) -> None:
    direct.put_if_absent(NAMES[0], DATA)
    proxy.faults["PUT"] = [fault, fault]
    assert opened.put_if_absent(NAMES[0], DATA) is False


def test_the_question_whose_object_it_is_may_fail_too(opened: ObjectBackend, proxy: FaultProxy) -> None:
    proxy.faults = {"PUT": ["drop_answer"], "HEAD": ["drop_answer"]}
    assert opened.put_if_absent(NAMES[0], DATA) is True
    assert proxy.requests == [("PUT", 200), ("PUT", 412), ("HEAD", 200), ("PUT", 412), ("HEAD", 200)]


@pytest.mark.parametrize("fault", [*TRANSIENT, "cut_answer"])
def test_reads_are_repeated(opened: ObjectBackend, direct: ObjectBackend, proxy: FaultProxy, fault: Fault) -> None:
    """Half an answer is no answer."""
    direct.put_if_absent(NAMES[0], DATA)
    for method in ("GET", "HEAD"):
        proxy.faults[method] = [fault, fault]
    assert opened.get_range(NAMES[0], 100, 50_000) == DATA[100:50_100]
    if fault != "cut_answer":
        assert opened.size(NAMES[0]) == len(DATA)
    proxy.faults["GET"] = [fault, fault]
    assert [file.bytes for file in opened.files()] == [len(DATA)]
    assert proxy.faults["GET"] == []


@pytest.mark.parametrize("fault", TRANSIENT)
def test_deletes_are_repeated(opened: ObjectBackend, direct: ObjectBackend, proxy: FaultProxy, fault: Fault) -> None:
    direct.put_if_absent(NAMES[0], DATA)
    proxy.faults = {"POST": [fault, fault], "DELETE": [fault, fault]}
    opened.delete(NAMES[0])
    assert list(direct.names()) == []


def test_it_gives_up_after_so_many_tries(
    opened: ObjectBackend, direct: ObjectBackend, proxy: FaultProxy, caplog: pytest.LogCaptureFixture
) -> None:
    """The error says what the last attempt said; each repetition is logged, without secrets."""
    every: list[Fault] = ["busy"] * 100
    proxy.faults = {method: list(every) for method in ("PUT", "GET", "HEAD", "POST", "DELETE")}
    calls: list[Callable[[], object]] = [
        lambda: opened.put_if_absent(NAMES[0], DATA),
        lambda: opened.get_range(NAMES[0], 0, 1),
        lambda: opened.size(NAMES[0]),
        lambda: opened.delete(NAMES[0]),
        lambda: list(opened.names()),
    ]
    for call in calls:
        proxy.requests.clear()
        with caplog.at_level(logging.WARNING), pytest.raises(StorageError, match="HTTP status 503") as caught:
            call()
        assert len(proxy.requests) == OPTIONS.tries
        assert "repeat later" in str(caught.value)
        assert "\n" not in str(caught.value)
        assert "kept-secret" not in f"{caught.value}{caught.value.__cause__}{caught.value.__context__}"
    assert "attempt 4 to write 100000 bytes to s3://" in caplog.text
    assert "kept-secret" not in caplog.text
    assert list(direct.names()) == []


def test_an_attempt_without_an_answer_ends(proxy: FaultProxy, s3_location: str) -> None:
    backend = ObjectBackend(s3_location, replace(OPTIONS, endpoint=proxy.endpoint, timeout_seconds=0.5))
    proxy.faults["PUT"] = ["stall"]
    assert backend.put_if_absent(NAMES[0], DATA) is True


@pytest.mark.parametrize(
    ("header", "message"),
    [("if-none-match", "ignores If-None-Match"), ("range", "the answer is the whole object")],
)
def test_a_server_that_cannot_keep_the_contract_is_refused(
    proxy: FaultProxy, s3_location: str, header: str, message: str
) -> None:
    """Each time it is tried, and it is left as it was."""
    options = replace(OPTIONS, endpoint=proxy.endpoint)
    proxy.hidden_headers.add(header)
    for _ in range(2):
        with pytest.raises(InvalidInputError, match=message) as caught:
            ObjectBackend(s3_location, options)
        assert "\n" not in str(caught.value)
    proxy.hidden_headers.clear()
    assert ObjectBackend(s3_location, options).leftovers(0, remove=False) == []


def test_a_server_is_asked_once_in_a_process(proxy: FaultProxy, s3_location: str) -> None:
    options = replace(OPTIONS, endpoint=proxy.endpoint)
    ObjectBackend(s3_location, options)
    asked = len(proxy.requests)
    assert asked > 0
    ObjectBackend(s3_location, options)
    ObjectBackend(f"{s3_location}/deeper", options)
    assert len(proxy.requests) == asked


def test_the_probe_of_a_killed_process_is_found(proxy: FaultProxy, s3_location: str) -> None:
    """Opening fails between writing the probe and deleting it."""
    options = replace(OPTIONS, endpoint=proxy.endpoint, tries=1)
    proxy.faults = {"GET": ["busy"], "POST": ["busy"], "DELETE": ["busy"]}
    with pytest.raises(StorageError, match="503"):
        ObjectBackend(s3_location, options)
    backend = ObjectBackend(s3_location, options)
    assert backend.leftovers(3600, remove=True) == []
    (found,) = backend.leftovers(-60, remove=False)
    assert found.description.startswith(f"{s3_location}/{object_probe.PROBES}/")
    assert found.bytes > 0
    assert backend.leftovers(-60, remove=True) == [found]
    assert backend.leftovers(-60, remove=False) == []
