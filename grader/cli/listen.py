"""`grader listen MODEL [WAV]`."""

from __future__ import annotations

import queue
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from grader.cli import options
from grader.text import Lang, Text
from grader.text.errors import ExitCode, UsageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from grader.sandbox.runners.stream import StreamJob

SAMPLE_RATE = 16_000
HOP = 160
"""Samples of 10 ms, the step of the features."""
FORMS = {".onnx": "onnx", ".ts": "torchscript"}
"""Form of a model by the suffix of its file."""


@click.command()
@click.argument("model", type=options.PATH)
@click.argument("sound", metavar="[WAV]", required=False, type=options.PATH)
@click.option(
    "--threshold",
    type=click.FloatRange(0.0, 1.0),
    default=0.9,
    show_default=True,
    help="Probability at which a detection is printed.",
)
@click.option(
    "--chunk",
    type=click.IntRange(min=10),
    default=80,
    show_default=True,
    help="Milliseconds of sound at a time, a multiple of 10.",
)
@click.option("--seconds", type=float, help="Stop listening to the microphone after this long.")
@options.lang
def command(
    model: Path, sound: Path | None, threshold: float, chunk: int, seconds: float | None, lang: Lang
) -> int:
    """Let MODEL (model.onnx or model.ts) listen to a WAV file, or without one to the microphone.

    Prints every detection as it comes, with the time and the probability. The microphone needs the
    package sounddevice (`pip install sounddevice`).
    """
    job = _job(model)
    if chunk % 10:
        raise UsageError("--chunk {chunk} is no multiple of 10 ms.", chunk=chunk)
    size = chunk * SAMPLE_RATE // 1000
    chunks = _from_file(sound, size) if sound is not None else _from_microphone(size, seconds, lang)
    try:
        _follow(job, chunks, threshold, lang)
    except KeyboardInterrupt:
        click.echo()
    return ExitCode.OK


def _job(path: Path) -> StreamJob:
    from grader.measure.streams import stream_model
    from grader.sandbox.runners.stream import StreamJob

    form = FORMS.get(path.suffix.lower())
    if form is None:
        raise UsageError(
            "{path} is neither model.onnx nor model.ts; give a streaming model.", path=path
        )
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(
            "{path} cannot be read ({strerror}).", path=path, strerror=error.strerror
        ) from error
    read = stream_model.read(data, form, (8,))  # type: ignore[arg-type]
    return StreamJob(read.data, read.form)


def _follow(
    job: StreamJob, chunks: Iterator[NDArray[np.float32]], threshold: float, lang: Lang
) -> None:
    """Feed the model and print its detections, one for each rise to the threshold."""
    from grader.lesson.spec import RunLimits
    from grader.sandbox.runners.stream import Listener

    limits = RunLimits(wall_seconds=24 * 3600.0, cpu_seconds=24 * 3600.0)
    heard, above, found, busy = 0.0, False, 0, 0.0
    with Listener(job, limits) as listener:
        listener.reset()
        for chunk in chunks:
            started = time.perf_counter()
            answer = listener.hear(chunk, [len(chunk)])
            busy += time.perf_counter() - started
            heard += len(chunk) / SAMPLE_RATE
            probability = float(answer.probabilities[-1])
            if probability >= threshold and not above:
                found += 1
                label = Text("detected")
                row = Text(
                    "{heard:8.2f} s  {label}  p = {probability:.3f}",
                    heard=heard,
                    label=label,
                    probability=probability,
                )
                click.echo(row.to(lang))
            above = probability >= threshold
        listener.finish()
    factor = busy / heard if heard else 0.0
    summary = Text(
        "Heard {heard:.1f} s, detections: {found}, real-time factor {factor:.4f}.",
        heard=heard,
        found=found,
        factor=factor,
    )
    click.echo(summary.to(lang))


def _from_file(path: Path, size: int) -> Iterator[NDArray[np.float32]]:
    """Chunks of a 16-bit mono .wav at 16 kHz; other rates are resampled. The last is filled up
    with silence to a multiple of the hop."""
    import wave

    import numpy as np

    try:
        with path.open("rb") as file, wave.open(file) as wav:
            channels, width, rate = wav.getnchannels(), wav.getsampwidth(), wav.getframerate()
            raw = wav.readframes(wav.getnframes())
    except (OSError, EOFError, wave.Error) as error:
        why = error.strerror if isinstance(error, OSError) else str(error) or "cut short"
        raise UsageError(
            "{path} is no .wav file that can be read ({why}); convert it to 16-bit PCM.",
            path=path,
            why=why,
        ) from error
    if width != 2 or not raw:
        raise UsageError(
            "{path} has {width} bits a sample and {raw_count} bytes of sound; expected 16-bit PCM.",
            path=path,
            width=8 * width,
            raw_count=len(raw),
        )
    whole = len(raw) - len(raw) % (2 * channels)
    sound = np.frombuffer(raw[:whole], "<i2").reshape(-1, channels).mean(axis=1) / 32768.0
    if rate != SAMPLE_RATE:
        from scipy.signal import resample_poly

        common = int(np.gcd(rate, SAMPLE_RATE))
        sound = resample_poly(sound, SAMPLE_RATE // common, rate // common)
    samples = np.pad(sound.astype(np.float32), (0, -len(sound) % HOP))
    yield from np.split(samples, range(size, len(samples), size))


def _from_microphone(size: int, seconds: float | None, lang: Lang) -> Iterator[NDArray[np.float32]]:
    """Chunks of the default input until Ctrl-C. Raises UsageError without the library or a
    microphone."""
    try:
        import sounddevice
    except (ImportError, OSError) as error:
        raise UsageError(
            "The microphone needs the package sounddevice (`pip install sounddevice`, on Linux "
            "also PortAudio); give a .wav file instead."
        ) from error
    waiting: queue.Queue[Any] = queue.Queue()
    try:
        stream = sounddevice.InputStream(
            samplerate=SAMPLE_RATE,
            channels=1,
            dtype="float32",
            blocksize=size,
            callback=lambda data, *_: waiting.put(data[:, 0].copy()),
        )
    except Exception as error:
        raise UsageError("The microphone cannot be opened: {error}", error=error) from error
    click.echo(Text("Listening; Ctrl-C ends.").to(lang))
    until = None if seconds is None else time.monotonic() + seconds
    with stream:
        while until is None or time.monotonic() < until:
            yield waiting.get()
