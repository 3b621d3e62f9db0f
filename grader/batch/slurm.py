"""A cluster of Slurm jobs that lasts as long as the batch: dask-jobqueue, with TLS.

The scheduler runs here, in this process; each job runs one Dask worker. What is not given comes
from Dask's own configuration (`jobqueue.slurm`). Keys exist for this batch only.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from grader.batch.cluster import Cluster, import_distributed, missing_package
from grader.text import Text
from grader.text.errors import Fault, UsageError

if TYPE_CHECKING:
    from dask_jobqueue import SLURMCluster
    from distributed import Client, Security

CORES = 4
MEMORY_PER_CORE = 3 * 2**30
"""A worker and the submission that it runs, each within its own limit."""
COMMAND_SECONDS = 60
_KEYS = ".keys-"
_PRIVATE = "127.0.0.1:0"
"""Dask's pages about itself are not encrypted: they stay on their own machine."""


@dataclass(frozen=True)
class SlurmOptions:
    """What to ask of Slurm; None is Dask's configuration, then Slurm's default."""

    jobs: int = 1
    cores: int | None = None
    """Of each job: that many submissions are graded in it at once.  [default: 4]"""
    memory: str | None = None
    """Of each job, e.g. `12GB`.  [default: 3 GiB a core]"""
    partition: str | None = None
    account: str | None = None
    time: str | None = None
    """Of each job, e.g. `02:00:00`.  [default: 30 minutes]"""


@contextmanager
def start_slurm(options: SlurmOptions, folder: Path) -> Iterator[Cluster]:
    """A cluster of `options.jobs` jobs; they are cancelled on leaving. `folder` belongs to one
    batch at a time and must be on a disk that all machines share: it gets the jobs' logs, and
    for the time of the batch their keys. Raises UsageError when Slurm, a package or what was
    asked for is not there."""
    distributed = import_distributed("--slurm")
    try:
        import dask_jobqueue

        temporary = distributed.Security.temporary()
    except ImportError as error:
        raise UsageError(missing_package("--slurm", error)) from error
    if shutil.which("sbatch") is None:
        raise UsageError(_no_slurm())
    folder.mkdir(parents=True, exist_ok=True)
    for left in folder.glob(f"{_KEYS}*"):  # by a batch that was killed
        shutil.rmtree(left, ignore_errors=True)
    with (
        tempfile.TemporaryDirectory(prefix=_KEYS, dir=folder.absolute()) as keys,
        _cluster(dask_jobqueue, options, _written(temporary, Path(keys)), folder) as jobs,
    ):
        _require_acceptable(jobs.job_script(), Path(keys))
        jobs.scale(jobs=options.jobs)
        with distributed.Client(jobs, set_as_default=False) as client:
            yield SlurmCluster(client, jobs, options, folder)


class SlurmCluster(Cluster):
    """Jobs that are ours: replaced while the batch gets on, and not for ever."""

    def __init__(
        self, client: Client, jobs: SLURMCluster, options: SlurmOptions, folder: Path
    ) -> None:
        cores = jobs.new_spec["options"]["cores"]
        super().__init__(client, cores=options.jobs * cores)
        self._jobs = jobs
        self._count = options.jobs
        self._folder = folder
        self._graded_at_refill = 0
        self._looked_in_vain = 0

    def tend(self, workers: int, graded: int) -> None:
        """A job that ended, perhaps at its time limit, is replaced if something was graded since
        the last time; jobs may wait in Slurm's queue as long as they like."""
        if graded > self._graded_at_refill:
            # The cluster forgets a lost worker after some seconds, in case it comes back.
            if len(self._jobs.workers) < self._count:
                self._graded_at_refill = graded
                self._jobs.scale(jobs=self._count)
        elif workers or self._any_job():
            self._looked_in_vain = 0
        else:
            # A job may end between Slurm's answer and its worker's goodbye.
            self._looked_in_vain += 1
            if self._looked_in_vain > 2:
                raise Fault(_no_jobs(self._folder))

    def _any_job(self) -> bool:
        """Whether Slurm runs or queues one; yes when it cannot be asked."""
        numbers = [job.job_id for job in self._jobs.workers.values() if job.job_id]
        if not numbers:
            return False
        command = ["squeue", "--noheader", "--format=%i", f"--jobs={','.join(numbers)}"]
        try:
            asked = _run(command)
        except (OSError, subprocess.TimeoutExpired):
            return True
        # Slurm forgets a job some minutes after its end, and then calls its number invalid.
        return bool(asked.stdout.strip()) or (
            asked.returncode != 0 and "Invalid job id" not in asked.stderr
        )


