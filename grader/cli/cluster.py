"""The options for where a batch runs: this machine, a Dask cluster, or Slurm."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import click

from grader import batch
from grader.cli.options import Decorator
from grader.text import Text
from grader.text.errors import UsageError

Run = Callable[..., None]
"""`batch.run` without `jobs`, or `run_on_cluster` without `cluster`."""

_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)
_OPTIONS = (
    click.option("--dask", metavar="ADDRESS", help="Grade on this Dask cluster, tls://HOST:PORT."),
    click.option("--tls-ca", type=_FILE, help="Certificate authority of --dask."),
    click.option("--tls-cert", type=_FILE, help="Our certificate for --dask."),
    click.option("--tls-key", type=_FILE, help="Our key for --dask."),
    click.option("--slurm", is_flag=True, help="Grade in jobs of Slurm, started for this batch."),
    click.option("--slurm-jobs", type=click.IntRange(min=1), help="How many.  [default: 1]"),
    click.option("--slurm-cores", type=click.IntRange(min=1), help="Cores of each."),
    click.option("--slurm-memory", metavar="SIZE", help="Memory of each, e.g. 12GB."),
    click.option("--slurm-partition", metavar="NAME", help="Partition of the jobs."),
    click.option("--slurm-account", metavar="NAME", help="Account of the jobs."),
    click.option("--slurm-time", metavar="TIME", help="Time limit of each, e.g. 02:00:00."),
)


@dataclass(frozen=True)
class Place:
    """The values of the options; without --dask and --slurm, this machine."""

    dask: str | None = None
    tls_ca: Path | None = None
    tls_cert: Path | None = None
    tls_key: Path | None = None
    slurm: bool = False
    slurm_jobs: int | None = None
    slurm_cores: int | None = None
    slurm_memory: str | None = None
    slurm_partition: str | None = None
    slurm_account: str | None = None
    slurm_time: str | None = None


HERE = Place()


def place() -> Decorator:
    """All options of a cluster, as one argument `place`."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def with_place(**given: Any) -> Any:
            chosen = Place(**{field.name: given.pop(field.name) for field in fields(Place)})
            _require_consistent(chosen)
            return function(place=chosen, **given)

        result: Callable[..., Any] = with_place
        for option in reversed(_OPTIONS):
            result = option(result)
        return result

    return decorate


@contextmanager
def runner(place: Place, jobs: int, out: Path) -> Iterator[Run]:
    """A function that grades at `place`, as `batch.run` does, while the context is open."""
    if place.dask is None and not place.slurm:
        yield functools.partial(batch.run, jobs=jobs)
        return
    from grader.batch import cluster, slurm

    if place.dask is not None:
        connection = cluster.connect_dask(
            place.dask, ca=place.tls_ca, cert=place.tls_cert, key=place.tls_key
        )
    else:
        options = slurm.SlurmOptions(
            jobs=place.slurm_jobs or 1,
            cores=place.slurm_cores,
            memory=place.slurm_memory,
            partition=place.slurm_partition,
            account=place.slurm_account,
            time=place.slurm_time,
        )
        connection = slurm.start_slurm(options, out / "slurm")
    with connection as connected:
        yield functools.partial(cluster.run_on_cluster, cluster=connected)


def _require_consistent(place: Place) -> None:
    if place.dask is not None and place.slurm:
        raise UsageError(
            Text(
                en="--dask and --slurm are two places to run; give one of them.",
                ru="--dask и --slurm — это два разных места запуска; укажите одно.",
            )
        )
    if place.dask is None:
        _require_unused(place, "tls_", "--dask")
    if not place.slurm:
        _require_unused(place, "slurm_", "--slurm")


def _require_unused(place: Place, prefix: str, owner: str) -> None:
    for field in fields(Place):
        if field.name.startswith(prefix) and getattr(place, field.name) is not None:
            option = f"--{field.name.replace('_', '-')}"
            raise UsageError(
                Text(
                    en=f"{option} belongs to {owner}; give both.",
                    ru=f"{option} имеет смысл только вместе с {owner}; укажите оба.",
                )
            )
