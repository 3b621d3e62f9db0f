"""Plausible grades of a class, without a model or data: what the reports are tested on."""

# ruff: noqa: E501
from __future__ import annotations

import hashlib
import math
import random

from grader.lesson.grades import (
    Axis,
    Check,
    Figure,
    Gate,
    Grade,
    Layer,
    Measurement,
    Provenance,
    Series,
    Status,
    SubmissionId,
    Term,
    Versions,
)
from grader.text import EMPTY, Text, verbatim

BASELINE_AU, BASELINE_BYTES, BASELINE_MACS = 5.04e-5, 281_772, 914_624
THRESHOLD = 1.1 * BASELINE_AU
MAX_SCORE = 7.0
PROVENANCE = Provenance(
    grader="0.1.0+5f2d90c1aa37",
    lesson="9e1c0f6b" * 8,
    data="speech-synthetic/hidden:1f3a9c7e20b4",
    isolation="C",
    versions=Versions(python="3.11.7", numpy="2.3.4", onnx="1.21.0", onnxruntime="1.23.2"),
)
NAMES = (
    "Анна Соколова", "Борис Ким", "Вера Лебедева", "Глеб Морозов", "Дарья Волкова", "Егор Новиков",
    "Жанна Павлова", "Захар Орлов", "Инна Зайцева", "Кирилл Фёдоров", "Лидия Громова",
    "Максим Титов", "Нина Белова", "Олег Комаров", "Полина Киселёва", "Роман Макаров",
    "Софья Андреева", "Тимур Алиев", "Ульяна Котова", "Филипп Жуков", "Amelia Stone",
    "Benjamin Okafor", "Chiara Rossi", "David Cohen", "Elif Yılmaz", "Farid Rahimi", "Grace Liu",
    "Hanna Virtanen", "Ivan Petrov", "José Álvarez", "Kenji Sato", "Lucie Novák",
    "group-07_final_v2", "hw3-mkuznetsova-resubmission", "team_quiet_sheila", "ООО Тишина",
)  # fmt: skip
"""One submission each; further ones are numbered."""


def class_of(count: int = 40, seed: int = 7) -> list[Grade]:
    """A class with every kind of ending; the same for the same arguments."""
    rng = random.Random(seed)
    grades = []
    for index in range(count):
        name = NAMES[index] if index < len(NAMES) else f"student-{index:04d}"
        match index % 20:
            case 3 | 11:
                grades.append(graded(name, rng, misses=True))
            case 6:
                grades.append(
                    stopped(
                        name,
                        Status.REJECTED,
                        Text.in_languages(
                            {
                                "en": "model.pt is a PyTorch checkpoint, but the lesson grades "
                                "`model.onnx`; run `python export.py` and submit what it writes.",
                                "ru": "model.pt — это чекпойнт PyTorch, а проверяется `model.onnx`; "
                                "запустите `python export.py` и сдайте то, что он создаст.",
                            }
                        ),
                    )
                )
            case 9:
                grades.append(
                    stopped(
                        name,
                        Status.CRASHED,
                        Text.in_languages(
                            {
                                "en": "ONNX Runtime stopped with: Non-zero status code returned while "
                                "running Reshape node 'flatten_3'.",
                                "ru": "ONNX Runtime остановился с ошибкой: Non-zero status code returned "
                                "while running Reshape node 'flatten_3'.",
                            }
                        ),
                        log="loading model.onnx\nbatch 1 of 157\n"
                        "[E:onnxruntime] Non-zero status code while running Reshape node\n",
                    )
                )
            case 13:
                grades.append(
                    stopped(
                        name,
                        Status.TIMED_OUT,
                        Text.in_languages(
                            {
                                "en": "The model had answered 2,304 of 16,000 clips after 180 s.",
                                "ru": "За 180 с модель ответила на 2 304 записи из 16 000.",
                            }
                        ),
                    )
                )
            case 16:
                grades.append(
                    stopped(
                        name,
                        Status.OUT_OF_MEMORY,
                        Text.in_languages(
                            {
                                "en": "The model asked for more than 2 GiB on its first batch.",
                                "ru": "На первом же батче модель запросила больше 2 ГиБ.",
                            }
                        ),
                    )
                )
            case 19 if index < 20:
                grades.append(
                    stopped(
                        name,
                        Status.GRADER_FAULT,
                        Text.in_languages(
                            {
                                "en": "The features of the hidden clips could not be read: disk error.",
                                "ru": "Признаки скрытых записей не прочитались: ошибка диска.",
                            }
                        ),
                    )
                )
            case _:
                grades.append(graded(name, rng))
    return grades


