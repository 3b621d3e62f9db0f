"""Informal spelling: no capitals, missing commas, typos, abbreviations, repeated letters, emoji.

None of it changes the meaning of a post; smileys agree with its label more often than not.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from typing import TypeVar

Option = TypeVar("Option")

_SHORT = {
    "очень": ("оч", "оооочень", "ооочень", "очнь"),
    "спасибо": ("спс", "спасиб", "пасиб", "спасибки", "спасибо"),
    "сейчас": ("щас", "ща", "сейчас"),
    "сегодня": ("седня", "сегодня", "сення"),
    "вообще": ("ваще", "вобще", "вообще"),
    "что": ("шо", "што", "чо", "что", "что", "что"),
    "ничего": ("ниче", "ничё", "ничего"),
    "конечно": ("канеш", "конечн", "конечно"),
    "человек": ("чел", "человек"),
    "рождения": ("рожденья", "рождения", "рожд", "варенья"),
    "днём": ("днем", "днюхой", "днём"),
    "здравствуйте": ("здрасьте", "здравствуйте", "драсте"),
    "привет": ("приветик", "прив", "превед", "привет"),
    "нормально": ("норм", "нормас", "нормально"),
    "говорят": ("грят", "говорят"),
    "реально": ("реал", "реально"),
    "тебе": ("те", "тебе", "тя"),
    "пожалуйста": ("плиз", "пжл", "пожалуйста"),
    "всего": ("всего", "всиво"),
    "короче": ("кароч", "короче", "кор"),
    "кто-нибудь": ("кто-нить", "ктонибудь", "кто-нибудь"),
}
_EXCLAMATIONS = (
    *("лол, ", "блин, ", "ахаха, ", "ну, ", "кстати, ", "ребят, ", "слушайте, ", "ох, ", "эй, "),
    *("хм, ", "имхо, ", "так, ", "короч, ", "ой, ", "а вот, ", "пипец, ", "хех, ", "эх, "),
)
_SMILEYS: dict[str, tuple[str, ...]] = {
    "negative": ("(((", "((", "😡", "😞", "😤", "😭", "🤬", ":(", "👎", "🤦", "😠", "((((", "💔"),
    "positive": (")))", "))", "😊", "❤", "👍", "😍", "🔥", ":)", "🎉", "😁", "♥", "))))", "🥰"),
    "neutral": (")", "...", "🙂", "🤔", "👀", "📌", "))"),
    "skip": ("...", "🙃", "😶", "🤷", ")))", "😅", "хз"),
    "speech": ("🎂", "🎁", "❤", "🌹", ")))", "😘", "🎉", "☀", "🙏", "!!!", "💐"),
}
_ANY = tuple(smiley for smileys in _SMILEYS.values() for smiley in smileys)
_NEIGHBOURS = str.maketrans("йцукенгшщзхфывапролджэячсмитьбю", "цйкунегшгщзыфаывпрлодлжчясимтию")
_VOWELS = "аеиоуыэюя"

EMOJI_SHARE = 0.33
"""Share of posts that end with a smiley."""
MATCHING_SMILEYS = 0.6
"""Share of smileys drawn from those of the label; the others are drawn from all."""
TYPO_SHARE = 0.03
"""Share of the words of four letters and more that have a typo."""


def spell(text: str, label: str, draw: random.Random) -> str:
    """The sentence `text`, given in lower case, as somebody may type it."""
    chance = draw.random
    if label not in ("speech", "skip") and chance() < 0.14:
        text = _one(_EXCLAMATIONS, draw) + text
    text = re.sub(r" в (?=[ВФ][бвгджзклмнпрстфхцчшщ])", " во ", text)
    text = re.sub(r"\b([сС]) (?=[сзСЗ][бвгджзклмнпрстфхцчшщ])", r"\1о ", text)
    if chance() < 0.6:
        text = text.replace("ё", "е")
    if chance() < 0.25:
        text = text.replace(",", "")
    if chance() < 0.3:
        text = re.sub("[«»]", '"' if chance() < 0.7 else "", text)
    if chance() < 0.5:
        text = text.replace(" — ", " - ")
    text = " ".join([_word(word, draw) for word in text.split(" ")])
    habit = chance()
    if habit < 0.5:
        text = re.sub(r"(?:^|[.!?] )[«\"]?\w", lambda found: found[0].upper(), text)
    elif habit < 0.68:
        text = text.lower()
    elif habit < 0.7:
        text = text.upper()
    return _ending(text, label, draw)


def _word(word: str, draw: random.Random) -> str:
    chance = draw.random()
    bare = word.strip(',.!?:«»"()')
    if chance < 0.3 and bare in _SHORT:
        return word.replace(bare, _one(_SHORT[bare], draw))
    if len(bare) < 4:
        return word
    if chance < TYPO_SHARE:
        return _typo(word, draw)
    if chance < TYPO_SHARE + 0.008:
        places = [at for at, letter in enumerate(word) if letter in _VOWELS]
        at = _one(places, draw) if places else 0
        return word[:at] + word[at] * (3 + int(draw.random() * 4)) + word[at + 1 :]
    return word


def _typo(word: str, draw: random.Random) -> str:
    """A word with two letters exchanged, or one lost, doubled or hit beside; never the first."""
    at = 1 + int(draw.random() * (len(word) - 2))
    kind = int(draw.random() * 4)
    if kind == 0:
        return word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    if kind == 1:
        return word[:at] + word[at + 1 :]
    if kind == 2:
        return word[:at] + word[at] + word[at:]
    return word[:at] + word[at].translate(_NEIGHBOURS) + word[at + 1 :]


def _ending(text: str, label: str, draw: random.Random) -> str:
    chance = draw.random()
    if text[-1] == "?" and chance < 0.2:
        text = text[:-1]
    elif text[-1] not in "!?.":
        if chance < 0.3:
            text += "."
        elif chance < 0.45:
            text += _one(("!", "!", "!!", "!!!"), draw)
        elif chance < 0.5:
            text += "..."
    if draw.random() < EMOJI_SHARE:
        fitting = draw.random() < MATCHING_SMILEYS
        smiley = _one(_SMILEYS[label] if fitting else _ANY, draw)
        text += ("" if smiley[0] in ").(!:" and draw.random() < 0.7 else " ") + smiley
    return text


def _one(options: Sequence[Option], draw: random.Random) -> Option:
    return options[int(draw.random() * len(options))]
