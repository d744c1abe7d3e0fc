"""Whatever a process has started is ended with it, whoever has died meanwhile; and nothing else is."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from operators.cluster.processes import ClusterStartError, Processes, Program, kill_leftovers
from operators.cluster.sessions import facts_of, members
from operators.demo.interrupts import Interrupts
from tests.child_process import child_process
from tests.cluster.running import is_alive

FAMILY = """
import os, sys, time
child = os.fork()
if child == 0:
    os.setpgid(0, 0)
    if os.fork() == 0:
        os.setpgid(0, 0)
        time.sleep(600)
    time.sleep(600)
print("up", flush=True)
time.sleep(600)
"""
"""A process with a child and a grandchild, each in a process group of its own, as Airflow's tasks are."""
LOST = """
import os, pathlib, sys, time
from operators.cluster.processes import Processes, Program
from operators.demo.interrupts import Interrupts
folder = pathlib.Path(sys.argv[1])
processes = Processes(folder, folder / "ledger.json", Interrupts())
for name in ("whole", "orphaned"):
    processes.start(Program(name, [sys.executable, "-c", sys.argv[2]], folder, dict(os.environ)))
time.sleep(600)
"""
"""A cluster of two families, which is killed."""
STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(600)"
)


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    made = Processes(tmp_path, tmp_path / "ledger.json", Interrupts())
    yield made
    made.stop_all()


def program(folder: Path, name: str, code: str) -> Program:
    return Program(name, [sys.executable, "-c", code], folder, {"PATH": os.environ["PATH"]})


