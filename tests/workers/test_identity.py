import os
import signal
import subprocess
import sys

from workers.identity import is_dead, worker_name


def name_of_another_process() -> tuple[str, subprocess.Popen[bytes]]:
    code = "from workers.identity import worker_name; print(worker_name(), flush=True); input()"
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    return process.stdout.readline().decode().strip(), process


def test_a_worker_is_dead_when_its_process_has_ended_and_not_before() -> None:
    name, process = name_of_another_process()
    assert not is_dead(name)
    os.kill(process.pid, signal.SIGKILL)
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert is_dead(name)  # a zombie already counts as dead
    process.communicate()
    assert is_dead(name)


def test_a_stopped_worker_is_not_dead() -> None:
    name, process = name_of_another_process()
    os.kill(process.pid, signal.SIGSTOP)
    assert not is_dead(name)
    process.kill()
    process.communicate()


def test_a_new_process_with_an_old_number_is_somebody_else() -> None:
    place, pid, started = worker_name().split(":")
    assert not is_dead(worker_name())
    assert is_dead(f"{place}:{pid}:{int(started) - 1}")


def test_nobody_can_tell_of_another_machine() -> None:
    assert not is_dead("elsewhere/4026531836:1:1")
    assert not is_dead("a name of another kind")
