"""A second opinion on pocket problems: reads a question as a person would, and knows nothing of how it was made."""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Callable
from functools import cache

NAMES = ("Mia", "Ben", "Tom", "Ann", "Leo", "Eva", "Max", "Zoe", "Sam", "Amy", "Dan", "Kim")
GOODS = ("apples", "pens", "cards", "stamps", "shells", "marbles", "eggs", "books")
TOYS = ("hats", "cups", "balls", "kites", "lamps", "rings")
MEASURES = ("dollars", "minutes", "km")

WORDS = dict.fromkeys(NAMES, "Other") | dict.fromkeys(TOYS, "toys") | {toy[:-1]: "toy" for toy in TOYS}
"""Words that stand for a kind. The person of a story is `Hero`, what is counted `goods`, and a number `#`."""


class NotUnderstoodError(AssertionError):
    """A sentence that no row explains, or a sum that does not come out even."""


def read_answer(question: str) -> int:
    """Answer a question from its text alone."""
    if asked := re.fullmatch(r"(?:Compute|Find the value of|Work out) (.+)\.|What is (.+)\?", question):
        return _value(ast.parse(asked[1] or asked[2], mode="eval").body)
    # What is left over is asked of the packing before it: those two sentences are one.
    sentences = re.split(r"(?<=[.?]) (?!How many \w+ are left over)", question)
    if asked := re.fullmatch(r"How many (\w+) (?:does (\w+)|do (\w+) and (\w+)) have( together)?\?", sentences[-1]):
        people = [name for name in asked.groups()[1:4] if name]
        if bool(asked[5]) != (len(people) == 2):
            raise NotUnderstoodError(sentences[-1])
        has = _compare(sentences[:-1], asked[1])
        return sum(has[name] for name in people)
    return _follow(sentences)


# --- expressions ------------------------------------------------------------------------------------------------------


def _value(node: ast.expr) -> int:
    if isinstance(node, ast.Constant) and type(node.value) is int:
        return node.value
    if not isinstance(node, ast.BinOp):
        raise NotUnderstoodError(ast.dump(node))
    left, right = _value(node.left), _value(node.right)
    if isinstance(node.op, ast.Add):
        return left + right
    if isinstance(node.op, ast.Sub):
        return left - right
    if isinstance(node.op, ast.Mult):
        return left * right
    if isinstance(node.op, ast.Div):
        return share(left, right)
    raise NotUnderstoodError(ast.dump(node))


# --- stories ----------------------------------------------------------------------------------------------------------


def add(value: int, *numbers: int) -> int:
    return value + math.prod(numbers)


def take(value: int, *numbers: int) -> int:
    return value - math.prod(numbers)


def times(value: int, factor: int) -> int:
    return value * factor


def share(value: int, parts: int) -> int:
    whole, rest = divmod(value, parts)
    if rest:
        raise NotUnderstoodError(f"{value} / {parts} leaves {rest}")
    return whole


def take_percent(value: int, percents: int) -> int:
    return value - share(value * percents, 100)


def left_over(value: int, size: int) -> int:
    return value % size


def nothing(value: int, *_: int) -> int:
    return value


STARTS = (
    r"(?P<hero>\w+) (?:has|starts with) (?P<number>\d+) (?P<unit>\w+)\.",
    r"There are (?P<number>\d+) (?P<unit>\w+) in the (?:box|purse) of (?P<hero>\w+)\.",
    r"The work of (?P<hero>\w+) takes (?P<number>\d+) (?P<unit>minutes)\.",
    r"(?P<hero>\w+) plans (?P<number>\d+) (?P<unit>minutes) of work\.",
    r"(?P<hero>\w+) walks (?P<number>\d+) (?P<unit>km)\.",
    r"The way of (?P<hero>\w+) is (?P<number>\d+) (?P<unit>km) long\.",
)

