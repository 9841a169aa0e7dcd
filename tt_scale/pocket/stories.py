"""Generated word problems: a quantity that events change, and chains of comparisons between people."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from random import Random

from tt_scale.pocket.drafting import Draft, Size
from tt_scale.pocket.plan import Operand, Written
from tt_scale.pocket.themes import COMPARED, DISTRACTORS, NAMES, NOUNS, THEMES, THINGS, Theme

__all__ = ["comparison", "story"]

_PERCENTS = (10, 20, 25, 50)


def story(random: Random, size: Size) -> Written:
    """Generate a story about one quantity: a start, events, a question, and distractors in between.

    Args:
        random: source of randomness.
        size: size of the numbers; the quantity is always between 1 and its limit.
    """
    theme = random.choice(THEMES)
    narrative = _Story(theme, Draft(random, size))
    draft = narrative.draft
    draft.value = Operand(draft.number(4, size.start))
    narrative.add_sentence(theme.start, n=draft.value.value)
    while draft.left:
        random.choice(narrative.events())()
    if not narrative.asked:
        narrative.add_sentence(theme.ask)
    _distract(draft, narrative.words)
    return draft.written(" ".join(draft.sentences), theme.subject)


class _Story:
    """Events that change a quantity; each adds a sentence and one or two operations."""

    def __init__(self, theme: Theme, draft: Draft) -> None:
        name, other = draft.random.sample(NAMES, 2)
        noun = draft.random.choice(NOUNS) if theme.unit == "{noun}" else ""
        self.words = {"name": name, "other": other, "noun": noun}
        self.unit = theme.unit.format(**self.words)
        self.lead = theme.lead.format(**self.words)
        self.theme = theme
        self.draft = draft
        self.asked = False

    def add_sentence(self, templates: tuple[str, ...], **numbers: int) -> None:
        things = self.draft.random.choice(THINGS)
        text = self.draft.random.choice(templates)
        self.draft.sentences.append(text.format(**self.words, things=things, thing=things[:-1], **numbers))

    def events(self) -> list[Callable[[], None]]:
        """Events that are possible now; more frequent ones are repeated."""
        draft, size, value = self.draft, self.draft.size, self.draft.value.value
        events: list[Callable[[], None]] = []
        if value + 2 <= size.limit:
            events += [self.gain] * 3
        if value > 3:
            events += [self.lose] * 3
        if value * 2 <= size.limit:
            events.append(self.multiply)
        if self._divisors():
            events.append(self.split)
        if draft.left >= 2:
            if value + 6 <= size.limit:
                events += [self.gain_groups] * 2
            if value > 8:
                events += [self.lose_groups] * 2
            if self._percents():
                events.append(self.lose_percent)
        if draft.left == 1 and value > 9:
            events.append(self.pack)
        return events

    def gain(self) -> None:
        size = self.draft.size
        n = self.draft.number(2, min(size.change, size.limit - self.draft.value.value))
        self.add_sentence(self.theme.gain, n=n)
        self._apply("+", Operand(n))

    def lose(self) -> None:
        n = self.draft.number(2, min(self.draft.size.change, self.draft.value.value - 1))
        self.add_sentence(self.theme.lose, n=n)
        self._apply("-", Operand(n))

    def gain_groups(self) -> None:
        self._groups(self.theme.gain_groups, "+", self.draft.size.limit - self.draft.value.value)

    def lose_groups(self) -> None:
        self._groups(self.theme.lose_groups, "-", self.draft.value.value - 1)

    def multiply(self) -> None:
        draft = self.draft
        k = draft.number(2, min(draft.size.factor, draft.size.limit // draft.value.value))
        self.add_sentence(self.theme.multiply, k=k)
        self._apply("*", Operand(k))

    def split(self) -> None:
        k = self.draft.random.choice(self._divisors())
        self.add_sentence(self.theme.split, k=k)
        self._apply("/", Operand(k))

    def lose_percent(self) -> None:
        p = self.draft.random.choice(self._percents())
        self.add_sentence(self.theme.lose_percent, p=p)
        part = self.draft.compute(Operand(p), "% of", self.draft.value, "That is", self.unit)
        self._apply("-", part)

    def pack(self) -> None:
        k = self.draft.number(3, min(9, self.draft.value.value - 1))
        self.add_sentence(self.theme.pack, k=k)
        self.asked = True
        self._apply("mod", Operand(k))

    def _groups(self, templates: tuple[str, ...], sign: str, most: int) -> None:
        draft = self.draft
        k = draft.number(2, min(draft.size.factor, most // 2))
        n = draft.number(2, min(draft.size.change, most // k))
        self.add_sentence(templates, k=k, n=n)
        part = draft.compute(Operand(k), "*", Operand(n), "That is", self.unit)
        self._apply(sign, part)

    def _apply(self, sign: str, operand: Operand) -> None:
        draft = self.draft
        draft.value = draft.compute(draft.value, sign, operand, self.lead, self.unit)  # type: ignore[arg-type]

    def _divisors(self) -> list[int]:
        value = self.draft.value.value
        return [k for k in range(2, self.draft.size.factor + 1) if value % k == 0 and value > k]

    def _percents(self) -> list[int]:
        value = self.draft.value.value
        return [p for p in _PERCENTS if p * value % 100 == 0 and value > 3]


def comparison(random: Random, size: Size) -> Written:
    """Generate a chain of comparisons: each person has more or less than the one before.

    Args:
        random: source of randomness.
        size: size of the numbers; the amount of each person is between 1 and its limit.
    """
    draft = Draft(random, size)
    noun = random.choice(NOUNS)
    together = size.operations > 1 and random.random() < 0.4
    names = random.sample(NAMES, size.operations + (0 if together else 1))
    value = Operand(draft.number(4, size.start))
    amounts = [value]
    sentences = [f"{names[0]} has {value.value} {noun}."]
    for before, name in pairwise(names):
        sign, number = _difference(draft, value.value)
        template = random.choice(COMPARED[sign])
        sentences.append(template.format(name=name, before=before, n=number, noun=noun))
        value = draft.compute(value, sign, Operand(number), f"{name} has", noun)  # type: ignore[arg-type]
        amounts.append(value)
    draft.sentences = sentences
    if together:
        draft.compute(amounts[-2], "+", amounts[-1], "Together they have", noun)
        sentences.append(f"How many {noun} do {names[-2]} and {names[-1]} have together?")
    else:
        sentences.append(f"How many {noun} does {names[-1]} have?")
    _distract(draft, {"name": names[-1], "other": random.choice([each for each in NAMES if each not in names])})
    return draft.written(" ".join(draft.sentences), "comparison")


def _difference(draft: Draft, value: int) -> tuple[str, int]:
    """Draw the difference of the next person: sign and number."""
    size = draft.size
    possible = []
    if value + 2 <= size.limit // 2:
        possible += ["+", "+"]
    if value > 3:
        possible += ["-", "-"]
    if value * 2 <= size.limit // 2:
        possible.append("*")
    sign = draft.random.choice(possible)
    if sign == "+":
        return sign, draft.number(2, min(size.change, size.limit // 2 - value))
    if sign == "-":
        return sign, draft.number(2, min(size.change, value - 1))
    return sign, draft.number(2, min(size.factor, size.limit // 2 // value))


def _distract(draft: Draft, words: dict[str, str]) -> None:
    """Insert irrelevant sentences before the question, more of them at higher levels."""
    random, size = draft.random, draft.size
    for template in random.sample(DISTRACTORS, random.randint(0, (size.level + 1) // 2)):
        noun = random.choice([each for each in THINGS if each != words.get("noun")])
        text = template.format(name=words["name"], other=words["other"], things=noun, n=draft.number(2, size.start))
        draft.sentences.insert(random.randint(1, len(draft.sentences) - 1), text)
