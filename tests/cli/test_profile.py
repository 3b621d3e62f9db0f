"""`grader profile` as a person meets it: tables, page, JSON, and a sentence for what is wrong."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from onnx import helper

from grader.measure.hardware import platforms
from tests.conftest import REPOSITORY, Done, Grader
from tests.measure.graph_models import model, node, weights
from tests.report import browser
from tests.report.markup import sound

SPEECH = REPOSITORY / "assignments" / "distillation" / "baseline" / "speech-synthetic.onnx"
CHAT = REPOSITORY / "assignments" / "pruning_arduino" / "baseline" / "tinychat.npz"


@pytest.fixture(scope="module")
def tokens(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model whose inputs have a batch and a length of no fixed size."""
    path = tmp_path_factory.mktemp("models") / "tokens.onnx"
    layers = [node("MatMul", "x w", "a"), node("Relu", "a", "y")]
    path.write_bytes(model(layers, {"x": ["batch", "length", 8]}, {"w": weights(8, 8)}))
    return path


def figures(done: Done) -> dict:  # type: ignore[type-arg]
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def refused(done: Done, *said: str) -> None:
    """Wrong input: exit code 2, one sentence, no traceback."""
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    for text in said:
        assert text in done.stderr


def test_all_platforms_stand_beside_each_other(grader: Grader) -> None:
    done = grader("profile", SPEECH)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    for name in platforms.catalogue().platforms:
        (row,) = [line for line in lines if re.match(rf"{name} +float32", line)]
        assert (" no " in row) == (name == "atmega328p")
    assert "249,604 B more than the 32,256 B of flash" in done.stdout


def test_one_platform_operator_by_operator(grader: Grader) -> None:
    done = grader("profile", SPEECH, "--platform", "cortex-m4", "--lang", "ru")
    assert done.returncode == 0, done.stderr
    assert "Железо: 0,032 GMAC/с в float32, " in done.stdout
    assert "Помещается: веса 281\u00a0860\u00a0Б" in done.stdout
    assert re.search(r"/gru/GRU \(GRU\) +439\s296 +161\s280 .*вычисления .*мс +47,8%", done.stdout)
    assert "узкое" not in done.stdout.splitlines()[0]


def test_the_json_adds_up(grader: Grader) -> None:
    found = figures(grader("profile", SPEECH, "--json"))
    assert found["macs"] == 914_624
    assert found["weight_bytes"] == 281_860
    assert [one["platform"] for one in found["platforms"]] == list(platforms.catalogue().platforms)
    for one in found["platforms"]:
        assert sum(layer["seconds"] for layer in one["layers"]) == pytest.approx(one["seconds"])
        assert sum(layer["macs"] for layer in one["layers"]) == found["macs"]
        assert sum(layer["share"] for layer in one["layers"]) == pytest.approx(1)
    assert found["measured"] is None


def test_a_type_changes_bytes_and_leaves_out_who_lacks_it(grader: Grader) -> None:
    found = figures(grader("profile", SPEECH, "--dtype", "float16", "--json"))
    names = {one["platform"] for one in found["platforms"]}
    assert names == {"raspberry-pi-5", "jetson-orin-nano", "server-gpu"}
    assert {one["weight_bytes"] for one in found["platforms"]} == {2 * 70_443 + 88}


def test_the_batch_is_counted(grader: Grader) -> None:
    one, many = (
        figures(grader("profile", SPEECH, "--platform", "laptop-cpu", "--batch", n, "--json"))
        for n in ("1", "8")
    )
    assert many["macs"] == 8 * one["macs"]
    assert many["weight_bytes"] == one["weight_bytes"]
    ratio = many["platforms"][0]["seconds"] / one["platforms"][0]["seconds"]
    assert 1 < ratio < 8


def test_an_integer_network_shows_what_its_weights_can_be_stored_in(grader: Grader) -> None:
    done = grader("profile", CHAT, "--platform", "atmega328p")
    assert done.returncode == 0, done.stderr
    assert "146,232 B: a byte a weight" in done.stdout
    assert "37,944 B: packed, 2 bits a weight" in done.stdout
    assert "entropy" in done.stdout
    assert "Does not fit: the weights take 37,944 B, 5,688 B more" in done.stdout


def test_a_platform_of_ones_own(grader: Grader, tmp_path: Path) -> None:
    page = (REPOSITORY / "docs" / "platforms.md").read_text(encoding="utf-8")
    own = tmp_path / "own.toml"
    own.write_text(page.split("```toml\n")[1].split("```")[0], encoding="utf-8")
    done = grader("profile", CHAT, "--platform", "example", "--platforms", own)
    assert done.returncode == 0, done.stderr
    assert "Example board" in done.stdout


