"""`posts-synthetic`: what is held out, how posts agree, and that they are the same everywhere."""

from __future__ import annotations

import logging
import os
import re
import subprocess
import sys
import tomllib
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from grader import data
from grader.data import PARTS
from grader.data.text import posts_grammar, posts_synthetic, posts_vocabulary
from grader.data.text.posts import LABELS, PostSet, spelling_key
from grader.data.text.posts_synthetic import NAME, PostSettings
from grader.release import contents
from grader.text.errors import UsageError

SMALL = PostSettings(train=1_500, validation=300, hidden=900)
Written = dict[str, tuple[PostSet, tuple[str, ...]]]


@pytest.fixture(scope="module")
def written() -> Written:
    """Each part with the templates of its posts."""
    return {part: posts_synthetic.write(part, "one", SMALL) for part in PARTS}


# Parts.


def test_each_part_has_as_many_posts_as_asked_for(written: Written) -> None:
    assert [len(written[part][0]) for part in PARTS] == [1_500, 300, 900]


def test_no_post_is_twice_whatever_its_spelling(written: Written) -> None:
    keys = [spelling_key(text) for posts, _ in written.values() for text in posts.texts]
    assert len(set(keys)) == len(keys)


def test_the_students_package_draws_no_hidden_posts(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """It lacks the held-out templates, and draws the public parts as before."""
    assert posts_grammar.HELD_OUT in contents.withheld_of_engine()
    monkeypatch.setattr(posts_grammar, "HELD_OUT", tmp_path / "none.toml")
    posts_grammar.groups.cache_clear()
    with pytest.raises(UsageError, match="has no hidden part of posts-synthetic"):
        posts_synthetic.write("hidden", "demo", SMALL)
    public = [one for group in posts_grammar.groups(hidden=False) for one in group.templates]
    assert public
    assert not any(template.held_out for template in public)
    posts_grammar.groups.cache_clear()


def test_held_out_templates_occur_in_the_hidden_part_only(written: Written) -> None:
    held_out = {
        template.identity
        for group in posts_grammar.groups(hidden=True)
        for template in group.templates
        if template.held_out
    }
    used = {part: set(identities) for part, (_, identities) in written.items()}
    assert not held_out & (used["train"] | used["validation"])
    identities = written["hidden"][1]
    share = sum(one in held_out for one in identities) / len(identities)
    assert share == pytest.approx(SMALL.held_out_templates, abs=0.04)
    assert len(held_out & used["hidden"]) > 20


def test_held_out_words_are_not_in_the_public_vocabulary() -> None:
    words = posts_vocabulary.vocabulary(everything=False)
    everything = posts_vocabulary.vocabulary(everything=True)
    held_out = _held_out_words()

    def known(one: posts_vocabulary.Vocabulary) -> set[str]:
        nouns = [*one.names, *one.surnames, *one.towns]
        nouns += [thing for domain in one.domains for thing in domain.things]
        pairs = [one.adjectives, *(domain.adjectives for domain in one.domains)]
        adjectives = {adjective.word for pair in pairs for side in pair for adjective in side}
        return {noun.word for noun in nouns} | set(one.titles) | adjectives

    assert not known(words) & held_out
    assert held_out <= known(everything)
    assert len(held_out) / len(known(everything)) == pytest.approx(0.15, abs=0.02)


def test_held_out_judging_words_are_never_spelt_in_training(written: Written) -> None:
    """Also where a template or another phrase would say them."""
    words = posts_vocabulary.vocabulary(everything=True)
    held_out = _held_out_words()
    pairs = [words.adjectives, *(domain.adjectives for domain in words.domains)]
    forms = {
        form
        for pair in pairs
        for side in pair
        for one in side
        if one.word in held_out
        for form in one.forms
    }

    def said(part: str) -> set[str]:
        return {word for text in written[part][0].texts for word in _words(text)} & forms

    assert len(said("hidden")) > 20
    assert not said("train") | said("validation")


def test_the_hidden_part_comes_from_the_seed(written: Written, cache: Path) -> None:
    other, _ = posts_synthetic.write("hidden", "two", SMALL)
    mine = written["hidden"][0]
    assert len(set(other.texts) & set(mine.texts)) < 50  # the shortest formulas are said by all
    with pytest.raises(UsageError, match="seed"):
        data.load_posts(NAME, "hidden", settings=SMALL)
    public, _ = posts_synthetic.write("validation", "two", SMALL)
    assert public.fingerprint == written["validation"][0].fingerprint


# Labels.


def test_the_noise_of_training_labels_is_as_stated() -> None:
    size = PostSettings(train=4_000)
    noisy, _ = posts_synthetic.write("train", None, size)
    clean, _ = posts_synthetic.write("train", None, PostSettings(train=4_000, label_noise=0.0))
    assert noisy.texts == clean.texts
    wrong = np.mean(noisy.labels != clean.labels)
    assert wrong == pytest.approx(size.label_noise, abs=0.01)


def test_labels_outside_training_follow_from_the_templates(written: Written) -> None:
    fixed = {"0": "neutral", "?": "skip", "s": "speech"}
    rules = {
        template.identity: template.rule
        for group in posts_grammar.groups(hidden=True)
        for template in group.templates
    }
    for part in ("validation", "hidden"):
        posts, identities = written[part]
        for label, identity in zip(posts.labels.tolist(), identities, strict=True):
            expected = fixed.get(rules[identity])
            assert LABELS[label] == expected or (
                expected is None and LABELS[label] in ("negative", "positive")
            )


def test_shares_of_the_classes_are_as_documented() -> None:
    posts, _ = posts_synthetic.write("validation", None, PostSettings(validation=3_000))
    shares = np.bincount(posts.labels, minlength=len(LABELS)) / len(posts)
    assert shares == pytest.approx([0.24, 0.39, 0.21, 0.08, 0.07], abs=0.03)


def test_every_phenomenon_is_in_every_part(written: Written) -> None:
    names = {group.name for group in posts_grammar.groups(hidden=True)}
    assert {"negation", "contrast", "irony", "quotation", "conditional", "greeting_flip"} <= names
    for posts, _ in written.values():
        assert set(posts.groups) == names


def test_a_word_of_judgement_says_little_alone(written: Written) -> None:
    """Among posts with a praising adjective, those that praise are not the rule."""
    words = posts_vocabulary.vocabulary(everything=True)
    praise = {form for one in words.adjectives[1] for form in one.forms}
    posts = written["train"][0]
    counts = Counter(
        LABELS[label]
        for text, label in zip(posts.texts, posts.labels.tolist(), strict=True)
        if praise & set(_words(text))
    )
    assert counts["positive"] < 0.5 * counts.total()
    assert counts["negative"] > 0.15 * counts.total()


# Russian.


def test_forms_are_those_of_the_dictionary() -> None:
    pymorphy3 = pytest.importorskip("pymorphy3")
    morph = pymorphy3.MorphAnalyzer()
    words = posts_vocabulary.vocabulary(everything=True)
    genders = {"м": "masc", "ж": "femn", "с": "neut"}
    cases = dict(zip("ирдвтп", ("nomn", "gent", "datv", "accs", "ablt", "loct"), strict=True))
    adjectives = [one for side in words.adjectives for one in side]
    things = [thing for domain in words.domains for thing in domain.things]
    for number, thing in enumerate(things):
        adjective = adjectives[number % len(adjectives)]
        for case, mark in cases.items():
            form = adjective.form(thing, case)
            wanted = {mark} | ({genders[thing.gender]} if thing.gender in genders else {"plur"})
            tags = [parse.tag for parse in morph.parse(form)]
            assert any(wanted <= set(tag.grammemes) for tag in tags), (thing.word, form, case)
            noun = [parse.tag for parse in morph.parse(thing.form(case))]
            assert any(mark in tag for tag in noun), (thing.word, case)


@pytest.mark.parametrize(
    ("verb", "gender", "expected"),
    [
        ("порадовал", "ж", "порадовала"),
        ("оказался", "с", "оказалось"),
        ("стал", "-", "стали"),
        ("прав", "ж", "права"),
        ("мог", "-", "могли"),
    ],
)
def test_past_verbs_agree(verb: str, gender: str, expected: str) -> None:
    assert posts_grammar.conjugate(verb, gender) == expected


def test_a_woman_has_the_feminine_of_a_surname() -> None:
    forms = ("Иванов", "Иванова", "Иванову", "Иванова", "Ивановым", "Иванове")
    noun = posts_vocabulary.Noun("Иванов", "м", True, forms)
    assert posts_grammar.surname(noun, "ж", "и") == "Иванова"
    assert posts_grammar.surname(noun, "ж", "т") == "Ивановой"
    assert posts_grammar.surname(noun, "м", "т") == "Ивановым"


@pytest.mark.parametrize("bad", ["{T", "[one|two", "{сказал}", "{?}"])
def test_a_bad_template_is_named(bad: str) -> None:
    with pytest.raises(ValueError, match=re.escape(bad)):
        posts_grammar.parse(bad)


# The same everywhere.


def test_a_fresh_process_writes_the_same_posts(written: Written) -> None:
    code = (
        "from grader.data.text import posts_synthetic as p; print(p.write('train', None, "
        "p.PostSettings(train=1_500))[0].fingerprint)"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "7"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    )
    assert done.stdout.strip() == written["train"][0].fingerprint


@pytest.mark.slow
@pytest.mark.parametrize(
    ("part", "fingerprint"),
    [
        ("train", "f576b5faf10dce515e6c15d764df6112527700cd3fc7fb558d880225d5bc2ae9"),
        ("validation", "86063ab0af31c940b7855d4970285e5be93fd9dc575a9ff452679571a1227ade"),
    ],
)
def test_the_posts_are_those_that_the_courses_teacher_learned_from(
    part: str, fingerprint: str
) -> None:
    """Who changes the generator trains the committed models and measures the handout anew."""
    assert posts_synthetic.write(part, None, PostSettings())[0].fingerprint == fingerprint


def test_the_cache_gives_back_what_was_written_and_mends_damage(
    cache: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first = data.load_posts(NAME, "validation", settings=SMALL)
    again = data.load_posts(NAME, "validation", settings=SMALL)
    assert again.texts == first.texts
    assert again.groups == first.groups
    assert again.fingerprint == first.fingerprint
    (file,) = (cache / "data").glob(f"{NAME}-*.json")
    file.write_bytes(file.read_bytes().replace(b'"labels":[', b'"labels":[3,', 1))
    with caplog.at_level(logging.WARNING):
        mended = data.load_posts(NAME, "validation", settings=SMALL)
    assert mended.fingerprint == first.fingerprint
    assert "damaged" in caplog.text


def test_a_cache_entry_depends_on_code_and_not_on_where_it_is() -> None:
    moved = posts_synthetic.code_only(b"import a\nx = 1\n")
    assert posts_synthetic.code_only(b'"""Text."""\nfrom b import a\n# Why.\nx = 1') == moved
    assert posts_synthetic.code_only(b"import a\nx = 2\n") != moved


def test_writing_needs_no_dictionary() -> None:
    code = (
        "import sys; sys.modules['pymorphy3'] = None;"
        "from grader.data.text import posts_synthetic as p;"
        "print(len(p.write('train', None, p.PostSettings(train=50))[0]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "50"


def test_names_and_parts_that_do_not_exist_are_answered() -> None:
    with pytest.raises(UsageError, match="posts-synthetic, rusentiment"):
        data.load_posts("fsdd", "train")
    with pytest.raises(UsageError, match="train, validation, hidden"):
        data.load_posts(NAME, "test")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="built in"):
        data.load_posts(NAME, "train", source=Path())


def _words(text: str) -> list[str]:
    return re.findall("[а-яё-]+", text.lower())


def _held_out_words() -> set[str]:
    """Words that never occur outside the hidden part, in their dictionary form."""
    lexicon = tomllib.loads(posts_vocabulary.LEXICON.read_text(encoding="utf-8"))
    lines = posts_vocabulary.WORDS.read_text(encoding="utf-8").splitlines()
    rows = [line.split("\t") for line in lines]
    found = {
        word
        for kind, word, *_ in rows
        if kind in posts_vocabulary.OPEN and posts_vocabulary.is_held_out(word)
    }
    adjectives = [lexicon["general"], *lexicon["domain"].values()]
    judging = " ".join(f"{one['good']} {one['bad']}" for one in adjectives).split()
    return found | {word[1:] for word in judging if word.startswith("!")}
