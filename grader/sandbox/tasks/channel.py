"""The child's end of the wire: raw bytes of known lengths, one request at a time."""

from __future__ import annotations

import os
from dataclasses import dataclass


@dataclass(frozen=True)
class Channel:
    requests: int
    answers: int

    def read(self, count: int) -> bytes:
        """Exactly `count` bytes. Raises SystemExit when the other side is gone."""
        parts = os.read(self.requests, count)
        while len(parts) < count:
            block = os.read(self.requests, count - len(parts))
            if not block:
                raise SystemExit(0)
            parts += block
        return parts

    def write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(self.answers, view) :]
