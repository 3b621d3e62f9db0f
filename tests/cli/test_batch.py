"""`grader batch`: options that say where it runs. What it grades is tested in tests/batch."""

from __future__ import annotations

from pathlib import Path

import pytest

from grader.cli import run

DASK = ("--dask", "tls://host:8786")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((*DASK, "--slurm"), "--dask and --slurm are two places to run"),
        (("--slurm-jobs", "2"), "--slurm-jobs belongs to --slurm"),
        ((*DASK, "--slurm-cores", "2"), "--slurm-cores belongs to --slurm"),
        (("--tls-ca", __file__), "--tls-ca belongs to --dask"),
        (("--slurm", "--tls-key", __file__), "--tls-key belongs to --dask"),
    ],
)
def test_options_that_contradict_each_other_are_one_sentence(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, arguments: tuple[str, ...], sentence: str
) -> None:
    command = ["batch", "distillation", str(tmp_path), "--out", str(tmp_path / "out")]
    assert run([*command, "--lang", "en", *arguments]) == 2
    assert sentence in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
