"""Tasks in this process, in threads, in processes and on a Dask cluster."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import parallel_tasks as tasks
import pytest

from pixsed.cores import one_thread
from pixsed.errors import PixsedError
from pixsed.parallel import dask, ordered_map, run_tasks


@pytest.fixture(scope="module")
def cluster():
    """A Dask cluster of two processes on this machine."""
    with tasks.dask_cluster(2) as address:
        yield address


@pytest.fixture(params=["here", "processes", "dask"])
def where(request):
    """Keywords of `run_tasks` for each of the three ways."""
    if request.param == "dask":
        return {"scheduler": request.getfixturevalue("cluster")}
    return {"jobs": 1 if request.param == "here" else 2}


def run(function, todo, setup=None, **where):
    setup = setup or partial(tasks.Adder, 100)
    return list(run_tasks(function, todo, setup=setup, **where))


def runs(pid):
    """Return True if a process exists and is not a zombie."""
    found = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True)
    return bool(found.stdout.strip()) and not found.stdout.strip().startswith("Z")


def test_results_in_order(where):
    found = run(tasks.add, range(20), **where)
    assert [value for value, _, _ in found] == list(range(100, 120))


def test_a_worker_is_set_up_once(where):
    found = run(tasks.add, range(12), setup=partial(tasks.Adder, 7), **where)
    made = {}
    for _, process, count in found:
        made.setdefault(process, set()).add(count)
    assert all(len(counts) == 1 for counts in made.values())
    assert (os.getpid() in made) == (where.get("jobs") == 1)


def test_order_holds_when_the_first_is_slow(where):
    assert run(tasks.slow_first, range(6), **where) == list(range(6))


def test_large_results(where):
    sizes = [3_000_000, 10, 5_000_000, 0]
    assert [len(found) for found in run(tasks.large, sizes, **where)] == sizes


def test_large_tasks_and_results(where):
    """Tasks and results may be larger than the buffers of pipes."""
    todo = (bytes(3_000_000) for _ in range(50))
    assert [len(found) for found in run(tasks.echo, todo, **where)] == [3_000_000] * 50


def test_no_tasks(where):
    assert run(tasks.add, [], **where) == []


def test_an_error_comes_through(where):
    results = run_tasks(tasks.fail, range(8), setup=dict, **where)
    with pytest.raises(PixsedError, match="task 2 cannot be done"):
        list(results)


def test_an_error_of_the_setup_comes_through(where):
    with pytest.raises(PixsedError, match="this cannot be set up"):
        run(tasks.fail, range(8), setup=tasks.broken_setup, **where)


class TestOrderedMap:
    def test_order_and_number_in_flight(self):
        begun, most = [], []

        def work(task):
            begun.append(task)
            time.sleep(0.05 if task == 0 else 0.0)
            return task

        with ThreadPoolExecutor(3) as pool:
            for n, result in enumerate(ordered_map(pool, work, range(40), 4)):
                assert result == n
                most.append(len(begun) - n)
        assert max(most) <= 4 and len(begun) == 40

    def test_tasks_are_read_as_needed(self):
        read = []
        todo = (read.append(n) or n for n in range(100))
        with ThreadPoolExecutor(2) as pool:
            results = ordered_map(pool, str, todo, 5)
            assert next(results) == "0" and len(read) == 5
            assert next(results) == "1" and len(read) == 6
            results.close()
        assert len(read) == 6

    def test_the_number_in_flight_may_grow(self):
        read, ahead = [], [1]
        todo = (read.append(n) or n for n in range(100))
        with ThreadPoolExecutor(2) as pool:
            results = ordered_map(pool, str, todo, lambda: ahead[0])
            assert next(results) == "0" and len(read) == 1
            ahead[0] = 4
            assert next(results) == "1" and len(read) == 5
            results.close()

    @pytest.mark.parametrize("ahead", [0, 1])
    def test_one_at_a_time(self, ahead):
        with ThreadPoolExecutor(2) as pool:
            assert list(ordered_map(pool, abs, [-1, -2, 3], ahead)) == [1, 2, 3]

    @pytest.mark.parametrize("closed", [True, False])
    def test_pending_tasks_are_cancelled(self, closed):
        """Workers end when the generator is closed, and when a task fails."""
        begun, go = [], threading.Event()

        def work(task):
            begun.append(task)
            if task == 1:
                go.wait(10)
                raise KeyError
            time.sleep(0.2 * (task > 1))
            return task

        with ThreadPoolExecutor(1) as pool:
            results = ordered_map(pool, work, range(20), 10)
            assert next(results) == 0
            if closed:
                results.close()
                go.set()
            else:
                go.set()
                with pytest.raises(KeyError):
                    next(results)
        assert len(begun) <= 4


def test_few_in_flight(tmp_path):
    results = run_tasks(tasks.note, range(30), setup=partial(str, tmp_path), jobs=2)
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    time.sleep(0.5)
    assert len(list(tmp_path.iterdir())) <= 3 + 4
    results.close()


def test_processes_end_with_the_generator():
    results = run_tasks(tasks.add, range(30), setup=partial(tasks.Adder, 0), jobs=2)
    pids = {next(results)[1] for _ in range(6)}
    results.close()
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


@pytest.mark.parametrize("seen", [1, 3, 7])
def test_processes_end_in_the_middle_of_large_results(seen):
    results = run_tasks(tasks.echo, [bytes(3_000_000)] * 30, setup=dict, jobs=2)
    for _ in range(seen):
        next(results)
    start = time.monotonic()
    results.close()
    assert time.monotonic() - start < 4


def test_a_process_that_ignores_the_signal_is_killed(monkeypatch):
    from pixsed.parallel import processes

    monkeypatch.setattr(processes, "_GRACE", 0.5)
    results = run_tasks(tasks.deaf, range(3), setup=dict, jobs=2)
    pid = next(results)
    start = time.monotonic()
    results.close()
    assert time.monotonic() - start < 4 and not runs(pid)


def test_a_process_that_is_told_to_end():
    """Another program, such as a batch system, may end a process."""
    results = run_tasks(tasks.end_itself, range(8), setup=dict, jobs=2)
    with pytest.raises(PixsedError, match=r"ended by itself \(signal 15\).*fewer --jobs"):
        list(results)


def test_an_error_that_cannot_be_sent():
    with pytest.raises(RuntimeError, match="Unpicklable: one and two"):
        run(tasks.fail_oddly, range(3), jobs=2)


def test_a_process_that_dies():
    with pytest.raises(PixsedError, match=r"ended by itself \(signal 9\).*fewer --jobs"):
        run(tasks.die, range(8), jobs=2)


def test_one_thread_a_process(monkeypatch):
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    before = dict(os.environ)
    found = run(tasks.threads, range(2), jobs=2)
    assert dict(os.environ) == before
    assert all(value == "1" for value in found[0].values())


def test_the_users_threads_win(monkeypatch):
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    found = run(tasks.threads, range(2), jobs=2)
    assert found[0]["OMP_NUM_THREADS"] == "3" and found[0]["OPENBLAS_NUM_THREADS"] is None
    with one_thread():
        assert os.environ["OMP_NUM_THREADS"] == "3"


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
@pytest.mark.parametrize("signal_name", ["SIGKILL", "SIGINT"])
def test_no_process_outlives_its_parent(signal_name, tmp_path):
    """If the parent is killed, or stopped by Ctrl-C, the workers also end, without messages."""
    script = tmp_path / "parent.py"
    script.write_text(
        textwrap.dedent(
            """
            import multiprocessing, signal, sys
            import parallel_tasks
            from pixsed.parallel import run_tasks

            if __name__ == "__main__":
                # Where tests run in the background, Ctrl-C is ignored unless asked for.
                signal.signal(signal.SIGINT, signal.default_int_handler)
                results = run_tasks(parallel_tasks.forever, range(1000), setup=dict, jobs=2)
                try:
                    for result in results:
                        if result == 0:
                            pids = [child.pid for child in multiprocessing.active_children()]
                            print(*pids, flush=True)
                except KeyboardInterrupt:
                    sys.exit(3)
            """
        )
    )
    path = os.pathsep.join([os.path.dirname(tasks.__file__), os.getcwd()])
    parent = subprocess.Popen(
        [sys.executable, str(script)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": path},
        start_new_session=True,
    )
    with parent:
        pids = [int(word) for word in parent.stdout.readline().split()]
        number = getattr(signal, signal_name)
        # A terminal sends Ctrl-C to all processes of the group.
        (os.killpg if signal_name == "SIGINT" else os.kill)(parent.pid, number)
        expected = 3 if signal_name == "SIGINT" else -number
        assert parent.wait(60) == expected, parent.stderr.read()
        assert len(pids) == 2
        deadline = time.monotonic() + 60
        while any(runs(pid) for pid in pids):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert parent.stderr.read() == ""


def test_a_generator_that_is_left_open():
    """Python ends even if a generator is left open, and its processes end too."""
    code = """
