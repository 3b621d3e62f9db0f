"""The gate and the checks, each with the expected and the found value and a hint."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from grader.intake import Submission
from grader.lesson.grades import Check, Gate, check
from grader.measure.quality import detection
from grader.measure.streams.detections import Detections
from grader.measure.streams.session import StreamSession
from grader.sandbox.runners.rows import Job, run_onnx
from grader.text import Text, join
from grader.text.errors import Rejected

from .exam import Exam, floats


def judge(exam: Exam, ratio: detection.Ratio) -> Gate:
    """The gate: AU-FA-FR in the stream against the offline baseline's."""
    ours, theirs = ratio.numerator, ratio.denominator
    threshold = exam.gate_factor * theirs.value
    low, high = ratio.interval or (0.0, float("inf"))
    return Gate(
        metric="au_fa_fr",
        value=ours.value,
        threshold=threshold,
        interval=ours.interval,
        passed=ours.value <= threshold,
        within_noise=low <= exam.gate_factor <= high,
        explanation=Text(
            "AU-FA-FR in the stream must be at most {gate_factor:g} × the offline baseline's "
            "{value:.3e} on the same seconds.",
            gate_factor=exam.gate_factor,
            value=theirs.value,
        ),
    )


def all_checks(
    exam: Exam, submission: Submission, found: StreamSession, detections: Detections, gate: Gate
) -> list[Check]:
    """Every check, the gate's first. Raises Rejected, Stopped where offline.onnx does not run."""
    return [
        _check_gate(exam, gate),
        _check_chunks(exam, found),
        _check_offline(exam, submission, found),
        _check_state(exam, found),
        _check_carried(exam, found),
        _check_window(exam, found),
        _check_reset(exam, found),
        _check_range(exam, found),
        _check_hour(exam, found),
        _check_found(exam, detections),
        _check_delay(exam, detections),
    ]


def _check(
    exam: Exam,
    name: str,
    title: Text,
    passed: bool,
    message: Text,
    hints: Sequence[Text],
    *,
    graded: bool,
) -> Check:
    """One check. `graded`: its result depends on the graded data, not on the model alone."""
    points = float(exam.settings["points"].get(name, 0.0))
    return check(
        name, title, passed, message, hints, hidden=exam.hidden and graded, max_points=points
    )


def _check_gate(exam: Exam, gate: Gate) -> Check:
    return _check(
        exam,
        "quality_gate",
        Text("Hears as well as the offline model"),
        gate.passed,
        Text(
            "AU-FA-FR in the stream {value:.3e} {sign} {threshold:.3e} ({gate_factor:g} × "
            "offline).",
            value=gate.value,
            sign="≤" if gate.passed else ">",
            threshold=gate.threshold,
            gate_factor=exam.gate_factor,
        ),
        [
            Text(
                "A GRU trained on single seconds always began at zero. Train on seconds glued one "
                "after another, and ask after every step."
            ),
            Text(
                "First make sure that it is the training: if `equals_offline` passes, the "
                "stream computes the right thing, and the GRU only has not met a state that is "
                "not zero."
            ),
            Text(
                "clip_loss of train.py cuts the glued track into seconds again. Write a loss "
                "that runs the GRU over the whole track and asks after every step; the spans "
                "of the batch say where the words lie."
            ),
            Text(
                "Label a step by whether the word ended within the window before it, and begin "
                "some tracks with the hidden state that another ended with."
            ),
        ],
        graded=True,
    )


def _check_chunks(exam: Exam, found: StreamSession) -> Check:
    allowed = exam.settings["tolerance"]
    return _check(
        exam,
        "any_chunks",
        Text("Any chunks give the same answer"),
        found.chunking <= allowed,
        Text(
            "{tracks_count} tracks in chunks of 10 ms, of a second and of irregular lengths: "
            "probabilities differ by at most {chunking:.1e}, allowed is {allowed:g}.",
            tracks_count=len(exam.tracks),
            chunking=found.chunking,
            allowed=allowed,
        ),
        [
            Text(
                "Keep the samples that the next frame needs, the frames that the next step needs, "
                "and where in a step the stream stands; count how many frames each chunk yields."
            ),
            Text(
                "Take the smallest chunk, 160 samples, and print how many frames and steps "
                "each call yields: 0 is a proper number of both, and the answer is then the "
                "last one."
            ),
            Text(
                "Join what is kept with what came, compute all whole frames of it, and keep "
                "what the next frame still needs: N_FFT - HOP samples. For steps do the same "
                "with frames."
            ),
            Text(
                "All shapes in `State` stay the same for ever; how much of a buffer is filled "
                "is a number of its own in the state."
            ),
        ],
        graded=False,
    )