EVENTS: tuple[tuple[str, Callable[..., int]], ...] = (
    (r"Hero (buys # more|finds #) goods\.", add),
    (r"(Other gives Hero # goods|Hero gets # goods from Other)\.", add),
    (r"Hero gives # goods to Other\.", take),
    (r"(Hero (loses|sells) # goods|Other takes # of the goods)\.", take),
    (r"Hero (buys # bags of # goods|gets # goods from each of # friends)\.", add),
    (r"Hero (sells # bags of # goods|gives # goods to each of # friends)\.", take),
    (r"Hero collects until there are # times as many goods\.", times),
    (r"Hero puts the goods into # equal piles and keeps one pile\.", share),
    (r"(Hero sells # percent of the goods|# percent of the goods break)\.", take_percent),
    (r"Hero packs the goods into boxes of #\. How many goods are left over\?", left_over),
    (r"How many goods (does Hero have now|are left in the end)\?", nothing),
    (r"(Hero earns|Other pays Hero|Hero sells a toy for) # dollars\.", add),
    (r"(Hero spends|Hero pays Other|Hero buys a toy for) # dollars\.", take),
    (r"Hero (works # hours for # dollars an hour|sells # toys at # dollars each)\.", add),
    (r"Hero (buys # toys at # dollars each|rents a room for # days at # dollars a day)\.", take),
    (r"A prize turns the money into # times as much\.", times),
    (r"Hero divides the money into # equal shares and keeps one share\.", share),
    (r"(Hero spends # percent of the money|# percent of the money goes to Other)\.", take_percent),
    (r"Hero buys as many tickets at # dollars as possible\. How many dollars are left over\?", left_over),
    (r"How many dollars (does Hero have now|are left in the end)\?", nothing),
    (r"(Hero adds # minutes|A call takes # minutes more|Other is late and # minutes are lost)\.", add),
    (r"(Hero saves # minutes|Other does # minutes of it|Hero leaves out # minutes)\.", take),
    (r"(Hero adds # lessons of # minutes|# calls of # minutes each come on top)\.", add),
    (r"(Hero leaves out # breaks of # minutes|# friends save # minutes each)\.", take),
    (r"A new plan makes it # times as long\.", times),
    (r"The work is divided equally among # people\.", share),
    (r"(A machine saves # percent of the time|Hero cuts the time by # percent)\.", take_percent),
    (r"The time is cut into parts of # minutes\. How many minutes are left over\?", left_over),
    (r"How many minutes (does it take now|does Hero need in the end)\?", nothing),
    (r"(Hero rides # km further|A detour adds # km|Hero goes on for # km)\.", add),
    (r"(A bridge saves # km|A new road makes it # km shorter|Hero goes back # km)\.", take),
    (r"(Hero drives on for # hours at # km an hour|# detours add # km each)\.", add),
    (r"(# bridges save # km each|Hero goes back # km an hour for # hours)\.", take),
    (r"Another way is # times as long, and Hero takes it\.", times),
    (r"The way has # equal parts, and Hero does only one\.", share),
    (r"(A tunnel saves|Hero leaves out) # percent of the way\.", take_percent),
    (r"Hero rests after every # km\. How many km are left over after the last rest\?", left_over),
    (r"How many km is it (now|for Hero in the end)\?", nothing),
)

ASIDES = (
    r"(Hero|Other) (has|also owns) # toys\.",
    r"(Hero|Other) is # years old\.",
    r"The house of (Hero|Other) has number #\.",
)
"""Sentences that have nothing to do with the question."""


def _follow(sentences: list[str]) -> int:
    """Keep count from the first sentence of a story to its last, the question."""
    start = next(filter(None, (re.fullmatch(row, sentences[0]) for row in STARTS)), None)
    if start is None or start["hero"] not in NAMES or start["unit"] not in GOODS + MEASURES:
        raise NotUnderstoodError(sentences[0])
    words = {**WORDS, start["hero"]: "Hero"}
    if start["unit"] in GOODS:
        words[start["unit"]] = "goods"
    value = int(start["number"])
    for place, sentence in enumerate(sentences[1:], start=1):
        if sentence.endswith("?") != (place == len(sentences) - 1):
            raise NotUnderstoodError(f"question in the middle, or none at the end: {sentences}")
        value = _effect(_shape(sentence, words))(value, *map(int, re.findall(r"\d+", sentence)))
    return value


def _shape(sentence: str, words: dict[str, str]) -> str:
    return re.sub(r"\w+", lambda word: "#" if word[0].isdigit() else words.get(word[0], word[0]), sentence)


@cache
def _effect(shape: str) -> Callable[..., int]:
    """Find what a sentence does: exactly one row must explain it."""
    found = [effect for row, effect in EVENTS if re.fullmatch(row, shape)]
    found += [nothing for row in ASIDES if re.fullmatch(row, shape)]
    if len(found) != 1:
        raise NotUnderstoodError(f"{len(found)} rows explain: {shape}")
    return found[0]


# --- comparisons ------------------------------------------------------------------------------------------------------

COMPARISONS: tuple[tuple[str, Callable[..., int]], ...] = (
    (r"(\w+) has (\d+) more goods than (\w+)\.", add),
    (r"(\w+) has (\d+) goods more than (\w+) has\.", add),
    (r"(\w+) has (\d+) fewer goods than (\w+)\.", take),
    (r"(\w+) has (\d+) goods fewer than (\w+) has\.", take),
    (r"(\w+) has (\d+) times as many goods as (\w+)\.", times),
)


def _compare(sentences: list[str], unit: str) -> dict[str, int]:
    """Find what everyone has, in whatever order it is told."""
    has: dict[str, int] = {}
    told: dict[str, tuple[Callable[..., int], int, str]] = {}
    for sentence in sentences:
        text = re.sub(rf"\b{unit}\b", "goods", sentence)
        statement = next(((row, effect) for row, effect in COMPARISONS if re.fullmatch(row, text)), None)
        if statement:
            name, number, other = re.fullmatch(statement[0], text).groups()
            _only_once(name, has, told)
            told[name] = (statement[1], int(number), other)
        elif given := re.fullmatch(r"(\w+) has (\d+) goods\.", text):
            _only_once(given[1], has, told)
            has[given[1]] = int(given[2])
        elif not any(re.fullmatch(row, _shape(sentence, WORDS)) for row in ASIDES):
            raise NotUnderstoodError(sentence)
    while told:
        ready = [name for name, (_, _, other) in told.items() if other in has]
        if not ready:
            raise NotUnderstoodError(f"nothing says what {sorted(told)} have")
        for name in ready:
            effect, number, other = told.pop(name)
            has[name] = effect(has[other], number)
    return has


def _only_once(name: str, has: dict, told: dict) -> None:
    if name in has or name in told or name not in NAMES:
        raise NotUnderstoodError(f"{name} is told of twice, or nobody's name")
