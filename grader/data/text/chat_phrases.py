"""What `chat-synthetic` talks about: words, and intents made of templates and replies.

A reply's weight is how often it is given. A reply may depend on the kind of word in the query
(`by_slot`): then a network has to remember words, as it has to with real conversations.
"""

from __future__ import annotations

from dataclasses import dataclass, field

Replies = dict[str, int]

SLOTS: dict[str, tuple[str, ...]] = {
    "hi": ("hi", "hello", "hey", "hiya", "yo", "good day", "howdy", "greetings"),
    "bye": ("bye", "goodbye", "see you", "later", "farewell", "cya", "take care", "so long"),
    "who": ("friend", "mate", "robot", "buddy", "board", "machine", "bot", "dear", "pal", "boss"),
    "when": ("now", "today", "tonight", "tomorrow", "on monday", "at noon", "this week", "soon"),
    "food": (
        *("pizza", "soup", "bread", "cake", "rice", "apples", "cheese", "honey", "salad", "fish"),
        *("noodles", "pancakes", "berries", "chocolate", "beans", "tea", "coffee", "lemonade"),
    ),
    "animal": (
        *("cats", "dogs", "birds", "horses", "spiders", "wolves", "frogs", "bees", "snakes"),
        *("rabbits", "owls", "foxes", "whales", "mice", "goats", "ducks", "bears", "crows"),
    ),
    "place": (
        *("paris", "moscow", "the sea", "london", "the park", "space", "the moon", "school"),
        *("the shop", "home", "work", "tokyo", "the river", "berlin", "the forest", "mars"),
    ),
    "skill": (
        *("sing", "dance", "count", "swim", "cook", "read", "draw", "fly", "think", "dream"),
        *("sleep", "drive", "write", "listen", "remember", "feel", "learn", "jump"),
    ),
    "thing": (
        *("a lamp", "a motor", "a sensor", "a wire", "a book", "a phone", "a clock", "a door"),
        *("a battery", "a button", "a screen", "a radio", "a chair", "a key", "a bag", "a pen"),
    ),
    "good": ("happy", "glad", "great", "fine", "excited", "calm", "proud", "lucky", "awake"),
    "bad": ("sad", "tired", "angry", "bored", "sick", "lonely", "scared", "cold", "hungry"),
    "colour": ("red", "blue", "green", "white", "black", "yellow", "orange", "grey", "pink"),
    "person": ("my sister", "my brother", "my mum", "my dad", "my teacher", "my friend", "anna"),
}


@dataclass(frozen=True)
class Intent:
    templates: tuple[str, ...]
    """With {slot} where a word goes."""
    replies: Replies = field(default_factory=dict)
    by_slot: str = ""
    """The slot whose word decides: words at even places get `replies`, the others `other`."""
    other: Replies = field(default_factory=dict)


MOODS = (
    *("OK", "YES", "NO", "MAYBE", "WHY?", "HM", "IDK", "LOL", "R U?", "IS IT?", "SO?", "HUH?"),
    *("GO ON", "I SEE", "AND?", "YEP", "NAH", "WOW", "GOOD", "SURE", "WHO?", "HOW?", "BEEP"),
    *("NOT ME", "AM I?", "DO I?", "OH", "COOL", "TELL ME", "SAME", "TRUE", "YA", "WHAT?"),
    *("LATER", "MEH", "FUN"),
)
"""Replies that anybody gives to anything."""

ENDINGS = ("!", "?", " U", " OK", " OR", " YES", " NO", "!!", " IF", " HA", " SO", " AS I")
"""What may follow any reply."""

BEFORE = ("", "", "", "", "well ", "so ", "um ", "ok ", "listen ", "please ", "and ", "tell me ")
AFTER = ("", "", "", "", "", " {who}", " {when}", " please", " then", " again", " or not")