def _check_offline(exam: Exam, submission: Submission, found: StreamSession) -> Check:
    allowed = exam.settings["tolerance"]
    title = Text("After one second the stream equals the offline model")
    hints = [
        Text(
            "Frame i must begin at sample 160 i in both, attention must see every step of the "
            "second, and no step may see what was before the beginning."
        ),
        Text(
            "Compare from the front: first the log-mel frames of the stream with those of the "
            "clip, then the convolution, the GRU, and the attention. Where they first differ is "
            "the mistake."
        ),
        Text(
            "The first second has no past: a step before the window is full must look at the "
            "outputs that exist, not at zeros in their place."
        ),
    ]
    if not submission.has("offline.onnx"):
        message = Text("Expected offline.onnx, the same network over a whole second, found none.")
        return _check(exam, "equals_offline", title, False, message, hints, graded=False)
    difference = float(np.abs(_offline(exam, submission.read("offline.onnx")) - found.clips).max())
    message = Text(
        "{clips_count} seconds, each after a reset: the stream differs from offline.onnx by at "
        "most {difference:.1e}, allowed is {allowed:g}.",
        clips_count=len(exam.clips),
        difference=difference,
        allowed=allowed,
    )
    passed = difference <= allowed
    return _check(exam, "equals_offline", title, passed, message, hints, graded=False)


def _offline(exam: Exam, model: bytes) -> np.ndarray:
    """Probabilities of the student's offline model, (clips,). Raises Rejected, Stopped."""
    stream = np.load(exam.audio, mmap_mode="r", allow_pickle=False)
    with TemporaryDirectory() as folder:
        inputs = Path(folder) / "clips.npy"
        np.save(inputs, floats(stream[list(exam.clips)]))
        answers = run_onnx(Job(model, inputs, out_shape=(1,)), exam.limits).outputs[:, 0]
    if not np.isfinite(answers).all():
        raise Rejected(
            Text(
                "Expected finite probabilities from offline.onnx, found NaN or infinity; look "
                "for the logarithm of silence or a division by zero."
            )
        )
    return answers.astype(np.float64)


def _check_state(exam: Exam, found: StreamSession) -> Check:
    first, *later = found.state_bytes
    passed = all(size == first for size in later)
    sizes = join(", ", (Text("{n:,}", n=size) for size in found.state_bytes))
    minutes = len(exam.labels) // 60
    return _check(
        exam,
        "state_bounded",
        Text("The state never grows"),
        passed,
        Text(
            "Bytes kept after a second, in the middle and after {minutes} min: {sizes}.",
            minutes=minutes,
            sizes=sizes,
        ),
        [
            Text(
                "Something is appended and never dropped; keep the last `max_window_length` steps "
                "only. In TorchScript a slice keeps the whole tensor alive: clone it."
            ),
            Text(
                "Cut every buffer after each chunk to the length it had in initial(); a list "
                "that grows by one a chunk is found after an hour."
            ),
        ],
        graded=False,
    )


def _check_carried(exam: Exam, found: StreamSession) -> Check:
    return _check(
        exam,
        "hidden_state_carried",
        Text("The GRU's state is carried on"),
        found.carried > 0.0,
        Text(
            "Two pasts before one and the same sound: 1.5 to 2.5 s later probabilities differ by "
            "{carried:.1e}, expected is more than 0.",
            carried=found.carried,
        ),
        [
            Text(
                "Nothing older than the window plays a part: the GRU starts anew. Give it the "
                "hidden state that it ended the last chunk with."
            ),
            Text(
                "Return the GRU's second output as part of the new `State`, and give it back "
                "as the second argument of the next call."
            ),
            Text("With several layers it is [layers, 1, hidden]; carry all of it."),
        ],
        graded=False,
    )


def _check_window(exam: Exam, found: StreamSession) -> Check:
    allowed = exam.settings["memory_tolerance"]
    return _check(
        exam,
        "window_bounded",
        Text("Old sound is forgotten"),
        found.remembered <= allowed,
        Text(
            "Two pasts before one and the same sound: 8 to 10 s later probabilities differ by "
            "{remembered:.1e}, allowed is {allowed:g}.",
            remembered=found.remembered,
            allowed=allowed,
        ),
        [
            Text(
                "Attention still looks at what was said long ago; let it see the last "
                "`max_window_length` steps only."
            ),
            Text(
                "Attention looks at the last max_window_length outputs only: when a new one "
                "comes, the oldest goes."
            ),
        ],
        graded=False,
    )


