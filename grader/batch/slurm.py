"""A cluster of Slurm jobs that lasts as long as the batch: dask-jobqueue, with TLS.

The scheduler runs in this process; each job runs one Dask worker. Options that are not given come
from Dask's own configuration (`jobqueue.slurm`). The TLS keys are made for one batch.
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
"""Memory of a worker and of the submission that it runs; each has a limit of its own."""
COMMAND_SECONDS = 60
_KEYS = ".keys-"
_PRIVATE = "127.0.0.1:0"
"""Address of Dask's dashboards, which are not encrypted."""


@dataclass(frozen=True)
class SlurmOptions:
    """Options of the jobs. None stands for Dask's configuration, then for Slurm's default."""

    jobs: int = 1
    cores: int | None = None
    """Cores of each job, which grades as many submissions at once.  [default: 4]"""
    memory: str | None = None
    """Memory of each job, e.g. `12GB`.  [default: 3 GiB a core]"""
    partition: str | None = None
    account: str | None = None
    time: str | None = None
    """Time limit of each job, e.g. `02:00:00`.  [default: 30 minutes]"""


@contextmanager
def start_slurm(options: SlurmOptions, folder: Path) -> Iterator[Cluster]:
    """A cluster of `options.jobs` jobs, which are cancelled on leaving. `folder` is used by one
    batch at a time and must be on a disk that all machines share: the jobs' logs are written to
    it, and during the batch their keys. Raises UsageError when Slurm or a package is missing, or
    when Slurm does not accept the options."""
    distributed = import_distributed("--slurm")
    try:
        import dask_jobqueue

        temporary = distributed.Security.temporary()
    except ImportError as error:
        raise UsageError(missing_package("--slurm", error)) from error
    if shutil.which("sbatch") is None:
        raise UsageError(
            "--slurm needs Slurm's command sbatch, which is not on this machine's PATH; run it "
            "on a machine from which jobs are submitted."
        )
    folder.mkdir(parents=True, exist_ok=True)
    for left in folder.glob(f"{_KEYS}*"):  # of a batch that was killed
        shutil.rmtree(left, ignore_errors=True)
    with (
        tempfile.TemporaryDirectory(prefix=_KEYS, dir=folder.absolute()) as keys,
        _cluster(dask_jobqueue, options, _in_files(temporary, Path(keys)), folder) as jobs,
    ):
        script = Path(keys) / "job.sh"
        script.write_text(jobs.job_script(), encoding="utf-8")
        try:
            tried = _run(["sbatch", "--test-only", str(script)])
        except subprocess.TimeoutExpired as error:
            raise UsageError(_not_started(f"no answer in {COMMAND_SECONDS} s")) from error
        if tried.returncode != 0:
            raise UsageError(_not_started((tried.stderr.strip().splitlines() or ["sbatch"])[-1]))
        jobs.scale(jobs=options.jobs)
        with distributed.Client(jobs, set_as_default=False) as client:
            yield SlurmCluster(client, jobs, options, folder)


class SlurmCluster(Cluster):
    """Jobs of this batch, which are replaced as long as the batch makes progress."""

    def __init__(
        self, client: Client, jobs: SLURMCluster, options: SlurmOptions, folder: Path
    ) -> None:
        cores = jobs.new_spec["options"]["cores"]
        super().__init__(client, cores=options.jobs * cores)
        self._jobs = jobs
        self._count = options.jobs
        self._folder = folder
        self._graded_at_refill = 0
        self._checks_without_job = 0

    def check(self, workers: int, graded: int) -> None:
        """Replace jobs that ended, perhaps at their time limit, if something was graded since the
        last time. Jobs may wait in Slurm's queue without limit."""
        if graded > self._graded_at_refill:
            # The cluster forgets a lost worker after some seconds, in case it comes back.
            if len(self._jobs.workers) < self._count:
                self._graded_at_refill = graded
                self._jobs.scale(jobs=self._count)
        elif workers or self._any_job():
            self._checks_without_job = 0
        else:
            # One check may fall between the end of a job in Slurm and that of its worker in Dask.
            self._checks_without_job += 1
            if self._checks_without_job > 2:
                raise Fault(
                    "All Slurm jobs have ended and nothing was graded since; what was finished "
                    "is kept. Look into the jobs' logs in {folder}, then run the same command "
                    "again.",
                    folder=self._folder,
                )

    def _any_job(self) -> bool:
        """Whether Slurm runs or queues a job of this batch; True when squeue fails."""
        numbers = [job.job_id for job in self._jobs.workers.values() if job.job_id]
        if not numbers:
            return False
        try:
            asked = _run(["squeue", "--noheader", "--format=%i", f"--jobs={','.join(numbers)}"])
        except (OSError, subprocess.TimeoutExpired):
            return True
        # Some minutes after the end of a job Slurm calls its number invalid.
        return bool(asked.stdout.strip()) or (
            asked.returncode != 0 and "Invalid job id" not in asked.stderr
        )


def _in_files(security: Any, folder: Path) -> Security:
    """The same keys in files that only this user can read: one pair for all sides."""
    from distributed import Security

    files = {}
    for kind in ("ca_file", "client_cert", "client_key"):
        path = folder / f"{kind}.pem"
        path.write_text(getattr(security, f"tls_{kind}"), encoding="ascii")
        files[kind] = str(path)
    for role in ("scheduler", "worker"):
        files |= {f"{role}_{kind}": files[f"client_{kind}"] for kind in ("cert", "key")}
    return Security(
        require_encryption=True, **{f"tls_{kind}": path for kind, path in files.items()}
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
                    # The job runs in the current folder, which may be a student's.
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


def _not_started(why: str) -> Text:
    return Text(
        "Slurm does not take the jobs ({why}); change the --slurm options or jobqueue.slurm in "
        "Dask's configuration.",
        why=why[:300],
    )