def graded(
    name: str = "Анна Соколова",
    rng: random.Random | None = None,
    *,
    misses: bool = False,
    within_noise: bool | None = None,
) -> Grade:
    """A measured submission, past the gate or not."""
    rng = rng or random.Random(1)
    hidden = rng.choice((8, 10, 12, 16, 20, 24))
    bits = rng.choice((8, 16, 16, 32))
    layers = _layers(hidden, bits)
    macs, size = sum(one.macs for one in layers), sum(one.bytes for one in layers)
    au = THRESHOLD * (rng.uniform(1.05, 9.0) if misses else rng.uniform(0.62, 0.995))
    spread = (au * 0.78, au * 1.27)
    compression, speedup = BASELINE_BYTES / size, BASELINE_MACS / macs
    passed = not misses
    noisy = spread[0] <= THRESHOLD <= spread[1] if within_noise is None else within_noise
    points = [3.5 * min(one / 10, 1) for one in (compression, speedup)]
    terms = [
        Term(
            name=term,
            formula=f"3.5 * min({term} / 10, 1)",
            points=worth if passed else 0.0,
            max_points=3.5,
            gated=True,
        )
        for term, worth in zip(("compression", "speedup"), points, strict=True)
    ]
    recorded = rng.random() < 0.8
    measurements = _measurements(au, spread, size, macs, sum(one.params for one in layers))
    measurements |= {
        "compression": _measured(
            compression, "x", "baseline bytes / bytes", "байты базовой / байты"
        ),
        "speedup": _measured(speedup, "x", "baseline MACs / MACs", "MAC базовой / MAC"),
    }
    return Grade(
        lesson="distillation",
        submission=SubmissionId(name, hashlib.sha256(name.encode("utf-8", "replace")).hexdigest()),
        status=Status.GRADED,
        score=sum(term.points for term in terms),
        max_score=MAX_SCORE,
        gate=Gate(
            metric="au_fa_fr",
            value=au,
            threshold=THRESHOLD,
            interval=spread,
            passed=passed,
            within_noise=noisy,
            explanation=Text.in_languages(
                {
                    "en": "The threshold is 1.1 times the baseline's AU-FA-FR on the same clips.",
                    "ru": "Порог — 1.1 от AU-FA-FR базовой модели на тех же записях.",
                }
            ),
        ),
        measurements=measurements,
        baseline=_measurements(
            BASELINE_AU, (4.1e-5, 6.2e-5), BASELINE_BYTES, BASELINE_MACS, 70_443
        ),
        terms=terms,
        checks=_checks(passed, recorded),
        layers=layers,
        figures=[_curve(au), *_experiments(rng, au, size, macs)],
        log="loading model.onnx\n16,000 clips in 125 batches\ndone\n",
        provenance=PROVENANCE,
        seconds=round(rng.uniform(4, 19), 2),
    )


def stopped(name: str, status: Status, reason: Text, log: str = "") -> Grade:
    """A submission that was not measured."""
    return Grade(
        lesson="distillation",
        submission=SubmissionId(name, hashlib.sha256(name.encode("utf-8", "replace")).hexdigest()),
        status=status,
        reason=reason,
        max_score=MAX_SCORE,
        log=log,
        provenance=PROVENANCE,
        seconds=0.8,
    )


HOSTILE = (
    "<script>alert(1)</script>",
    "\"><img src=x onerror='alert(2)'>",
    "'; alert(3); //</script></style></svg></title>",
    "$\\frac{1}{0}$ $_^{ $\\undefined$",
    "nul\x00 bell\x07 escape\x1b[31m return\r\nline two",
    "annexe\u202egnp.exe\u202c \u2066isolate\u2069 zero\u200bwidth \ufeff",
    "L" * 10_000,
    "👩‍🔬 глубокий слой 深度学习層 שכבה طبقة",
    "{{ 7 * 7 }} {% raw %} {0} {name} %s %(x)s",
    "javascript:alert(4)",
    "&lt;b&gt; &amp; &#x3C;",
    "lone\ud800surrogate \ufffe",
    "</pre><h1>log</h1>",
    "",
)
"""What a submission might call itself, a layer, a point, or write to its log."""


