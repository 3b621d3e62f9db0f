"""Measurements of one submission, each with how it was taken."""

from __future__ import annotations

import numpy as np

from grader.lesson.grades import Check, Measurement
from grader.measure import latency
from grader.measure.quality import detection
from grader.measure.streams.detections import SAMPLE_RATE, Detections
from grader.measure.streams.session import StreamSession
from grader.measure.streams.stream_model import StreamModel
from grader.text import Text, ru_number

from .exam import Exam


def costs(model: StreamModel, chunk: int, state: int) -> dict[str, Measurement]:
    """Bytes and multiplications of a model; `state` is in bytes."""
    counted = (
        Text(en="from the graph", ru="по графу")
        if model.form == "onnx"
        else Text(en="counted as it ran", ru="посчитано во время работы")
    )
    measured = {
        "total_bytes": Measurement(
            model.bytes + state,
            "B",
            Text(
                en="weights and constants as stored, and state",
                ru="веса и константы, как они хранятся, и состояние",
            ),
        ),
        "bytes": Measurement(
            model.bytes,
            "B",
            Text(en="weights and constants as stored", ru="веса и константы, как они хранятся"),
        ),
        "state_bytes": Measurement(
            state,
            "B",
            Text(
                en="what is kept between chunks and depends on what was heard",
                ru="то, что хранится между кусками и зависит от услышанного",
            ),
        ),
        "macs_per_second": Measurement(
            model.macs_per_second[chunk],
            "MACs/s",
            Text(
                en=f"{counted.en}, front end included, at chunks of {1000 * chunk // SAMPLE_RATE} "
                "ms, the cheapest up to 100 ms",
                ru=f"{counted.ru}, вместе с вычислением признаков, кусками по "
                f"{1000 * chunk // SAMPLE_RATE} мс — самыми дешёвыми из длин до 100 мс",
            ),
        ),
        "chunk_ms": Measurement(
            1000 * chunk / SAMPLE_RATE,
            "ms",
            Text(en="the chunk that is measured with", ru="длина куска при измерениях"),
        ),
    }
    if model.params is not None:
        measured["params"] = Measurement(
            model.params, "", Text(en="stored numbers", ru="количество хранимых чисел")
        )
    return measured


def against(exam: Exam, model: StreamModel, found: StreamSession) -> dict[str, Measurement]:
    """Compression and speed-up over the baseline."""
    base = exam.baseline
    return {
        "compression": Measurement(
            base["total_bytes"].value / max(model.bytes + found.state, 1),
            "×",
            Text(
                en="weights and state of the baseline, which keeps a second of samples, over ours",
                ru="веса и состояние базовой модели, которая хранит секунду отсчётов, к нашим",
            ),
        ),
        "speedup": Measurement(
            base["macs_per_second"].value / max(model.macs_per_second[model.best_chunk], 1.0),
            "×",
            Text(
                en="MACs a second of the baseline, which computes its window anew every 80 ms, "
                "over ours",
                ru="MAC-операции в секунду базовой модели, которая каждые 80 мс считает окно "
                "заново, к нашим",
            ),
        ),
    }


def quality(
    scores: np.ndarray, labels: np.ndarray, sources: tuple[str, ...] | None, *, offline: bool
) -> Measurement:
    """AU-FA-FR with its interval; `sources` names the recording of each second."""
    found = detection.detection(scores, labels, groups=sources)
    where = (
        Text(en="each second alone", ru="каждая секунда отдельно")
        if offline
        else Text(
            en="at the end of every second of one stream", ru="в конце каждой секунды одного потока"
        )
    )
    return Measurement(
        found.value,
        "",
        Text(
            en=f"area under false accepts against false rejects at prior {detection.PRIOR}, "
            f"{where.en}; {found.positives:,} keywords, {found.negatives:,} other seconds; 95% "
            "DeLong interval",
            ru=f"площадь под кривой ложных срабатываний и пропусков при доле {detection.PRIOR}, "
            f"{where.ru}; ключевых слов {ru_number(found.positives)}, прочих секунд "
            f"{ru_number(found.negatives)}; 95% интервал Делонга",
        ),
        found.interval,
    )


def ratio(found: detection.Ratio) -> dict[str, Measurement]:
    """AU-FA-FR over the baseline's; empty where the baseline makes no error."""
    if found.value is None:
        return {}
    how = Text(
        en="AU-FA-FR in the stream over the offline baseline's on the same seconds; paired "
        "interval",
        ru="AU-FA-FR в потоке относительно офлайн-модели на тех же секундах; парный интервал",
    )
    return {"au_fa_fr_ratio": Measurement(found.value, "×", how, found.interval)}


def alarms(exam: Exam, detections: Detections) -> dict[str, Measurement]:
    """Keywords found, false alarms per hour and, where one was found, the delay."""
    threshold = exam.settings["threshold"]
    minutes = detections.seconds / 60
    measured = {
        "found": Measurement(
            detections.found / max(detections.keywords, 1),
            "",
            Text(
                en=f"share of {detections.keywords} keywords with a trigger at {threshold:g} by a "
                "second after their end",
                ru=f"доля из {detections.keywords} ключевых слов, на которые модель сработала при "
                f"пороге {threshold:g} не позже секунды после конца слова",
            ),
        ),
        "false_alarms_per_hour": Measurement(
            detections.false_alarms_per_hour,
            "1/h",
            Text(
                en=f"triggers at {threshold:g} without a keyword, in {minutes:.0f} min of speech "
                "and noise",
                ru=f"срабатывания при пороге {threshold:g} без ключевого слова за {minutes:.0f} "
                "мин речи и шума",
            ),
        ),
    }
    if detections.found:
        heard = detections.delays[np.isfinite(detections.delays)]
        median = latency.median(1e3 * heard)
        measured["delay_ms"] = Measurement(
            median.value,
            "ms",
            Text(
                en="median from the end of the word to the trigger; below 0 is before the end",
                ru="медиана от конца слова до срабатывания; меньше 0 — раньше конца",
            ),
            median.interval,
        )
    return measured


def real_time(found: StreamSession, chunk: int) -> Measurement:
    """Real-time factor for chunks of `chunk` samples: time to answer over duration of the sound."""
    sizes = np.diff(found.fine.ends, prepend=0)
    median = latency.median(found.fine.seconds[sizes == chunk])
    length = chunk / SAMPLE_RATE
    return Measurement(
        median.value / length,
        "",
        Text(
            en=f"median time for a chunk of {1000 * length:.0f} ms on one core, over its length; "
            "below 1 keeps up; shown, not scored",
            ru=f"медиана времени на кусок в {1000 * length:.0f} мс на одном ядре, делённая на его "
            "длину; меньше 1 — успевает; для сведения, не оценивается",
        ),
        median.scaled(1 / length),
    )


def streaming_share(checks: list[Check]) -> Measurement:
    """Share of the checks' points, 0 to 1."""
    most = sum(check.max_points for check in checks)
    return Measurement(
        sum(check.points for check in checks) / most,
        "",
        Text(en="share of the points of the checks", ru="доля баллов за проверки"),
    )