INTENTS = (
    Intent(
        ("{hi}", "{hi} {who}", "{hi} there", "{hi} my {who}"),
        {"HI": 6, "HELLO": 2, "HEY YOU": 1, "YO": 1},
    ),
    Intent(
        ("{bye}", "{bye} {who}", "i must go {when}", "{bye} for now", "i go to bed"),
        {"BYE": 7, "SEE YOU": 2, "ALREADY?": 1},
    ),
    Intent(
        ("how are you", "how is life", "are you ok", "are you {good}", "how do you feel"),
        {"GOOD": 4, "OK": 4, "IM FINE": 1, "U?": 1},
    ),
    Intent(
        ("are you {bad}", "do you get {bad}", "were you {bad} {when}", "you look {bad}"),
        {"NO": 5, "MAYBE": 3, "I AM A BOT": 1},
    ),
    Intent(
        ("i am {good}", "i feel {good}", "we are {good}", "i was {good} {when}", "im so {good}"),
        {"NICE": 5, "GOOD": 3, "R U?": 3},
    ),
    Intent(
        ("i am {bad}", "i feel {bad}", "im so {bad}", "{person} is {bad}", "we are all {bad}"),
        {"WHY?": 5, "OH NO": 3, "REST": 2},
    ),
    Intent(
        ("do you like {food}", "do you eat {food}", "is {food} good", "want some {food}"),
        {"YES": 7, "YUM": 2},
        "food",
        {"NO": 6, "MAYBE": 3},
    ),
    Intent(
        ("i like {food}", "i ate {food}", "i will cook {food}", "{food} and {food} for me"),
        {"YUM": 5, "NICE": 3, "ME TOO": 2},
        "food",
        {"SURE?": 4, "OK": 4, "HM": 1},
    ),
    Intent(
        ("do you like {animal}", "are {animal} nice", "have you seen {animal}", "i saw {animal}"),
        {"YES": 5, "CUTE": 4},
        "animal",
        {"NO": 5, "RUN!": 4},
    ),
    Intent(
        ("where is {place}", "how far is {place}", "is {place} near", "what is in {place}"),
        {"FAR": 5, "ASK A MAP": 3},
        "place",
        {"NEAR": 4, "HERE": 4},
    ),
    Intent(
        ("i go to {place}", "we drive to {place}", "i live in {place}", "{person} is in {place}"),
        {"WHY?": 4, "WHEN?": 5},
        "place",
        {"NICE": 5, "TAKE ME": 4},
    ),
    Intent(
        ("can you {skill}", "do you {skill}", "will you {skill} {when}", "you can {skill}"),
        {"YES": 5, "I TRY": 3},
        "skill",
        {"NO": 6, "NOT YET": 3},
    ),
    Intent(
        ("i can {skill}", "i {skill} {when}", "{person} can {skill}", "i want to {skill}"),
        {"DO IT": 4, "CAN U?": 4, "OK": 2},
    ),
    Intent(
        ("i have {thing}", "i bought {thing}", "i lost {thing}", "{person} has {thing}"),
        {"WHAT FOR?": 4, "NICE": 4, "SO?": 2},
    ),
    Intent(
        ("what is {thing}", "do you need {thing}", "can i use {thing}", "is it {thing}"),
        {"MAYBE": 5, "YES": 3},
        "thing",
        {"NO": 5, "IDK": 3},
    ),
    Intent(
        ("what is your name", "who are you", "what are you", "are you a {who}", "you are a {who}"),
        {"A CHIP": 4, "UNO": 4, "YOUR BOT": 2},
    ),
    Intent(
        (
            *("what colour is {thing}", "do you like {colour}", "is it {colour}"),
            "{colour} or {colour}",
        ),
        {"RED": 3, "BLUE": 4, "GREY": 2},
    ),
    Intent(
        ("do you know {person}", "who is {person}", "{person} says {hi}", "i miss {person}"),
        {"WHO?": 6, "SAY HI": 3, "NO": 2},
    ),
    Intent(
        ("thanks", "thank you", "thanks {who}", "thank you so much", "cheers {who}", "nice one"),
        {"OK": 5, "NO PROBLEM": 3, "ANY TIME": 2},
    ),
    Intent(
        ("you are wrong", "that is wrong", "no", "i say no", "not true {who}", "you lie"),
        {"SORRY": 5, "IS IT?": 4, "HM": 1},
    ),
    Intent(
        ("yes", "i agree", "you are right", "true", "sure {who}", "of course", "i think so"),
        {"GOOD": 4, "I KNOW": 4, "YAY!": 2},
    ),
    Intent(
        ("what time is it", "is it late", "when is noon", "what day is it {when}", "is it monday"),
        {"LATE": 4, "NO CLOCK": 4, "8": 2},
    ),
    Intent(
        ("tell a joke", "make me laugh", "be funny {when}", "say something", "sing for {person}"),
        {"LOL": 4, "1 OR 2?": 2, "BEEP": 4},
    ),
    Intent(
        ("help", "i need help", "help {person}", "can you help {when}", "help me with {thing}"),
        {"HOW?": 5, "OK": 3, "I TRY": 2},
    ),
)
