"""Which clusters are refused before anything is sent, and how work is cut into tasks."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grader.batch.cluster import connect_dask, task_size
from grader.text.errors import UsageError


@pytest.mark.parametrize("address", ["tcp://10.0.0.5:8786", "tcp://cluster.example:8786"])
def test_unencrypted_connection_to_another_machine_is_refused(address: str) -> None:
    with pytest.raises(UsageError, match="is not encrypted") as refused, connect_dask(address):
        pass
    assert refused.value.text.to("ru") != refused.value.text.to("en")


@pytest.mark.parametrize(
    "address", ["", "host:8786", "tls://host", "tls://:8786", "http://host:1", "tls://host:port"]
)
def test_invalid_address_is_refused(address: str) -> None:
    with pytest.raises(UsageError, match="expected tls://HOST:PORT"), connect_dask(address):
        pass


def test_certificates_are_required(tmp_path: Path) -> None:
    pytest.importorskip("distributed")
    with pytest.raises(UsageError, match="needs certificates"), connect_dask("tls://host:8786"):
        pass
    absent = tmp_path / "ca.pem"
    with (
        pytest.raises(UsageError, match=r"ca\.pem is not a file"),
        connect_dask("tls://host:8786", ca=absent, cert=absent, key=absent),
    ):
        pass


def test_missing_package_says_what_to_install() -> None:
    program = (
        "import sys; sys.modules['distributed'] = None\n"
        "from grader.batch.cluster import connect_dask\n"
        "from grader.text.errors import UsageError\n"
        "try:\n"
        "    connect_dask('tls://host:8786').__enter__()\n"
        "except UsageError as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert "pip install 'small-fast-nets[cluster]'" in done.stdout


def test_cluster_packages_are_imported_only_when_a_cluster_is_asked_for() -> None:
    program = (
        "import sys, grader.batch.cluster, grader.batch.slurm, grader.batch.worker_host\n"
        "print({'dask', 'distributed', 'dask_jobqueue'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "set()"


@given(submissions=st.integers(1, 3_000), cores=st.integers(1, 300))
def test_tasks_have_10_to_50_submissions_and_fewer_only_so_that_every_core_has_one(
    submissions: int, cores: int
) -> None:
    waiting, sizes = submissions, []
    while waiting:
        sizes.append(task_size(waiting, cores))
        assert 1 <= sizes[-1] <= 50
        assert sizes[-1] >= 10 or waiting < 10 * cores
        waiting -= sizes[-1]
    assert waiting == 0
    assert len(sizes) >= min(submissions, cores)