def _written(security: Any, folder: Path) -> Security:
    """The same in files, which jobs can read and nobody else: one pair for all sides."""
    from distributed import Security

    files = {"ca.pem": security.tls_ca_file, "cert.pem": security.tls_client_cert}
    for name, text in {**files, "key.pem": security.tls_client_key}.items():
        (folder / name).write_text(text, encoding="ascii")
    ca, cert, key = (str(folder / f"{name}.pem") for name in ("ca", "cert", "key"))
    roles = ("client", "scheduler", "worker")
    return Security(
        require_encryption=True,
        tls_ca_file=ca,
        **{f"tls_{role}_cert": cert for role in roles},
        **{f"tls_{role}_key": key for role in roles},
    )


def _cluster(
    dask_jobqueue: Any, options: SlurmOptions, security: Security, folder: Path
) -> SLURMCluster:
    import dask

    configured = dask.config.get("jobqueue.slurm", {})
    cores = options.cores or configured.get("cores") or CORES
    memory = options.memory or configured.get("memory") or f"{cores * MEMORY_PER_CORE}B"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return dask_jobqueue.SLURMCluster(
                queue=options.partition,
                account=options.account,
                walltime=options.time,
                cores=cores,
                memory=memory,
                processes=1,
                job_name="grader",
                log_directory=str(folder.absolute()),
                security=security,
                scheduler_options={
                    "dashboard_address": _PRIVATE,
                    **(configured.get("scheduler-options") or {}),
                },
                job_script_prologue=[
                    *(configured.get("job-script-prologue") or []),
                    # The job runs in the folder we were called from, which may be a student's.
                    "export PYTHONSAFEPATH=1",
                ],
                worker_extra_args=[
                    *(configured.get("worker-extra-args") or []),
                    "--dashboard-address",
                    _PRIVATE,
                ],
            )
    except (ValueError, OSError, RuntimeError) as error:
        raise UsageError(_not_started(str(error))) from error


def _require_acceptable(script: str, folder: Path) -> None:
    """Slurm says now what is wrong with what was asked, and not later, job by job."""
    path = folder / "job.sh"
    path.write_text(script, encoding="utf-8")
    try:
        tried = _run(["sbatch", "--test-only", str(path)])
    except subprocess.TimeoutExpired as error:
        raise UsageError(_not_started(f"no answer in {COMMAND_SECONDS} s")) from error
    if tried.returncode != 0:
        raise UsageError(_not_started((tried.stderr.strip().splitlines() or ["sbatch"])[-1]))


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=COMMAND_SECONDS,
        check=False,
        env=os.environ | {"LC_ALL": "C"},
    )


def _no_slurm() -> Text:
    return Text(
        en="--slurm needs Slurm's command sbatch, which is not on this machine's PATH; run it on "
        "a machine from which jobs are submitted.",
        ru="Для --slurm нужна команда Slurm sbatch, но в PATH её нет; запустите на машине, с "
        "которой отправляют задания.",
    )


def _not_started(why: str) -> Text:
    return Text(
        en=f"Slurm does not take the jobs ({why[:300]}); change the --slurm options or "
        "jobqueue.slurm in Dask's configuration.",
        ru=f"Slurm не принимает задания ({why[:300]}); измените параметры --slurm или раздел "
        "jobqueue.slurm в настройках Dask.",
    )


def _no_jobs(folder: Path) -> Text:
    return Text(
        en=f"All Slurm jobs have ended and nothing was graded since; what was finished is kept. "
        f"Look into the jobs' logs in {folder}, then run the same command again.",
        ru=f"Все задания Slurm завершились, и с тех пор ничего не проверено; готовые оценки "
        f"сохранены. Посмотрите журналы заданий в {folder}, а затем повторите команду.",
    )
