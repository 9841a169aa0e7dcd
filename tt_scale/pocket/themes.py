"""Wording of the word problems: names, things, and sentence templates."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["COMPARED", "DISTRACTORS", "NAMES", "NOUNS", "THEMES", "THINGS", "Theme"]

NAMES = ("Mia", "Ben", "Tom", "Ann", "Leo", "Eva", "Max", "Zoe", "Sam", "Amy", "Dan", "Kim")
NOUNS = ("apples", "pens", "cards", "stamps", "shells", "marbles", "eggs", "books")
THINGS = ("hats", "cups", "balls", "kites", "lamps", "rings")


@dataclass(frozen=True, slots=True)
class Theme:
    """Sentences about one kind of quantity. {n} is an amount, {k} a number of groups or a factor, {p} percents.

    Attributes:
        subject: its name.
        unit: what is counted.
        lead: beginning of a step that states the new quantity.
        start: the first sentence.
        gain: n more.
        lose: n fewer.
        gain_groups: k times n more.
        lose_groups: k times n fewer.
        multiply: k times as much.
        split: one of k equal parts is kept.
        lose_percent: p percent fewer.
        pack: what is left over when it is divided by k; the question itself.
        ask: the question.
    """

    subject: str
    unit: str
    lead: str
    start: tuple[str, ...]
    gain: tuple[str, ...]
    lose: tuple[str, ...]
    gain_groups: tuple[str, ...]
    lose_groups: tuple[str, ...]
    multiply: tuple[str, ...]
    split: tuple[str, ...]
    lose_percent: tuple[str, ...]
    pack: tuple[str, ...]
    ask: tuple[str, ...]


THEMES = (
    Theme(
        subject="goods",
        unit="{noun}",
        lead="{name} has",
        start=(
            "{name} has {n} {noun}.",
            "{name} starts with {n} {noun}.",
            "There are {n} {noun} in the box of {name}.",
        ),
        gain=(
            "{name} buys {n} more {noun}.",
            "{name} finds {n} {noun}.",
            "{other} gives {name} {n} {noun}.",
            "{name} gets {n} {noun} from {other}.",
        ),
        lose=(
            "{name} gives {n} {noun} to {other}.",
            "{name} loses {n} {noun}.",
            "{other} takes {n} of the {noun}.",
            "{name} sells {n} {noun}.",
        ),
        gain_groups=("{name} buys {k} bags of {n} {noun}.", "{name} gets {n} {noun} from each of {k} friends."),
        lose_groups=("{name} gives {n} {noun} to each of {k} friends.", "{name} sells {k} bags of {n} {noun}."),
        multiply=("{name} collects until there are {k} times as many {noun}.",),
        split=("{name} puts the {noun} into {k} equal piles and keeps one pile.",),
        lose_percent=("{name} sells {p} percent of the {noun}.", "{p} percent of the {noun} break."),
        pack=("{name} packs the {noun} into boxes of {k}. How many {noun} are left over?",),
        ask=("How many {noun} does {name} have now?", "How many {noun} are left in the end?"),
    ),
    Theme(
        subject="money",
        unit="dollars",
        lead="{name} has",
        start=(
            "{name} has {n} dollars.",
            "{name} starts with {n} dollars.",
            "There are {n} dollars in the purse of {name}.",
        ),
        gain=(
            "{name} earns {n} dollars.",
            "{other} pays {name} {n} dollars.",
            "{name} sells a {thing} for {n} dollars.",
        ),
        lose=(
            "{name} buys a {thing} for {n} dollars.",
            "{name} pays {other} {n} dollars.",
            "{name} spends {n} dollars.",
        ),
        gain_groups=(
            "{name} works {k} hours for {n} dollars an hour.",
            "{name} sells {k} {things} at {n} dollars each.",
        ),
        lose_groups=(
            "{name} buys {k} {things} at {n} dollars each.",
            "{name} rents a room for {k} days at {n} dollars a day.",
        ),
        multiply=("A prize turns the money into {k} times as much.",),
        split=("{name} divides the money into {k} equal shares and keeps one share.",),
        lose_percent=("{name} spends {p} percent of the money.", "{p} percent of the money goes to {other}."),
        pack=("{name} buys as many tickets at {k} dollars as possible. How many dollars are left over?",),
        ask=("How many dollars does {name} have now?", "How many dollars are left in the end?"),
    ),
    Theme(
        subject="time",
        unit="minutes",
        lead="It takes",
        start=("The work of {name} takes {n} minutes.", "{name} plans {n} minutes of work."),
        gain=(
            "{name} adds {n} minutes.",
            "A call takes {n} minutes more.",
            "{other} is late and {n} minutes are lost.",
        ),
        lose=("{name} saves {n} minutes.", "{other} does {n} minutes of it.", "{name} leaves out {n} minutes."),
        gain_groups=("{name} adds {k} lessons of {n} minutes.", "{k} calls of {n} minutes each come on top."),
        lose_groups=("{name} leaves out {k} breaks of {n} minutes.", "{k} friends save {n} minutes each."),
        multiply=("A new plan makes it {k} times as long.",),
        split=("The work is divided equally among {k} people.",),
        lose_percent=("A machine saves {p} percent of the time.", "{name} cuts the time by {p} percent."),
        pack=("The time is cut into parts of {k} minutes. How many minutes are left over?",),
        ask=("How many minutes does it take now?", "How many minutes does {name} need in the end?"),
    ),
    Theme(
        subject="distance",
        unit="km",
        lead="It is",
        start=("{name} walks {n} km.", "The way of {name} is {n} km long."),
        gain=("{name} rides {n} km further.", "A detour adds {n} km.", "{name} goes on for {n} km."),
        lose=("A bridge saves {n} km.", "A new road makes it {n} km shorter.", "{name} goes back {n} km."),
        gain_groups=("{name} drives on for {k} hours at {n} km an hour.", "{k} detours add {n} km each."),
        lose_groups=("{k} bridges save {n} km each.", "{name} goes back {n} km an hour for {k} hours."),
        multiply=("Another way is {k} times as long, and {name} takes it.",),
        split=("The way has {k} equal parts, and {name} does only one.",),
        lose_percent=("A tunnel saves {p} percent of the way.", "{name} leaves out {p} percent of the way."),
        pack=("{name} rests after every {k} km. How many km are left over after the last rest?",),
        ask=("How many km is it now?", "How many km is it for {name} in the end?"),
    ),
)

COMPARED = {
    "+": ("{name} has {n} more {noun} than {before}.", "{name} has {n} {noun} more than {before} has."),
    "-": ("{name} has {n} fewer {noun} than {before}.", "{name} has {n} {noun} fewer than {before} has."),
    "*": ("{name} has {n} times as many {noun} as {before}.",),
}
"""Sign to sentences: `name` against `before`."""

DISTRACTORS = (
    "{other} has {n} {things}.",
    "{name} is {n} years old.",
    "{name} also owns {n} {things}.",
    "The house of {other} has number {n}.",
)
"""Sentences that change nothing."""