def hostile(text: str) -> Grade:
    """A graded submission that says `text` wherever a submission can say something."""
    both = verbatim(text)
    grade = graded(text)
    return Grade(
        lesson=grade.lesson,
        submission=grade.submission,
        status=grade.status,
        reason=both,
        score=grade.score,
        max_score=grade.max_score,
        gate=grade.gate,
        measurements=grade.measurements | {text: _measured(1.0, text, text, text)},
        baseline=grade.baseline,
        terms=grade.terms,
        checks=[
            Check(text, both, "public", 0.0, 1.0, False, both, both),
            *grade.checks,
        ],
        layers=[*grade.layers, Layer(text, text, 10_000, 500, 250, (1, 2))],
        figures=[
            *grade.figures,
            Figure(
                name=text,
                title=both,
                kind="scatter",
                x=Axis(both, text, "log"),
                y=Axis(both, text, "log"),
                series=[Series(both, "experiment", [1.0, 20.0, 0.0], [0.0, 3.0, 9.0], [text] * 3)],
                caption=both,
            ),
        ],
        log=text * 3,
        provenance=grade.provenance,
        seconds=grade.seconds,
    )


def _measurements(
    au: float, spread: tuple[float, float], size: int, macs: int, params: int
) -> dict[str, Measurement]:
    return {
        "au_fa_fr": _measured(
            au, "", "area under false accepts against false rejects, prior 0.0305",
            "площадь под кривой ложных срабатываний и пропусков, априорная доля 0.0305", spread,
        ),
        "bytes": _measured(size, "bytes", "weights and constants, as stored", "веса и константы"),
        "macs": _measured(macs, "MACs", "from the graph, batch 1", "по графу, батч 1"),
        "params": _measured(params, "parameters", "numbers stored", "сохранённые числа"),
        "latency_ms_b1": _measured(
            macs / 4.1e6 + 0.03, "ms", "median of 100 single clips", "медиана по 100 записям",
            (macs / 4.4e6 + 0.03, macs / 3.8e6 + 0.03),
        ),
    }  # fmt: skip


def _measured(
    value: float, unit: str, en: str, ru: str, interval: tuple[float, float] | None = None
) -> Measurement:
    return Measurement(value, unit, Text.in_languages({"en": en, "ru": ru}), interval)


