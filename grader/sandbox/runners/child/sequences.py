"""Sandbox B: several ONNX models over sequences of token ids, one bundle of posts at a time.

Blobs are the models. Protocol, raw little-endian; a request is a record `REQUEST`:

    LOAD model                open it; answered by READY
    PREPARE model ...         keep a bundle: the lengths (uint32) and then the ids (int32) of its
                              posts follow, to be run in batches of `batch` posts, each batch
                              padded to its longest post and to at least `width`; with `warm` its
                              first batch is run at once, untimed; answered by READY
    GO                        run the bundle; answered by float32 (posts, classes)
    END                       end the process

What is timed from outside is the time between GO and its answer, in which only the model runs.
"""

from __future__ import annotations

import gc
import struct

import numpy as np

from grader.sandbox.isolation.task import READY, ChildExit, Work
from grader.sandbox.runners.child.runtime import checked, classified, open_session

LOAD, PREPARE, GO, END = range(4)
REQUEST = struct.Struct("<BBBHIIq")
"""kind, model, warm, batch, posts, width, id of padding."""
IDS, MASK, LOGITS = "input_ids", "attention_mask", "logits"

Feeds = dict[str, np.ndarray]


def run(work: Work) -> None:
    models: dict[int, _Model] = {}
    gc.disable()  # no collection may fall into what is timed
    read, write = work.channel.read, work.channel.write
    bundle, model = [], None
    while True:
        kind, number, warm, batch, posts, width, pad = REQUEST.unpack(read(REQUEST.size))
        if kind == END:
            return
        if kind == LOAD:
            models.pop(number, None)
            models[number] = _Model(work.blob(number), work.order["classes"])
            write(READY)
        elif kind == PREPARE:
            lengths = np.frombuffer(read(4 * posts), "<u4").astype(np.int64)
            ids = np.frombuffer(read(4 * int(lengths.sum())), "<i4")
            model = models[number]
            rows = np.split(ids, np.cumsum(lengths)[:-1])
            bundle = [
                model.feeds(rows[start : start + batch], width, pad)
                for start in range(0, posts, batch)
            ]
            if warm:
                model(bundle[:1])
            write(READY)
        else:
            assert model is not None
            write(model(bundle).tobytes())


class _Model:
    def __init__(self, data: bytes, classes: int) -> None:
        self._session = open_session(data)
        self._masked = any(port.name == MASK for port in self._session.get_inputs())
        self._classes = classes

    def feeds(self, rows: list[np.ndarray], width: int, pad: int) -> Feeds:
        """The inputs of one batch: ids (rows, longest), and a mask where the model takes one."""
        width = max(width, *map(len, rows))
        ids = np.full((len(rows), width), pad, np.int64)
        mask = np.zeros((len(rows), width), np.int64)
        for number, row in enumerate(rows):
            ids[number, : len(row)] = row
            mask[number, : len(row)] = 1
        return {IDS: ids, MASK: mask} if self._masked else {IDS: ids}

    def __call__(self, bundle: list[Feeds]) -> np.ndarray:
        """(posts, classes) float32."""
        run, names = self._session.run, [LOGITS]
        try:
            outputs = [run(names, feeds)[0] for feeds in bundle]
        except Exception as error:
            raise classified(error, ChildExit.RUN_FAILED) from error
        return np.concatenate(
            [
                checked(output, (len(feeds[IDS]), self._classes))
                for output, feeds in zip(outputs, bundle, strict=True)
            ]
        )
