import os
import subprocess
import sys

import pytest

from pixsed import cores as module

V1 = "5:cpu,cpuacct:{}\n3:cpuset:/\n1:name=systemd:{}\n"


def fake_root(tmp_path, groups, **files):
    """Write files as a kernel shows them in /proc and /sys/fs/cgroup; return their root."""
    for place, text in {"proc/self/cgroup": groups, **files}.items():
        path = tmp_path / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


def v1(folder, quota, period=100000):
    return {
        f"sys/fs/cgroup/{folder}/cpu.cfs_quota_us": f"{quota}\n",
        f"sys/fs/cgroup/{folder}/cpu.cfs_period_us": f"{period}\n",
    }


def v2(folder, text):
    return {f"sys/fs/cgroup/{folder}/cpu.max": f"{text}\n"}


@pytest.mark.parametrize(
    "affinity, groups, files, expected",
    [
        (64, None, {}, 64),
        (1, None, {}, 1),
        # Version 2; in a container the group is the top one.
        (64, "0::/\n", v2("", "200000 100000"), 2),
        (64, "0::/\n", v2("", "max 100000"), 64),
        (64, "0::/\n", v2("", "150000 100000"), 2),
        (64, "0::/\n", v2("", "50000 100000"), 1),
        (64, "0::/\n", v2("", "1000 100000"), 1),
        (4, "0::/\n", v2("", "800000 100000"), 4),
        (64, "0::/\n", {}, 64),
        # Quota of a service, of its slice, and the smallest of several.
        (64, "0::/a.slice/b.service\n", v2("a.slice/b.service", "300000 100000"), 3),
        (64, "0::/a.slice/b.service\n", v2("a.slice", "300000 100000"), 3),
        (
            64,
            "0::/a/b/c\n",
            v2("a", "800000 100000") | v2("a/b", "500000 100000") | v2("a/b/c", "max 100000"),
            5,
        ),
        (64, "0::/a\n", v2("other", "100000 100000"), 64),
        (64, "0::/../../a\n", v2("", "600000 100000"), 6),
        (64, "0::/docker:x/a\n", v2("docker:x", "700000 100000"), 7),
        # Version 1, mounted under either name; in a container, the limit is at the top.
        (64, V1.format("/", "/"), v1("cpu", 400000), 4),
        (64, V1.format("/", "/"), v1("cpu,cpuacct", 400000), 4),
        (64, V1.format("/", "/"), v1("cpu", -1), 64),
        (64, V1.format("/slurm/job_7", "/"), v1("cpu/slurm/job_7", 250000), 3),
        (64, V1.format("/docker/0123", "/"), v1("cpu,cpuacct", 250000, 50000), 5),
        (64, "4:cpu:/\n0::/\n", v1("cpu", 200000), 2),
        (64, "4:cpuset:/\n0::/\n", v1("cpu", 200000), 64),
        # Files that cannot be read.
        (8, "0::/\n", v2("", ""), 8),
        (8, "0::/\n", v2("", "some 100000"), 8),
        (8, "0::/\n", v2("", "100000 0"), 8),
        (8, "0::/\n", v2("", "0 100000"), 8),
        (8, "", v2("", "100000 100000"), 8),
        (8, "nonsense\n0::/\n", v2("", "100000 100000"), 1),
    ],
)
def test_cores(affinity, groups, files, expected, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(affinity)), raising=False)
    root = tmp_path if groups is None else fake_root(tmp_path, groups, **files)
    assert module.cores(root) == expected


def test_cores_without_affinity(tmp_path, monkeypatch):
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 6)
    assert module.cores(tmp_path) == 6
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert module.cores(tmp_path) == 1


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="affinity is of Linux")
def test_cores_of_this_process():
    code = "import os; os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])\n"
    code += "from pixsed.cores import cores; print(cores())"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.split() == ["1"]


def test_cores_are_counted_in_one_place():
    import pathlib

    import pixsed

    folder = pathlib.Path(pixsed.__file__).parent
    found = [path.name for path in folder.rglob("*.py") if "cpu_count(" in path.read_text()]
    assert found == ["cores.py"]


@pytest.mark.parametrize("command", ["fit", "sum-mass", "simulate", "validate", "train"])
def test_jobs_by_default(command, monkeypatch):
    from pixsed.cli.main import cli

    monkeypatch.setattr(module, "cores", lambda: 3)
    option = next(p for p in cli.get_command(None, command).params if p.name == "jobs")
    assert option.default() == 3


THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@pytest.mark.parametrize(
    "allowed, before, inside, after",
    [
        (2, {}, ["1"] * 3, ["2"] * 3),
        (8, {}, ["1"] * 3, [None] * 3),
        (2, {"OMP_NUM_THREADS": "5"}, ["5", None, None], ["5", None, None]),
    ],
)
def test_threads_under_a_quota(allowed, before, inside, after, monkeypatch):
    for name in THREADS:
        monkeypatch.setenv(name, "")  # restored at the end of the test
        monkeypatch.delenv(name)
    for name, value in before.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(module, "_limited", False)
    monkeypatch.setattr(module, "_affinity", lambda: 8)
    monkeypatch.setattr(module, "cores", lambda: allowed)
    for _ in range(2):
        module.limit_threads()
        with module.one_thread():
            assert [os.environ.get(name) for name in THREADS] == inside
        assert [os.environ.get(name) for name in THREADS] == after


def test_memory_per_core(monkeypatch):
    pages = {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": 1 << 22}
    monkeypatch.setattr(module.os, "sysconf", pages.__getitem__, raising=False)
    monkeypatch.setattr(module.os, "cpu_count", lambda: 4)
    assert module.memory_per_core() == 4 << 30

    def unknown(name):
        raise ValueError("unrecognized configuration name")

    monkeypatch.setattr(module.os, "sysconf", unknown)
    assert module.memory_per_core() == 0