def wait_until(condition: Callable[[], object], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def started_family(processes: Processes, folder: Path, name: str = "family") -> list[psutil.Process]:
    """Start the family; return its three processes."""
    processes.start(program(folder, name, FAMILY))
    leader = psutil.Process(processes.pid(name))
    wait_until(lambda: len(leader.children(recursive=True)) == 2)
    return [leader, *leader.children(recursive=True)]


def alive(family: list[psutil.Process]) -> list[int]:
    return [process.pid for process in family if is_alive(process)]


def test_a_stop_ends_a_family(processes: Processes, tmp_path: Path) -> None:
    family = started_family(processes, tmp_path)
    assert len({os.getpgid(process.pid) for process in family}) == 3
    processes.stop(["family"])
    assert alive(family) == []
    assert processes.names() == []


def test_a_stop_ends_what_a_killed_process_has_left(processes: Processes, tmp_path: Path) -> None:
    family = started_family(processes, tmp_path)
    family[0].send_signal(signal.SIGKILL)
    wait_until(processes.ended)
    assert len(alive(family)) == 2
    assert processes.ended() == {"family": -signal.SIGKILL}
    processes.stop_all()
    assert alive(family) == []


def test_a_restart_ends_what_a_killed_process_has_left(processes: Processes, tmp_path: Path) -> None:
    family = started_family(processes, tmp_path)
    family[0].send_signal(signal.SIGKILL)
    wait_until(processes.ended)
    processes.restart("family")
    assert alive(family) == []
    assert processes.ended() == {}
    assert processes.pid("family") != family[0].pid


def test_what_ends_again_and_again_is_started_after_ever_longer_pauses(processes: Processes, tmp_path: Path) -> None:
    processes.start(program(tmp_path, "short", "open('runs', 'a').write('x'); raise SystemExit(1)"))
    pauses = []
    for _ in range(4):
        wait_until(processes.ended)
        began = time.monotonic()
        wait_until(lambda: processes.is_due("short"))
        pauses.append(time.monotonic() - began)
        processes.restart("short")
    wait_until(processes.ended)
    assert (tmp_path / "runs").read_text() == "xxxxx"
    assert pauses[-1] > 0.4
    assert len(json.loads((tmp_path / "ledger.json").read_text())) <= 1  # no ended one is kept in mind


def test_what_does_not_end_is_killed(processes: Processes, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    processes.start(program(tmp_path, "stubborn", STUBBORN))
    wait_until(lambda: processes.log("stubborn").read_text() == "up\n")
    (process,) = (psutil.Process(processes.pid("stubborn")),)
    processes.stop(["stubborn"], seconds=0.3)
    assert not is_alive(process)
    assert "stubborn did not stop within 0 s and is killed" in caplog.text


def test_other_processes_are_left_alone(processes: Processes, tmp_path: Path) -> None:
    with child_process([sys.executable, "-c", STUBBORN], start_new_session=True) as other:
        started_family(processes, tmp_path)
        processes.stop_all()
        assert other.poll() is None
        other.kill()


def test_a_process_that_ends_is_told_with_its_last_words(processes: Processes, tmp_path: Path) -> None:
    processes.start(program(tmp_path, "short", "raise SystemExit('no such port')"))
    wait_until(processes.ended)
    with pytest.raises(ClusterStartError) as caught:
        processes.check()
    log = tmp_path / "short.log"
    assert str(caught.value) == f"short ended with status 1; its log is {log} (last line: no such port)"


def test_waiting_for_steps(processes: Processes, tmp_path: Path) -> None:
    processes.start(program(tmp_path, "server", "import time; time.sleep(600)"))
    processes.start(program(tmp_path, "step", "print(1)"))
    processes.finish(["step"], 30, print)
    assert processes.names() == ["server"]
    processes.start(program(tmp_path, "broken", "raise SystemExit(3)"))
    with pytest.raises(ClusterStartError, match="broken ended with status 3"):
        processes.finish(["broken"], 30, print)


def test_a_step_that_takes_too_long(processes: Processes, tmp_path: Path) -> None:
    processes.start(program(tmp_path, "slow", "import time; time.sleep(600)"))
    with pytest.raises(ClusterStartError, match="slow did not end within 0 s; its log is"):
        processes.finish(["slow"], 0.2, print)


def test_a_step_during_which_a_server_dies(processes: Processes, tmp_path: Path) -> None:
    processes.start(program(tmp_path, "server", "print('out of memory')"))
    processes.start(program(tmp_path, "step", "import time; time.sleep(600)"))
    with pytest.raises(ClusterStartError, match=r"server ended with status 0; .*\(last line: out of memory\)"):
        processes.finish(["step"], 30, print)


def test_a_program_that_does_not_exist(processes: Processes, tmp_path: Path) -> None:
    with pytest.raises(ClusterStartError, match=r"absent cannot be started: .*No such file"):
        processes.start(Program("absent", [str(tmp_path / "absent")], tmp_path, {}))


def test_what_processes_write_is_for_their_owner_only(processes: Processes, tmp_path: Path) -> None:
    processes.start(program(tmp_path, "writer", "open('written', 'w').close()"))
    wait_until(processes.ended)
    assert (tmp_path / "written").stat().st_mode & 0o077 == 0
    assert processes.log("writer").stat().st_mode & 0o077 == 0


def test_leftovers_of_a_killed_cluster_are_ended(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.json"
    with child_process([sys.executable, "-c", LOST, str(tmp_path), FAMILY]) as lost:
        leaders = psutil.Process(lost.pid).children
        wait_until(lambda: len(psutil.Process(lost.pid).children(recursive=True)) == 6)
        whole, orphaned = ([leader, *leader.children(recursive=True)] for leader in leaders())
        wait_until(lambda: len(json.loads(ledger.read_text())) == 2)
        lost.kill()
    orphaned[0].send_signal(signal.SIGKILL)
    wait_until(lambda: not is_alive(orphaned[0]))
    left = [*whole, *orphaned[1:]]
    assert alive(left) == [process.pid for process in left]
    assert kill_leftovers(ledger) == sorted(process.pid for process in left)
    assert alive([*whole, *orphaned]) == []
    assert not ledger.exists()
    assert kill_leftovers(ledger) == []


def test_a_number_that_another_process_has_by_now_is_left_alone(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.json"
    with child_process([sys.executable, "-c", STUBBORN], start_new_session=True) as other:
        facts = facts_of(other.pid)
        assert facts is not None
        assert facts.session == other.pid
        ledger.write_text(json.dumps([[other.pid, facts.started - 1]]))
        assert kill_leftovers(ledger) == []
        assert other.poll() is None
        ledger.write_text(json.dumps([[other.pid, facts.started]]))
        assert kill_leftovers(ledger) == [other.pid]
        assert other.wait(10) == -signal.SIGKILL


def test_facts_are_those_of_the_system() -> None:
    facts = facts_of(os.getpid())
    assert facts is not None
    assert (facts.pid, facts.session) == (os.getpid(), os.getsid(0))
    assert os.getpid() in [member.pid for member in members([os.getsid(0)])]
    assert facts_of(2**22 + 1) is None