def _layers(hidden: int, bits: int) -> list[Layer]:
    steps, bands = 19, 8
    width = 4 * bands
    costs = [
        ("/conv/Conv", "Conv", 4 * 9 * 20, 4 * 9 * 20 * steps * bands // 4, (1, 4, bands, steps)),
        (
            "/gru/GRU",
            "GRU",
            3 * hidden * (width + hidden + 2),
            3 * hidden * (width + hidden) * steps,
            (steps, 1, 1, hidden),
        ),
        (
            "/gru/GRU_1",
            "GRU",
            3 * hidden * (2 * hidden + 2),
            3 * hidden * 2 * hidden * steps,
            (steps, 1, 1, hidden),
        ),
        (
            "/attention/energy/Gemm",
            "Gemm",
            hidden * hidden + hidden,
            hidden * hidden * steps,
            (1, steps, hidden),
        ),
        ("/attention/score/MatMul", "MatMul", hidden, hidden * steps, (1, steps, 1)),
        ("/attention/Mul", "Mul", 0, hidden * steps, (1, steps, hidden)),
        ("/classifier/Gemm", "Gemm", 2 * hidden + 2, 2 * hidden, (1, 2)),
    ]
    return [
        Layer(name, op, macs, params * bits // 8, params, shape)
        for name, op, params, macs, shape in costs
    ]


def _checks(passed: bool, recorded: bool) -> list[Check]:
    def check(
        name: str, ok: bool, title: Text, message: Text, hint: Text = EMPTY, hidden: bool = False
    ) -> Check:
        return Check(
            name,
            title,
            "hidden" if hidden else "public",
            0.0,
            0.0,
            ok,
            message,
            EMPTY if ok else hint,
        )

    return [
        check("interface", True,
              Text.in_languages({"en": "Inputs and outputs", "ru": "Входы и выходы"}),
              Text.in_languages({"en": "`features` [batch, 40, 101] in, `logits` [batch, 2] out.", "ru": "На входе `features` [batch, 40, 101], на выходе `logits` [batch, 2]."})),
        check("finite", True,
              Text.in_languages({"en": "Finite outputs", "ru": "Конечные выходы"}),
              Text.in_languages({"en": "All 32,000 outputs are finite.", "ru": "Все 32 000 выходов конечны."}),
              hidden=True),
        check("independence", True,
              Text.in_languages({"en": "Clips do not influence each other", "ru": "Записи не влияют друг на друга"}),
              Text.in_languages({"en": "100 clips sent alone and in batches differ by at most 2×10⁻⁶.", "ru": "100 записей поодиночке и в батчах отличаются не более чем на 2×10⁻⁶."}),
              hidden=True),
        check("gate", passed,
              Text.in_languages({"en": "Quality gate", "ru": "Порог качества"}),
              Text.in_languages({"en": "AU-FA-FR against 1.1 of the baseline's.", "ru": "AU-FA-FR против 1.1 от базовой модели."}),
              Text.in_languages({"en": "Train longer, or add 4 hidden units: compare in `experiments.csv`.", "ru": "Учите дольше или добавьте 4 нейрона: сравните в `experiments.csv`."}),
              hidden=True),
        check("experiments", recorded,
              Text.in_languages({"en": "Three experiments recorded", "ru": "Записаны три эксперимента"}),
              Text.in_languages({"en": f"`experiments.csv` needs at least 3 rows, has {4 if recorded else 1}.", "ru": f"В `experiments.csv` нужно не меньше 3 строк, есть {4 if recorded else 1}."}),
              Text.in_languages({"en": "`train.py --record` appends a row for every run.", "ru": "`train.py --record` добавляет строку после каждого запуска."})),
    ]  # fmt: skip


def _curve(au: float) -> Figure:
    def points(area: float) -> tuple[list[float], list[float]]:
        knee = math.sqrt(area) / 4
        xs = [0.0, *(10 ** (-4.4 + 3.9 * step / 400) for step in range(401))]
        return xs, [min(0.0305, knee * knee / (x + 1e-6)) if x else 0.0305 for x in xs]

    own, base = points(au), points(BASELINE_AU)
    return Figure(
        name="fa_fr",
        title=Text.in_languages({"en": "False accepts and false rejects", "ru": "Ложные срабатывания и пропуски"}),
        kind="line",
        x=Axis(Text.in_languages({"en": "False accepts, share of clips", "ru": "Ложные срабатывания, доля записей"}),
               "", "log"),
        y=Axis(Text.in_languages({"en": "False rejects, share of clips", "ru": "Пропуски, доля записей"}), "", "log"),
        series=[
            Series(Text.in_languages({"en": "This submission", "ru": "Эта работа"}), "submission", *own),
            Series(Text.in_languages({"en": "Baseline", "ru": "Базовая модель"}), "baseline", *base),
        ],
        caption=Text.in_languages({"en": "The area under the curve is AU-FA-FR: closer to the corner is better.", "ru": "Площадь под кривой — AU-FA-FR: чем ближе к углу, тем лучше."}),
    )  # fmt: skip


def _experiments(rng: random.Random, au: float, size: int, macs: int) -> list[Figure]:
    settings = ["T=1, hidden 24", "T=4, hidden 20", "T=4 + attention", "hidden 12, int8"]
    qualities = [au * rng.uniform(0.7, 4) for _ in settings]
    costs = {"macs": [macs * rng.uniform(0.8, 4) for _ in settings],
             "bytes": [size * rng.uniform(0.8, 5) for _ in settings]}  # fmt: skip
    own, base = {"macs": macs, "bytes": size}, {"macs": BASELINE_MACS, "bytes": BASELINE_BYTES}
    title = {
        "macs": Text.in_languages({"en": "MACs", "ru": "MAC-операции"}),
        "bytes": Text.in_languages({"en": "Bytes", "ru": "байты"}),
    }
    return [
        Figure(
            name=f"experiments_{cost}",
            title=Text.in_languages({"en": f"Your experiments: quality against {title[cost]}", "ru": f"Ваши эксперименты: качество и {title[cost].to('ru')}"}),
            kind="scatter",
            x=Axis(title[cost], "", "log"),
            y=Axis(verbatim("AU-FA-FR"), "", "log"),
            series=[
                Series(verbatim("experiments.csv"), "experiment",
                       costs[cost], qualities, settings),
                Series(Text.in_languages({"en": "Submitted", "ru": "Сдано"}), "submission", [own[cost]], [au], [],
                       [au * 0.78], [au * 1.27]),
                Series(Text.in_languages({"en": "Baseline", "ru": "Базовая модель"}), "baseline",
                       [base[cost]], [BASELINE_AU]),
                Series(Text.in_languages({"en": "Threshold", "ru": "Порог"}), "threshold",
                       [own[cost], base[cost]], [THRESHOLD, THRESHOLD]),
            ],
        )
        for cost in ("macs", "bytes")
    ]  # fmt: skip
