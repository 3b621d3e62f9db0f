"""Titles and hints of the checks of the analysis."""

from __future__ import annotations

from grader.text import Text

TITLES = {
    "analysis_is_read": Text(en="The analysis can be read", ru="Анализ удаётся прочитать"),
    "figures_are_right": Text(en="The model's figures are right", ru="Числа о модели верны"),
    "bottlenecks_are_measured": Text(
        en="The bottlenecks are where the time goes", ru="Узкие места — там, куда уходит время"
    ),
    "limits_agree": Text(
        en="The limits are those of the platform", ru="Ограничения — те, что у платформы"
    ),
    "promises_are_possible": Text(
        en="No hypothesis promises more than is possible",
        ru="Ни одна гипотеза не обещает больше возможного",
    ),
    "trade_offs_are_named": Text(
        en="Reasons and trade-offs are named", ru="Причины и компромиссы названы"
    ),
    "report_is_complete": Text(en="The report is complete", ru="Отчёт полон"),
}
HINTS = {
    "read": Text(
        en="Correct this first; nothing else of analysis.toml is looked at until it can be read.",
        ru="Исправьте это первым: пока файл не читается, остальное в analysis.toml не проверяется.",
    ),
    "figures": Text(
        en="Run `grader profile` on the model file with your platform and dtype and copy the "
        "figures.",
        ru="Запустите `grader profile` для файла модели с вашей платформой и dtype и перепишите "
        "числа.",
    ),
    "bottlenecks": Text(
        en="`grader profile MODEL --platform NAME` lists the layers by predicted time, and what "
        "limits each.",
        ru="`grader profile MODEL --platform NAME` перечисляет слои по предсказанному времени и "
        "говорит, что ограничивает каждый.",
    ),
    "limits": Text(
        en="`grader profile MODEL --platform NAME --html page.html` lists the platform's figures "
        "with their sources, and says whether the model fits.",
        ru="`grader profile MODEL --platform NAME --html page.html` перечисляет числа платформы с "
        "их источниками и говорит, помещается ли модель.",
    ),
    "promises": Text(
        en="Amdahl: with a share p of the time in these layers, the whole gets at most 1/(1-p) "
        "times faster. Promise less, or touch more layers.",
        ru="Закон Амдала: если на эти слои уходит доля времени p, всё вместе ускорится не больше "
        "чем в 1/(1-p) раз. Обещайте меньше или затроньте больше слоёв.",
    ),
    "trade_offs": Text(
        en="Say for each what gets worse: accuracy, memory, work, price, support.",
        ru="Скажите для каждой, что станет хуже: точность, память, объём работы, цена, поддержка.",
    ),
    "report": Text(
        en="Keep the five headings of the template and write under each in your own words.",
        ru="Сохраните пять заголовков шаблона и напишите под каждым своими словами.",
    ),
}
