"""eSpeak NG through ctypes: words in, samples out, without a sound card or a download.

The library keeps state between calls, so the same word spoken twice in one process differs
slightly; the same sequence of calls in a fresh process gives identical samples. That is why
`grader.data.speech.espeak_worker` speaks each shard in a process of its own.
"""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from grader.text.errors import Fault

SYNCHRONOUS = 2
"""AUDIO_OUTPUT_SYNCHRONOUS: the callback gets the samples; 20 times faster than RETRIEVAL."""
DO_NOT_EXIT = 0x8000
_RATE, _PITCH, _RANGE = 1, 3, 4
_CHARS_UTF8 = 1
_POS_CHARACTER = 1
_SEED = 1

_Callback = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p
)


class Espeak:
    """The engine of this process. Make only one, since the state of the library is global.

    Making it changes the working directory, so it belongs in a process of its own.
    """

    def __init__(self) -> None:
        import espeakng_loader

        self._data = Path(espeakng_loader.get_data_path())
        self._library = ctypes.CDLL(str(espeakng_loader.get_library_path()))
        self._spoken: list[bytes] = []
        self._callback = _Callback(self._collect)  # a reference, or it would be collected
        # From its own folder: eSpeak cuts paths at 160 bytes, and Windows would read them in a
        # code page that need not have the letters of the user's name.
        os.chdir(self._data.parent)
        rate = self._library.espeak_Initialize(SYNCHRONOUS, 0, b".", DO_NOT_EXIT)
        if rate <= 0:
            raise Fault(
                "eSpeak NG does not start with its data in {data}; install espeakng-loader again.",
                data=self._data,
            )
        # eSpeak seeds its generator with the time of day; breathy voices are made from it.
        self._library.espeak_ng_SetRandSeed(ctypes.c_long(_SEED))
        self._library.espeak_SetSynthCallback(self._callback)
        self.sample_rate: int = rate
        """Hertz; 22,050 for all English voices."""

    def say(
        self, word: str, *, accent: str, variant: str, pitch: int, inflection: int, rate: int
    ) -> NDArray[np.int16]:
        """The samples of one word, shape (samples,) at `sample_rate`, silence around it kept.

        `pitch` and `inflection` are 0 to 99 (50 is the voice's own), `rate` is in words per
        minute. Raises Fault for an unknown accent or variant.
        """
        # An unknown variant is not an error to eSpeak: it would speak in its default voice.
        known = (self._data / "voices" / "!v" / variant).is_file()
        if not known or self._library.espeak_SetVoiceByName(f"{accent}+{variant}".encode()) != 0:
            raise Fault(
                "This eSpeak NG has no voice {accent}+{variant}; install the version of "
                "espeakng-loader that constraints.txt names.",
                accent=accent,
                variant=variant,
            )
        for parameter, value in ((_RATE, rate), (_PITCH, pitch), (_RANGE, inflection)):
            self._library.espeak_SetParameter(parameter, value, 0)
        self._spoken.clear()
        raw = word.encode() + b"\0"
        status = self._library.espeak_Synth(
            raw, ctypes.c_size_t(len(raw)), 0, _POS_CHARACTER, 0, _CHARS_UTF8, None, None
        )
        if status != 0:
            raise Fault(
                "eSpeak NG could not say {word!r} (status {status}).", word=word, status=status
            )
        self._library.espeak_Synchronize()
        return np.frombuffer(b"".join(self._spoken), np.int16)

    def _collect(
        self, samples: ctypes._Pointer[ctypes.c_short], count: int, _events: object
    ) -> int:
        if samples and count > 0:
            self._spoken.append(ctypes.string_at(samples, count * 2))
        return 0