from functools import partial
import parallel_tasks
from pixsed.parallel import run_tasks
results = run_tasks(parallel_tasks.add, range(9), setup=partial(parallel_tasks.Adder, 0), jobs=2)
print(next(results)[1])
"""
    path = os.pathsep.join([os.path.dirname(tasks.__file__), *sys.path])
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=60,
        env=os.environ | {"PYTHONPATH": path},
    )
    assert (done.returncode, done.stderr) == (0, "") and not runs(int(done.stdout))


def test_a_lost_dask_worker(tmp_path):
    """The nanny starts another worker, which is set up again and repeats the task."""
    with tasks.dask_cluster(1) as address:
        found = run(tasks.die_once, range(6), partial(str, tmp_path / "died"), scheduler=address)
        assert found == list(range(6))
    assert (tmp_path / "died").exists()


def test_missing_scheduler(monkeypatch):
    pytest.importorskip("distributed", reason="--scheduler needs dask[distributed]")
    monkeypatch.setattr(dask, "_CONNECT", 0.5)
    with pytest.raises(PixsedError, match="no Dask scheduler at tcp://127.0.0.1:1.*check the addr"):
        run(tasks.add, range(3), scheduler="tcp://127.0.0.1:1")
    with pytest.raises(PixsedError, match="no Dask scheduler at nonsense://x"):
        run(tasks.add, range(3), scheduler="nonsense://x")


def test_a_scheduler_without_workers(monkeypatch):
    monkeypatch.setattr(dask, "_FIRST_WORKER", 0.5)
    with (
        tasks.dask_cluster(0) as address,
        pytest.raises(PixsedError, match="has no workers; start some with: dask worker tcp://"),
    ):
        run(tasks.add, range(3), scheduler=address)


def test_dask_is_not_installed(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(PixsedError, match=r"not installed; try: pip install 'dask\[distributed\]'"):
        run(tasks.add, range(3), scheduler="tcp://127.0.0.1:1")


def test_workers_of_another_version(cluster, monkeypatch):
    from distributed import Client

    found = Client.get_versions

    def other(self, **kwargs):
        versions = found(self, **kwargs)
        for worker in versions["workers"].values():
            worker["packages"]["pixsed"] = "0.0.1"
        return versions

    monkeypatch.setattr(Client, "get_versions", other)
    with pytest.raises(PixsedError, match="has pixsed 0.0.1, this is .*; install the same there"):
        run(tasks.add, range(3), scheduler=cluster)
