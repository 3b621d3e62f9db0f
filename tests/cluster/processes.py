"""Real clusters on this machine, for tests: Dask processes with TLS, and Slurm on one node."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

WAIT_SECONDS = 300
SLURM = ("slurmctld", "slurmd", "munged", "sbatch", "squeue", "scancel", "sinfo")


def wait_until(
    happened: Callable[[], bool], what: str, process: subprocess.Popen | None = None
) -> None:
    """Wait for at most WAIT_SECONDS, and no longer than `process` runs. This is no timed assertion,
    but a limit for what would otherwise hang."""
    deadline = time.monotonic() + WAIT_SECONDS
    while not happened():
        assert time.monotonic() < deadline, f"waited {WAIT_SECONDS} s in vain: {what}"
        assert process is None or process.poll() is None, f"ended before this happened: {what}"
        time.sleep(0.1)


@contextmanager
def process(command: list[str], log: Path, **options: object) -> Iterator[subprocess.Popen]:
    """A process that does not outlive the test, nor anything that it started."""
    with log.open("ab") as output:
        started = subprocess.Popen(command, stdout=output, stderr=output, **options)
    try:
        yield started
    finally:
        end(started)


def end(started: subprocess.Popen) -> None:
    """SIGTERM, and for what does not listen SIGKILL, with all descendants."""
    try:
        family = psutil.Process(started.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        family = []
    if started.poll() is None:
        started.terminate()
    try:
        started.wait(10)
    except subprocess.TimeoutExpired:
        started.kill()
        started.wait()
    for child in family:
        try:
            child.kill()
        except psutil.NoSuchProcess:
            continue


@dataclass(frozen=True)
class Certificates:
    """What docs/cluster.md makes with openssl."""

    folder: Path

    def options(self, ca: str = "--tls-ca") -> list[str]:
        files = {ca: "ca.pem", "--tls-cert": "cert.pem", "--tls-key": "key.pem"}
        return [part for option, name in files.items() for part in (option, self.folder / name)]


def documented(page: Path, word: str) -> str:
    """The block of shell commands of a page that contains `word`."""
    blocks = re.findall(r"```sh\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    [block] = [block for block in blocks if word in block]
    return block


@dataclass(frozen=True)
class Dask:
    """A scheduler and its workers, as `dask scheduler` and `dask worker` start them."""

    address: str
    nannies: list[subprocess.Popen]
    options: list[str]
    """For `grader batch`."""

    def worker_pid(self, number: int) -> int:
        """The process below the nanny that grades."""
        for child in psutil.Process(self.nannies[number].pid).children():
            if "spawn_main" in " ".join(child.cmdline()):
                return child.pid
        raise AssertionError("the nanny has no worker process")


@contextmanager
def dask_cluster(
    folder: Path,
    certificates: Certificates,
    environment: dict[str, str],
    *,
    workers: int = 2,
    prefix: tuple[str, ...] = (),
) -> Iterator[Dask]:
    """`prefix` comes before the command of each worker."""
    dask = [sys.executable, "-P", "-m", "dask"]
    tls = list(map(str, certificates.options("--tls-ca-file")))
    file = folder / "scheduler.json"
    local = ["--dashboard-address", "127.0.0.1:0"]
    scheduler = ["scheduler", "--host", "127.0.0.1", "--port", "0", "--scheduler-file", str(file)]
    with ExitStack() as stack:

        def start(command: list[str], name: str) -> subprocess.Popen:
            return stack.enter_context(
                process(command, folder / f"{name}.log", env=environment, cwd=folder)
            )

        start([*dask, *scheduler, "--protocol", "tls", *tls, *local], "scheduler")
        wait_until(
            lambda: file.exists() and file.read_bytes().strip().endswith(b"}"),
            "the scheduler writes its address",
        )
        address = json.loads(file.read_bytes())["address"]
        worker = [*prefix, *dask, "worker", address, *tls, "--nthreads", "1", *local]
        nannies = [start(worker, f"worker-{number}") for number in range(workers)]
        yield Dask(address, nannies, ["--dask", address, *map(str, certificates.options())])


# Slurm --------------------------------------------------------------------------------------


def missing_for_slurm() -> str:
    """Why Slurm cannot be started here; empty when it can."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        return "starting Slurm's daemons needs root"
    missing = [name for name in SLURM if shutil.which(name) is None]
    if missing:
        return f"no {missing[0]}: apt-get install slurmctld slurmd slurm-client munge"
    return ""


@contextmanager
def slurm() -> Iterator[dict[str, str]]:
    """One node with one partition, `class`; yields the environment that reaches it."""
    folder = Path(tempfile.mkdtemp(prefix="grader-slurm-"))
    folder.chmod(0o711)  # munge's clients must reach its socket
    key = folder / "munge.key"
    key.write_bytes(os.urandom(128))
    key.chmod(0o400)
    for name in ("state", "spool"):
        (folder / name).mkdir()
    host = socket.gethostname().partition(".")[0]
    conf = folder / "slurm.conf"
    conf.write_text(_configuration(folder, host), encoding="utf-8")
    environment = {"SLURM_CONF": str(conf)}
    munged = ["munged", "--foreground", f"--socket={folder}/munge.socket", f"--key-file={key}"]
    munged += [f"--{name}-file={folder}/munged.{name}" for name in ("pid", "seed", "log")]
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)

        def start(*command: str) -> subprocess.Popen:
            log = folder / f"{command[0]}.out"
            return stack.enter_context(process([*command], log, env=os.environ | environment))

        daemon = start(*munged)
        wait_until((folder / "munge.socket").exists, "munged opens its socket", daemon)
        start("slurmctld", "-D", "-f", str(conf))
        start("slurmd", "-D", "-f", str(conf), "-N", host)
        stack.callback(_cancel_all, environment)
        wait_until(lambda: "idle" in slurm_says(environment, "sinfo", "-h", "-o", "%T"), "a node")
        yield environment


def slurm_says(environment: dict[str, str], *command: str) -> str:
    """What a command of Slurm prints."""
    return subprocess.run(
        command,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=WAIT_SECONDS,
        check=False,
    ).stdout


def _cancel_all(environment: dict[str, str]) -> None:
    slurm_says(environment, "scancel", "--state=PENDING")
    slurm_says(environment, "scancel", "--state=RUNNING")
    wait_until(lambda: not slurm_says(environment, "squeue", "-h").strip(), "jobs end")


def _configuration(folder: Path, host: str) -> str:
    return f"""
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={_free_port()}
SlurmdPort={_free_port()}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
SlurmUser=root
SlurmdUser=root
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
MpiDefault=none
ReturnToService=2
NodeName={host} NodeAddr=127.0.0.1 CPUs={min(2, os.cpu_count() or 1)} RealMemory=6000
PartitionName=class Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def interrupt(started: subprocess.Popen) -> None:
    """What Ctrl-C does."""
    started.send_signal(signal.SIGINT)
