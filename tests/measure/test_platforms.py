"""The catalogue of platforms: complete, sourced, extended by a lecturer."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from grader.handout import figures
from grader.measure.hardware import platforms
from grader.measure.hardware.platforms import DTYPES, Figure, Platform
from grader.measure.hardware.roofline import predict
from grader.measure.hardware.workload import NOTHING, Work, Workload
from grader.text.errors import DataError, UsageError

ASKED = (
    "atmega328p",
    "esp32",
    "cortex-m4",
    "cortex-m7",
    "fpga-pynq-z2",
    "raspberry-pi-5",
    "jetson-orin-nano",
    "laptop-cpu",
    "server-gpu",
)
OWN = """
[sources]
sheet = { title = "A board", address = "https://example.org" }

[[platform]]
name = "board"
title = { en = "A board", ru = "Плата" }
kind = "microcontroller"
price = "under 10 USD"
clock_hz = { value = 1e6, source = "sheet" }
memory = { ram = { value = 1000, source = "sheet" } }
bandwidth = { value = 1e6, source = "sheet" }
peak = { int8 = { value = 1e6, source = "sheet" } }
"""


@pytest.fixture(params=ASKED)
def platform(request: pytest.FixtureRequest) -> Platform:
    return platforms.load(request.param)


def write(folder: Path, text: str) -> Path:
    path = folder / "own.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_zoo_is_complete() -> None:
    assert tuple(platforms.catalogue().platforms) == ASKED


def test_every_figure_has_a_source_and_says_how_it_was_derived(platform: Platform) -> None:
    sources = platforms.catalogue().sources
    for name, figure in platform.figures().items():
        source = sources[figure.source]
        assert source.title, name
        assert source.address.startswith(("https://", "python benchmarks/")), name
        if figure.basis != "stated":
            assert figure.how.to("en"), name
            assert figure.how.to("ru"), name


def test_figures_are_in_si_units(platform: Platform) -> None:
    """A GHz written as MHz, or GB/s as MB/s, would be off by a thousand."""
    assert 1e6 <= platform.clock_hz.value <= 6e9
    assert 1e3 <= platform.memory.ram.value <= 1e12
    assert platform.power_w is not None
    assert 1e-3 <= platform.power_w.value <= 1e3
    assert platform.bandwidth.value <= 16 * 8192 * platform.clock_hz.value
    # From software floating point to a chip full of multipliers.
    for dtype, figure in platform.peak.items():
        assert 1e-3 <= figure.value / platform.clock_hz.value <= 1e6, dtype


def test_fewer_bits_are_never_slower(platform: Platform) -> None:
    widths = sorted(
        (platforms.bits(dtype), figure.value) for dtype, figure in platform.peak.items()
    )
    for (narrow, fast), (wide, slow) in pairwise(widths):
        assert narrow == wide or fast >= slow


def test_sources_are_all_cited() -> None:
    catalogue = platforms.catalogue()
    cited = {f.source for one in catalogue.platforms.values() for f in one.figures().values()}
    assert set(catalogue.sources) == cited


def test_a_type_is_computed_in_itself_or_the_narrowest_wider() -> None:
    laptop, board = platforms.load("laptop-cpu"), platforms.load("atmega328p")
    assert [laptop.computes_in(dtype) for dtype in DTYPES] == [
        "float32",
        "float32",
        "float32",
        "float32",
        "int8",
        "int8",
        "int8",
    ]
    assert [board.computes_in(d) for d in ("int2", "int4", "int16")] == ["int2", "int8", "int16"]


def test_an_unknown_platform_is_told_the_nearest() -> None:
    with pytest.raises(UsageError) as caught:
        platforms.load("raspbery_pi")
    assert "did you mean raspberry-pi-5?" in caught.value.text.to("en")
    assert "возможно, вы имели в виду raspberry-pi-5?" in caught.value.text.to("ru")


def test_a_lecturer_adds_and_replaces_platforms(tmp_path: Path) -> None:
    own = write(tmp_path, OWN)
    assert tuple(platforms.catalogue([own]).platforms) == (*ASKED, "board")
    board = platforms.load("board", [own])
    assert board.memory.storage is None
    work = Work("product", "MatMul", macs=2_000_000, dtype="int8")
    found = predict(Workload("int8", 1, (work,), NOTHING, (), 0), board)
    assert (found.seconds, found.fit.fits) == (2.0, True)
    replacing = write(tmp_path, OWN.replace('"board"', '"esp32"'))
    assert tuple(platforms.catalogue([replacing]).platforms) == ASKED
    assert platforms.load("esp32", [replacing]).peak == {"int8": Figure(1e6, "sheet")}


def test_a_course_folder_has_platforms_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "assignments").mkdir()
    (tmp_path / "platforms").mkdir()
    write(tmp_path / "platforms", OWN)
    monkeypatch.setenv("GRADER_COURSE", str(tmp_path))
    assert tuple(platforms.catalogue().platforms)[-1] == "board"


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ('kind = "microcontroller"', 'kind = "toaster"', "toaster"),
        ('price = "under 10 USD"\n', 'price = "under 10 USD"\ncolour = "red"\n', "colour"),
        ("value = 1000", "value = -1", "0"),
        ("value = 1000", "valeu = 1000", "valeu"),
        ('ram = { value = 1000, source = "sheet" }', 'ram = { value = 1000, source = "?" }', "'?'"),
        ("int8 =", "int7 =", "int7"),
        ('name = "board"', 'name = "A board"', "regex"),
        ('bandwidth = { value = 1e6, source = "sheet" }', "", "bandwidth"),
        (
            'bandwidth = { value = 1e6, source = "sheet" }',
            'bandwidth = { value = 1e6, source = "sheet", basis = "derived" }',
            "`how` is empty",
        ),
        (
            "peak =",
            'storage_bandwidth = { value = 1e6, source = "sheet" }\npeak =',
            "without memory.storage",
        ),
        ("[sources]", "[sources", "own.toml"),
    ],
)
def test_a_wrong_file_is_named_with_what_is_wrong(
    tmp_path: Path, before: str, after: str, said: str
) -> None:
    assert before in OWN
    own = write(tmp_path, OWN.replace(before, after))
    with pytest.raises(DataError) as caught:
        platforms.catalogue([own])
    assert "own.toml" in str(caught.value)
    assert said in str(caught.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"none\.toml"):
        platforms.catalogue([tmp_path / "none.toml"])


def test_the_example_of_the_documentation_is_a_platform(tmp_path: Path, repository: Path) -> None:
    page = (repository / "docs" / "platforms.md").read_text(encoding="utf-8")
    (example,) = [part.split("```")[0] for part in page.split("```toml\n")[1:]]
    own = write(tmp_path, example)
    assert platforms.load("example", [own]).peak["int8"].value == 100e6


def test_the_tables_of_the_documentation_are_what_the_command_prints(
    repository: Path, shared_data: Path
) -> None:
    import profile_platforms

    page = (repository / "docs" / "platforms.md").read_text(encoding="utf-8")
    for name, table in profile_platforms.tables(shared_data).items():
        assert figures.fill(page, name, table) == page, name


@pytest.mark.slow
def test_cycles_of_the_simulated_board_are_those_of_the_catalogue() -> None:
    import profile_platforms

    board = platforms.load("atmega328p")
    for dtype, cycles in profile_platforms.cycles().items():
        assert board.peak[dtype].value == pytest.approx(16e6 / cycles, abs=1), dtype
