"""How a child process ended, and what that means for the submission that it ran."""

from __future__ import annotations

import signal
from dataclasses import dataclass
from typing import Literal

from grader.lesson.grades import Status
from grader.lesson.spec import RunLimits
from grader.sandbox.isolation.work import ChildExit
from grader.text import Text, ru_number
from grader.text.errors import Fault, GraderError

Killed = Literal["time", "cpu", "memory", "output", "threads", "disk", "starved"]
Subject = Literal["model", "code"]


PATIENCE = 8.0
"""Times the wall limit that a child may take on a busy machine, waiting for a core included."""


def longest_run(limits: RunLimits) -> float:
    """Seconds after which a run has ended, whatever happened to it; twice, since one that the
    machine disturbed is tried again."""
    return 2 * PATIENCE * limits.wall_seconds


class Stopped(GraderError):
    """A run that ended without results, with the status that the submission gets."""

    def __init__(self, status: Status, text: Text, log: str = "") -> None:
        super().__init__(text)
        self.status = status
        self.log = log


class Disturbed(Stopped):
    """The machine ended or starved the run; worth another try, and nobody's mistake."""

    def __init__(self, text: Text, log: str = "") -> None:
        super().__init__(Status.GRADER_FAULT, text, log)


@dataclass(frozen=True)
class Ended:
    """The end of one child, as seen from outside."""

    code: int
    """Exit code, negative for a signal."""
    killed: Killed | None
    """Which limit we enforced."""
    seconds: float
    log: str
    cpu_seconds: float = 0.0


def raise_if_stopped(ended: Ended, limits: RunLimits, subject: Subject) -> None:
    """Raises Stopped, Disturbed or Fault unless the child ended well."""
    found = _judge(ended, limits, subject)
    if found is not None:
        raise found


def _judge(ended: Ended, limits: RunLimits, subject: Subject) -> GraderError | None:
    log, code = ended.log, ended.code
    if ended.killed == "starved":
        return Disturbed(_starved(), log)
    if ended.killed == "time":
        return Stopped(Status.TIMED_OUT, _timed_out(limits.wall_seconds, subject), log)
    if ended.killed == "cpu" or code == -getattr(signal, "SIGXCPU", 0) != 0:
        return Stopped(Status.TIMED_OUT, _timed_out(limits.cpu_seconds, subject), log)
    if ended.killed == "memory" or code == ChildExit.OUT_OF_MEMORY:
        return Stopped(Status.OUT_OF_MEMORY, _out_of_memory(limits, subject), log)
    if ended.killed == "output":
        return Stopped(Status.REJECTED, _too_much_output(limits), log)
    if ended.killed == "threads":
        return Stopped(Status.REJECTED, _too_many_threads(limits), log)
    if ended.killed == "disk":
        return Stopped(Status.REJECTED, _too_much_written(limits), log)
    if code == -getattr(signal, "SIGKILL", 9):
        if ended.cpu_seconds >= limits.cpu_seconds:
            return Stopped(Status.TIMED_OUT, _timed_out(limits.cpu_seconds, subject), log)
        return Disturbed(_killed_by_system(), log)
    if subject == "model" and code in (ChildExit.NO_RUNTIME, ChildExit.BROKEN):
        return Fault(not_here(log))  # no code of a student's could have chosen this
    last = (log.strip().splitlines() or [""])[-1][:500]
    if code > 0 and not last:  # no sentence of ours: the submission chose the code
        return Stopped(Status.CRASHED, _crashed(code, subject), log)
    if code == ChildExit.LOAD_FAILED:
        return Stopped(Status.REJECTED, _not_loaded(last, subject), log)
    if code == ChildExit.RUN_FAILED:
        return Stopped(Status.REJECTED, _not_run(last, subject), log)
    if code == ChildExit.BAD_OUTPUT:
        return Stopped(Status.REJECTED, _bad_output(last, subject), log)
    if code != 0:
        return Stopped(Status.CRASHED, _crashed(code, subject), log)
    return None


def unfinished(subject: Subject, done: int, total: int, log: str) -> Stopped:
    """A child that ended as if all were well, before it had answered everything."""
    name_en, name_ru = _NAMES[subject]
    return Stopped(
        Status.CRASHED,
        Text(
            en=f"{name_en} ended the process after {done:,} of {total:,} answers; it must return "
            "and must not exit.",
            ru=f"{name_ru}: процесс завершился после {ru_number(done)} ответов из "
            f"{ru_number(total)}; нужно возвращать результат, а не завершать процесс.",
        ),
        log,
    )


_NAMES = {"model": ("The model", "Модель"), "code": ("The code", "Код")}


def _timed_out(seconds: float, subject: Subject) -> Text:
    if subject == "code":
        return Text(
            en=f"The code did not finish within {seconds:g} s and was stopped; look for an endless "
            "loop, a wait, or work that is done more often than needed.",
            ru=f"Код не уложился в {seconds:g} с и был остановлен; поищите бесконечный цикл, "
            "ожидание или лишнюю повторную работу.",
        )
    return Text(
        en=f"The model did not finish within {seconds:g} s; make it smaller, or look "
        "for an operator that is unexpectedly slow with `grader check`.",
        ru=f"Модель не уложилась в {seconds:g} с; уменьшите её или найдите неожиданно "
        "медленную операцию с помощью `grader check`.",
    )


