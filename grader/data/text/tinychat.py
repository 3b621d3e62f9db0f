"""`tinychat`: the query|reply pairs of Z80-uLM, and the network published with them.

3,002 pairs with 2,290 distinct queries. Two files, small enough to be read anew each time.
"""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

from grader.data.dataset import Dataset, Request, damaged, empty
from grader.data.download import PublishedFiles
from grader.data.text import chat
from grader.data.text.chat import PairSet
from grader.text import Text

NAME = "tinychat"
ADDRESS = "https://github.com/HarryR/z80ai/tree/HEAD/examples/tinychat"
PAIRS = "training-data.txt.gz"
MODEL = "model.npz"
MAX_UNPACKED = 16 * 2**20

FILES = PublishedFiles(
    NAME,
    url="https://raw.githubusercontent.com/HarryR/z80ai/HEAD/examples/tinychat/",
    sha256={
        PAIRS: "5d91e9febdb4cf5e7cc12d784878d68ad46728e07bb0390bf73efce68d0b3edc",
        MODEL: "c7612ccfb5f22fe4d70ed8bc6fcf002d486c064fd9c10f25a0c459682fddb2a5",
    },
    remedy=Text(
        "Run `grader data get {name}` to download it, or add --from with a folder that holds "
        "{pairs} (from {address}).",
        name=NAME,
        pairs=PAIRS,
        address=ADDRESS,
    ),
    optional=(MODEL,),
)


def published_model(source: Path | None = None) -> Path:
    """The published network's file. Raises DataError when it is not here."""
    return FILES.path(MODEL, source)


def _load(request: Request) -> PairSet:
    pairs = _read(FILES.path(PAIRS, request.source))
    chosen = tuple(pair for pair in pairs if chat.part_of(NAME, pair.query) == request.part)
    if not chosen:
        raise empty(NAME, request.part, request.source or FILES.folder, FILES.remedy)
    return PairSet(NAME, request.part, chosen)


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
        raise damaged(path, error, FILES.remedy) from error


DATASET = Dataset(
    name=NAME,
    holds=PairSet,
    title=Text("query|reply pairs of Z80-uLM's tinychat, and its network"),
    license="MIT or Apache-2.0",
    size=Text("3,002 pairs, 0.2 MB"),
    address=ADDRESS,
    load=_load,
    prepare=lambda source, progress: FILES.get(source, progress, check=_read),
    is_prepared=FILES.are_here,
)
