"""Word problems: one quantity that events change, and chains of people who have more or less than one another."""

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
    """Write a story about one quantity: a start, events, a question, and distractors in between.

    Args:
        random: where every choice comes from.
        size: of the numbers; the quantity stays between 1 and its limit.
    """
    theme = random.choice(THEMES)
    told = _Story(theme, Draft(random, size))
    draft = told.draft
    draft.value = Operand(draft.number(4, size.start))
    told.tell(theme.start, n=draft.value.value)
    while draft.left:
        random.choice(told.events())()
    if not told.asked:
        told.tell(theme.ask)
    _distract(draft, told.words)
    return draft.written(" ".join(draft.sentences), theme.subject)


class _Story:
    """The events that can happen to a quantity; each adds a sentence and one or two operations."""

    def __init__(self, theme: Theme, draft: Draft) -> None:
        name, other = draft.random.sample(NAMES, 2)
        noun = draft.random.choice(NOUNS) if theme.unit == "{noun}" else ""
        self.words = {"name": name, "other": other, "noun": noun}
        self.unit = theme.unit.format(**self.words)
        self.lead = theme.lead.format(**self.words)
        self.theme = theme
        self.draft = draft
        self.asked = False

    def tell(self, templates: tuple[str, ...], **numbers: int) -> None:
        things = self.draft.random.choice(THINGS)
        text = self.draft.random.choice(templates)
        self.draft.sentences.append(text.format(**self.words, things=things, thing=things[:-1], **numbers))

    def events(self) -> list[Callable[[], None]]:
        """List what can happen now; frequent things stand there more than once."""
        draft, size, value = self.draft, self.draft.size, self.draft.value.value
        found: list[Callable[[], None]] = []
        if value + 2 <= size.limit:
            found += [self.gain] * 3
        if value > 3:
            found += [self.lose] * 3
        if value * 2 <= size.limit:
            found.append(self.multiply)
        if self._divisors():
            found.append(self.split)
        if draft.left >= 2:
            if value + 6 <= size.limit:
                found += [self.gain_groups] * 2
            if value > 8:
                found += [self.lose_groups] * 2
            if self._percents():
                found.append(self.lose_percent)
        if draft.left == 1 and value > 9:
            found.append(self.pack)
        return found

    def gain(self) -> None:
        size = self.draft.size
        n = self.draft.number(2, min(size.change, size.limit - self.draft.value.value))
        self.tell(self.theme.gain, n=n)
        self._go("+", Operand(n))

    def lose(self) -> None:
        n = self.draft.number(2, min(self.draft.size.change, self.draft.value.value - 1))
        self.tell(self.theme.lose, n=n)
        self._go("-", Operand(n))

    def gain_groups(self) -> None:
        self._groups(self.theme.gain_groups, "+", self.draft.size.limit - self.draft.value.value)

    def lose_groups(self) -> None:
        self._groups(self.theme.lose_groups, "-", self.draft.value.value - 1)

    def multiply(self) -> None:
        draft = self.draft
        k = draft.number(2, min(draft.size.factor, draft.size.limit // draft.value.value))
        self.tell(self.theme.multiply, k=k)
        self._go("*", Operand(k))

    def split(self) -> None:
        k = self.draft.random.choice(self._divisors())
        self.tell(self.theme.split, k=k)
        self._go("/", Operand(k))

    def lose_percent(self) -> None:
        p = self.draft.random.choice(self._percents())
        self.tell(self.theme.lose_percent, p=p)
        part = self.draft.compute(Operand(p), "% of", self.draft.value, "That is", self.unit)
        self._go("-", part)

    def pack(self) -> None:
        k = self.draft.number(3, min(9, self.draft.value.value - 1))
        self.tell(self.theme.pack, k=k)
        self.asked = True
        self._go("mod", Operand(k))

    def _groups(self, templates: tuple[str, ...], sign: str, most: int) -> None:
        draft = self.draft
        k = draft.number(2, min(draft.size.factor, most // 2))
        n = draft.number(2, min(draft.size.change, most // k))
        self.tell(templates, k=k, n=n)
        part = draft.compute(Operand(k), "*", Operand(n), "That is", self.unit)
        self._go(sign, part)

    def _go(self, sign: str, operand: Operand) -> None:
        draft = self.draft
        draft.value = draft.compute(draft.value, sign, operand, self.lead, self.unit)  # type: ignore[arg-type]

    def _divisors(self) -> list[int]:
        value = self.draft.value.value
        return [k for k in range(2, self.draft.size.factor + 1) if value % k == 0 and value > k]

    def _percents(self) -> list[int]:
        value = self.draft.value.value
        return [p for p in _PERCENTS if p * value % 100 == 0 and value > 3]


def comparison(random: Random, size: Size) -> Written:
    """Write about people in a row, each compared with the one before.

    Args:
        random: where every choice comes from.
        size: of the numbers; what each person has stays between 1 and its limit.
    """
    draft = Draft(random, size)
    noun = random.choice(NOUNS)
    together = size.operations > 1 and random.random() < 0.4
    names = random.sample(NAMES, size.operations + (0 if together else 1))
    value = Operand(draft.number(4, size.start))
    has = [value]
    told = [f"{names[0]} has {value.value} {noun}."]
    for before, name in pairwise(names):
        sign, number = _difference(draft, value.value)
        template = random.choice(COMPARED[sign])
        told.append(template.format(name=name, before=before, n=number, noun=noun))
        value = draft.compute(value, sign, Operand(number), f"{name} has", noun)  # type: ignore[arg-type]
        has.append(value)
    draft.sentences = told
    if together:
        draft.compute(has[-2], "+", has[-1], "Together they have", noun)
        told.append(f"How many {noun} do {names[-2]} and {names[-1]} have together?")
    else:
        told.append(f"How many {noun} does {names[-1]} have?")
    _distract(draft, {"name": names[-1], "other": random.choice([each for each in NAMES if each not in names])})
    return draft.written(" ".join(draft.sentences), "comparison")


def _difference(draft: Draft, value: int) -> tuple[str, int]:
    """Draw how the next person differs."""
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
    """Put sentences that change nothing somewhere before the question; the more, the higher the level."""
    random, size = draft.random, draft.size
    for template in random.sample(DISTRACTORS, random.randint(0, (size.level + 1) // 2)):
        noun = random.choice([each for each in THINGS if each != words.get("noun")])
        text = template.format(name=words["name"], other=words["other"], things=noun, n=draft.number(2, size.start))
        draft.sentences.insert(random.randint(1, len(draft.sentences) - 1), text)