def _out_of_memory(limits: RunLimits, subject: Subject) -> Text:
    size = f"{limits.memory_bytes / 2**20:,.0f}"
    if subject == "code":
        return Text(
            en=f"The code needs more than the {size} MiB of memory that are allowed; look for "
            "arrays that are larger than they need to be, or that are kept.",
            ru=f"Коду не хватило разрешённых {size} МиБ памяти; поищите слишком большие или "
            "накапливающиеся массивы.",
        )
    return Text(
        en=f"The model needs more than the {size} MiB of memory that are allowed; look for "
        "operators with very large outputs.",
        ru=f"Модели не хватило разрешённых {size} МиБ памяти; найдите операции с очень большими "
        "выходами.",
    )


def _too_much_output(limits: RunLimits) -> Text:
    return Text(
        en="The run printed far more than is allowed and was stopped; remove what prints.",
        ru="Запуск напечатал намного больше допустимого и был остановлен; уберите вывод.",
    )


def _too_many_threads(limits: RunLimits) -> Text:
    return Text(
        en=f"The run started more than {limits.processes} threads and was stopped; measured work "
        "is single-threaded.",
        ru=f"Запуск создал больше {limits.processes} потоков и был остановлен; измеряется работа в "
        "одном потоке.",
    )


def _too_much_written(limits: RunLimits) -> Text:
    size = f"{limits.disk_bytes / 2**20:,.0f}"
    return Text(
        en=f"The run wrote more than {size} MiB or {limits.disk_files:,} files and was stopped; "
        "keep intermediate results in memory, or write fewer.",
        ru=f"Запуск записал больше {size} МиБ или {ru_number(limits.disk_files)} файлов и был "
        "остановлен; держите промежуточные результаты в памяти или пишите меньше.",
    )


def _not_loaded(detail: str, subject: Subject) -> Text:
    if subject == "code":
        return Text(
            en=f"The code cannot be imported: {detail} Run it as it is handed in, in an empty "
            "folder, with `grader check`.",
            ru=f"Код не импортируется: {detail} Запустите его в том виде, в каком сдаёте, в пустой "
            "папке, с помощью `grader check`.",
        )
    return Text(
        en=f"ONNX Runtime cannot load the model: {detail} Export it again and run `grader check`.",
        ru=f"ONNX Runtime не загружает модель: {detail} Экспортируйте её заново и запустите "
        "`grader check`.",
    )


def _not_run(detail: str, subject: Subject) -> Text:
    if subject == "code":
        return Text(
            en=f"The code raised an error: {detail} Reproduce it on an input of the shape that the "
            "lesson names.",
            ru=f"Код завершился с ошибкой: {detail} Воспроизведите её на входе той формы, которую "
            "требует задание.",
        )
    return Text(
        en=f"The model loads, but fails when it runs: {detail} Run it in ONNX Runtime on one "
        "input of the shape that the lesson names.",
        ru=f"Модель загружается, но падает при запуске: {detail} Запустите её в ONNX Runtime на "
        "одном входе той формы, которую требует задание.",
    )


def _bad_output(detail: str, subject: Subject) -> Text:
    if subject == "code":
        return Text(
            en=f"The function returned something else than asked for: {detail}.",
            ru=f"Функция вернула не то, что требуется: {detail}.",
        )
    return Text(
        en=f"The model's output has the wrong shape or type: {detail}.",
        ru=f"Выход модели неверной формы или типа: {detail}.",
    )


def _crashed(code: int, subject: Subject) -> Text:
    try:
        how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
    except ValueError:
        how = f"exit code {code}"
    if subject == "code":
        return Text(
            en=f"The process that ran the code ended early ({how}); the code must return, must not "
            "exit, and must not crash the interpreter.",
            ru=f"Процесс, выполнявший код, завершился раньше времени ({how}); код должен "
            "возвращать результат, не завершая и не роняя интерпретатор.",
        )
    return Text(
        en=f"The process that ran the model crashed ({how}); export the model again, and report "
        "it if it still crashes.",
        ru=f"Процесс, запускавший модель, аварийно завершился ({how}); экспортируйте модель "
        "заново, а если не поможет — сообщите преподавателю.",
    )


def _starved() -> Text:
    return Text(
        en="The machine was too busy to run this submission in its time; grade again with fewer "
        "--jobs or on a quieter machine.",
        ru="Машина была слишком занята, чтобы выполнить эту работу за отведённое время; повторите "
        "проверку с меньшим --jobs или на менее загруженной машине.",
    )


def _killed_by_system() -> Text:
    return Text(
        en="The system ended the process that ran this submission, as it does when memory is "
        "short; grade again with fewer --jobs.",
        ru="Система завершила процесс, выполнявший эту работу; так бывает при нехватке памяти. "
        "Повторите проверку с меньшим --jobs.",
    )


def not_here(detail: str) -> Text:
    last = (detail.strip().splitlines() or [""])[-1][:300]
    return Text(
        en=f"The sandbox does not work here ({last}); `grader doctor` says what is missing.",
        ru=f"Песочница здесь не работает ({last}); `grader doctor` подскажет, чего не хватает.",
    )