def _check_reset(exam: Exam, found: StreamSession) -> Check:
    allowed = exam.settings["reset_tolerance"]
    return _check(
        exam,
        "reset_works",
        Text("A reset forgets everything"),
        found.reset <= allowed,
        Text(
            "One track to a fresh model and, after others, to the same model reset: "
            "probabilities differ by at most {reset:.1e}, allowed is {allowed:g}.",
            reset=found.reset,
            allowed=allowed,
        ),
        [
            Text(
                "reset() must bring back every part of the state: samples, frames, the place in a "
                "step, hidden states, outputs, energies."
            ),
            Text(
                "reset() has to bring back every field of initial(), attributes of modules "
                "included; look for a tensor that lives outside `State`."
            ),
        ],
        graded=False,
    )


def _check_range(exam: Exam, found: StreamSession) -> Check:
    slack = 1e-6
    return _check(
        exam,
        "is_probability",
        Text("Every answer is a probability"),
        found.lowest >= -slack and found.highest <= 1 + slack,
        Text(
            "Expected answers in [0, 1], found {lowest:.3g} to {highest:.3g}.",
            lowest=found.lowest,
            highest=found.highest,
        ),
        [
            Text("Put the softmax inside the model and return its second number."),
            Text(
                "Softmax over the two logits, then the second column; logits themselves are no "
                "probabilities."
            ),
        ],
        graded=False,
    )


def _check_hour(exam: Exam, found: StreamSession) -> Check:
    allowed = exam.settings["drift_tolerance"]
    minutes = len(exam.labels) // 60
    return _check(
        exam,
        "stable_for_an_hour",
        Text("Numbers do not drift"),
        found.drift <= allowed,
        Text(
            "After {minutes} min the stream differs by {drift:.1e} from one that heard only the "
            "last minute, allowed is {allowed:g}.",
            minutes=minutes,
            drift=found.drift,
            allowed=allowed,
        ),
        [
            Text(
                "Sums to which new terms are added and from which old ones are subtracted keep "
                "every rounding error; add up the window anew, with its maximum subtracted first."
            ),
            Text(
                "Something is counted or summed without end: a step number in float32 stops "
                "growing at 16,777,216, and a running sum loses digits. Keep positions modulo "
                "the step."
            ),
        ],
        graded=False,
    )


def _check_found(exam: Exam, detections: Detections) -> Check:
    least = exam.settings["least_found"][exam.data]
    most = exam.settings["most_false_alarms_per_hour"]
    alarms = detections.false_alarms_per_hour
    share = detections.found / max(detections.keywords, 1)
    return _check(
        exam,
        "keywords_found",
        Text("Finds the keywords, and only them"),
        share >= least and alarms <= most,
        Text(
            "{found} of {keywords} keywords found, {alarms:.1f} false alarms an hour at threshold "
            "{threshold:g}; expected at least {least:.0%} and at most {most:g}.",
            found=detections.found,
            keywords=detections.keywords,
            alarms=alarms,
            threshold=exam.settings["threshold"],
            least=least,
            most=most,
        ),
        [
            Text(
                "Look at the probability over time in the report (`--html report.html`): peaks "
                "that are too low need training on streams, false ones a longer window."
            ),
            Text(
                "`grader check --html report.html` draws the probability over time beside the "
                "keywords and plays the sound: see first whether words are missed or noises "
                "taken for words."
            ),
            Text(
                "Missed words: more glued tracks with keywords at all places of a second. "
                "False alarms: more negatives that resemble the word, and background between "
                "words."
            ),
        ],
        graded=True,
    )


def _check_delay(exam: Exam, detections: Detections) -> Check:
    most = exam.settings["most_delay_ms"]
    delay = 1e3 * detections.median_delay
    none = not detections.found
    return _check(
        exam,
        "soon_enough",
        Text("Triggers soon after the word"),
        not none and delay <= most,
        Text("No keyword was found, so there is no delay.")
        if none
        else Text(
            "Median delay {delay:.0f} ms after the end of the word, allowed is {most:g} ms.",
            delay=delay,
            most=most,
        ),
        [
            Text("A smaller `streaming_step_size` or a shorter window answers sooner."),
            Text(
                "The delay is at least a step: streaming_step_size frames of 10 ms. Halve it "
                "and look at MACs."
            ),
            Text(
                "Label steps as positive from the end of the word on, and not only a second later."
            ),
        ],
        graded=True,
    )