def test_a_dynamic_size_is_asked_for_and_taken(grader: Grader, tokens: Path) -> None:
    refused(grader("profile", tokens), "sizes of length are not fixed", "--size length=N")
    found = figures(grader("profile", tokens, "--size", "length=5", "--json"))
    assert found["macs"] == 5 * 8 * 8
    refused(grader("profile", tokens, "--size", "length"), "NAME=N")
    refused(grader("profile", tokens, "--size", "length=0"), "NAME=N")


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("model.onnx", b"not a model", "not a readable ONNX model"),
        ("model.onnx", b"", "empty"),
        ("model.pt", b"PK\x03\x04", "give an .onnx file"),
        ("model.npz", b"PK\x03\x04", "model.npz cannot be used"),
        ("модель.onnx", b"\x80\x02}q", "checkpoint"),
    ],
)
def test_what_is_no_model_is_said(
    grader: Grader, tmp_path: Path, name: str, data: bytes, said: str
) -> None:
    (tmp_path / name).write_bytes(data)
    refused(grader("profile", tmp_path / name), said)


def test_other_mistakes_get_a_sentence(grader: Grader, tmp_path: Path) -> None:
    refused(grader("profile", tmp_path / "none.onnx"), "cannot be read")
    refused(grader("profile", SPEECH, "--platform", "esp23"), "did you mean esp32?")
    refused(
        grader("profile", SPEECH, "--platform", "laptop-cpu", "--dtype", "float16"),
        "cannot compute in float16; it has float32, int8",
    )
    refused(grader("profile", CHAT, "--batch", "2"), "one character at a time")
    refused(grader("profile", CHAT, "--measure"), "simulated board")
    refused(grader("profile", SPEECH, "--measure", "--dtype", "int8"), "as it is exported")
    refused(grader("profile", SPEECH, "--platforms", tmp_path / "no.toml"), "no.toml")
    refused(grader("profile", SPEECH, "--platform", "?", "--lang", "ru"), "Платформы '?' нет")


def test_an_operator_without_a_cost_is_named(grader: Grader, tmp_path: Path) -> None:
    odd = helper.make_node("Loop", ["x"], ["y"])
    path = tmp_path / "odd.onnx"
    path.write_bytes(model([odd], {"x": [1, 4]}))
    refused(grader("profile", path), "Loop")
    path.write_bytes(model([helper.make_node("Fancy", ["x"], ["y"])], {"x": [1, 4]}))
    refused(grader("profile", path), "Fancy")


@pytest.mark.slow
def test_measured_beside_predicted(grader: Grader, tokens: Path) -> None:
    done = grader("profile", tokens, "--size", "length=64", "--measure", "--json")
    measured = figures(done)["measured"]
    assert measured["rounds"] >= 3
    assert [layer["name"] for layer in measured["layers"]] == ["a", "y"]
    assert measured["seconds"] > 0
    assert measured["macs_per_second"]["float32"] > 1e8
    shown = grader("profile", tokens, "--size", "length=64", "--measure", "--lang", "ru")
    assert "Эта машина, один поток" in shown.stdout
    assert "модель целиком" in shown.stdout


# The page.


@pytest.fixture(scope="module")
def pages(grader: Grader, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pages")
    asked = {
        "one": (SPEECH, "--platform", "esp32"),
        "zoo": (SPEECH, "--lang", "ru"),
        "chat": (CHAT, "--platform", "atmega328p", "--lang", "ru"),
    }
    for name, arguments in asked.items():
        done = grader("profile", *arguments, "--html", folder / f"{name}.html")
        assert done.returncode == 0, done.stderr
    return {name: folder / f"{name}.html" for name in asked}


def without_sources(page: str) -> str:
    """Data sheets are the only places that a page may lead to."""
    for source in platforms.catalogue().sources.values():
        page = page.replace(f'href="{source.address}"', 'href="#"')
    return page


def test_pages_are_sound_and_say_where_figures_are_from(pages: dict[str, Path]) -> None:
    for path in pages.values():
        sound(without_sources(path.read_text(encoding="utf-8")))
    one = pages["one"].read_text(encoding="utf-8")
    catalogue = platforms.catalogue()
    for figure in platforms.load("esp32").figures().values():
        assert catalogue.sources[figure.source].address in one
    assert "Roofline" in one
    assert "Что не помещается" in pages["zoo"].read_text(encoding="utf-8")
    assert "только в сжатом виде" not in pages["chat"].read_text(encoding="utf-8")


def test_a_name_in_the_model_cannot_become_markup(grader: Grader, tmp_path: Path) -> None:
    evil = "<script>alert(1)</script>"
    raw = model([helper.make_node("MatMul", ["x", "w"], ["y"], name=evil)], {"x": [1, 4]},
                {"w": np.ones((4, 4), np.float32)})  # fmt: skip
    (tmp_path / "m.onnx").write_bytes(raw)
    html = tmp_path / "m.html"
    done = grader("profile", tmp_path / "m.onnx", "--platform", "esp32", "--html", html)
    assert done.returncode == 0, done.stderr
    page = html.read_text(encoding="utf-8")
    assert evil not in page
    sound(without_sources(page))


@pytest.mark.slow
@pytest.mark.skipif(browser.executable() is None, reason="no Chromium")
def test_pages_load_nothing_and_fit_a_phone(pages: dict[str, Path]) -> None:
    with browser.page() as page:
        for path in pages.values():
            page.open(path)
            assert page.requests == [path.resolve().as_uri()]
            assert page.problems == []
            page.send("Emulation.setDeviceMetricsOverride", width=390, height=844,
                      deviceScaleFactor=1, mobile=True)  # fmt: skip
            assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
