"""`tinychat`: the query|reply pairs of Z80-uLM, and the network published with them.

3,002 pairs with 2,290 distinct queries. `get` downloads the two files or copies them from a
folder into `<cache>/sources/tinychat/`; they are small enough to be read anew each time.
"""

from __future__ import annotations

import gzip
import hashlib
import logging
import shutil
import zlib
from pathlib import Path

from grader.data import download, store
from grader.data.speech.clips import Part, Progress
from grader.data.text import chat
from grader.data.text.chat import PairSet
from grader.text import Text
from grader.text.errors import DataError

NAME = "tinychat"
ADDRESS = "https://github.com/HarryR/z80ai/tree/HEAD/examples/tinychat"
PAIRS = "training-data.txt.gz"
MODEL = "model.npz"
SHA256 = {
    PAIRS: "5d91e9febdb4cf5e7cc12d784878d68ad46728e07bb0390bf73efce68d0b3edc",
    MODEL: "c7612ccfb5f22fe4d70ed8bc6fcf002d486c064fd9c10f25a0c459682fddb2a5",
}
MAX_UNPACKED = 16 * 2**20

_RAW = "https://raw.githubusercontent.com/HarryR/z80ai/HEAD/examples/tinychat/"
_log = logging.getLogger(__name__)

REMEDY = Text(
    en=f"Run `grader data get {NAME}` to download it, or add --from with a folder that holds "
    f"{PAIRS} (from {ADDRESS}).",
    ru=f"Скачайте его командой `grader data get {NAME}` или укажите через --from папку, "
    f"в которой лежит {PAIRS} (отсюда: {ADDRESS}).",
)


def load(part: Part, source: Path | None = None) -> PairSet:
    """One part, from a folder or from what `get` left. Raises DataError."""
    folder = source or _kept()
    pairs = _read(_file(folder, PAIRS))
    chosen = tuple(pair for pair in pairs if chat.part_of(NAME, pair.query) == part)
    if not chosen:
        raise DataError(
            Text(
                en=f"The {part} part of {NAME} in {folder} is empty. {REMEDY.en}",
                ru=f"Часть {part} набора {NAME} в {folder} пуста. {REMEDY.ru}",
            )
        )
    return PairSet(NAME, part, chosen)


def get(source: Path | None = None, progress: Progress | None = None) -> Path:
    """Download both files, or copy them from `source` (the network need not be there).

    Returns the folder that `load` reads afterwards. Raises DataError.
    """
    folder = _kept()
    with store.locked(folder, progress):
        folder.mkdir(parents=True, exist_ok=True)
        for name, sha256 in SHA256.items():
            target = folder / name
            if source is not None:
                _copy(source, name, target, sha256)
            elif not target.exists() or _sha256(target) != sha256:
                download.fetch(_RAW + name, target, sha256, progress=progress)
    return folder


def published_model(source: Path | None = None) -> Path:
    """The published network's file. Raises DataError when it is not here."""
    return _file(source or _kept(), MODEL)


def is_prepared() -> bool:
    """True when `load` needs no source."""
    return (_kept() / PAIRS).is_file()


def _copy(source: Path, name: str, target: Path, sha256: str) -> None:
    if name == MODEL and not (source / name).is_file():
        return
    path = _file(source, name)
    if name == PAIRS:
        _read(path)  # a damaged copy must not replace a good one
    if _sha256(path) != sha256:
        _log.warning("%s is not the published file, so figures will not compare.", path)
    partial = target.with_name(f".{target.name}.partial")
    shutil.copyfile(path, partial)
    partial.replace(target)


def _file(folder: Path, name: str) -> Path:
    path = folder / name
    if not path.is_file():
        raise DataError(
            Text(
                en=f"{NAME} is not in {folder}: {name} is missing. {REMEDY.en}",
                ru=f"В {folder} нет набора {NAME}: не хватает {name}. {REMEDY.ru}",
            )
        )
    return path


def _read(path: Path) -> list[chat.Pair]:
    try:
        with gzip.open(path) as file:
            raw = file.read(MAX_UNPACKED + 1)
        if len(raw) > MAX_UNPACKED:
            raise ValueError(f"it unpacks to more than {MAX_UNPACKED:,} bytes")
        pairs = chat.parse(raw.decode("utf-8").splitlines())
        if not pairs:
            raise ValueError("it holds no pair")
        return pairs
    except (OSError, EOFError, zlib.error, ValueError) as error:
        raise DataError(
            Text(
                en=f"{path} is damaged: {error}. {REMEDY.en}",
                ru=f"Файл {path} повреждён: {error}. {REMEDY.ru}",
            )
        ) from error


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _kept() -> Path:
    return store.cache_root() / "sources" / NAME
