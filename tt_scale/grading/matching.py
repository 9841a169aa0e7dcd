r"""Comparison of two answers by their structure, part by part.

Prose after an answer is removed first. Then names (`x =`), lists, sets, tuples, intervals, matrices and unions are
matched; the remaining atoms are compared by a function of the caller. The result is None if that function cannot
decide.

The gold answer comes first: an answer may state what it omits (a unit, a name, an order, repetitions).

Items of lists are compared pairwise, so that time grows with the square of their number; `most` limits it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import count, groupby, pairwise
from math import inf

from tt_scale.grading.atoms import compare_choices, compare_numbers
from tt_scale.grading.counting import as_counted
from tt_scale.grading.naming import Named, named, same_name
from tt_scale.grading.normal import key
from tt_scale.grading.prose import named_set, split_remark
from tt_scale.grading.quantity import quantity
from tt_scale.grading.structure import Structure, split_outside, structure
from tt_scale.grading.vectors import coordinates

__all__ = ["Atoms", "Comparison", "TooManyComparisonsError"]

Atoms = Callable[[str, str], "bool | None"]
"""(gold atom, atom) -> whether they are equivalent; None if undecided."""

_DEEPEST = 6
_EMPTY = r"\emptyset"
_ROUNDING = Fraction(1, 50)
"""Largest relative difference of numbers in one calculation, `22/7 = 3.14`."""

_ENUMERATIONS = frozenset({"list", "set", "atom"})


class TooManyComparisonsError(Exception):
    """The comparison of two answers needs more comparisons of parts than allowed."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """A comparison of two answers.

    Attributes:
        atoms: compares atoms.
        depth: number of structures around the compared parts.
        most: maximum number of comparisons of parts; unlimited in a process that can be killed.
        number: counter of comparisons.
    """

    atoms: Atoms
    depth: int = 0
    most: float = inf
    number: Iterator[int] = field(default_factory=count)

    def same(self, gold: str, answer: str) -> bool | None:
        """Compare two answers of any structure.

        Args:
            gold: gold answer.
            answer: answer to compare.

        Raises:
            TooManyComparisonsError: more than `most` comparisons are needed.
        """
        if next(self.number) > self.most:
            raise TooManyComparisonsError
        if key(gold) == key(answer) and key(gold):
            return True
        if self.depth > _DEEPEST:
            return None
        if self.depth == 0:
            gold, answer, differ = _without_remarks(gold, answer)
            if differ:
                return False
        for compare in (compare_numbers, compare_choices):
            known = compare(gold, answer)
            if known is not None:
                return known
        gold, answer = as_counted(gold, answer)
        return replace(self, depth=self.depth + 1)._same_structure(structure(gold), structure(answer))

    def _same_structure(self, gold: Structure, answer: Structure) -> bool | None:
        kinds = {gold.kind, answer.kind}
        if kinds == {"atom", "set"} and _EMPTY in (gold.text, answer.text):
            return False
        if "set" in kinds and _holds_sets(gold) != _holds_sets(answer):
            return False
        one, other = _named_whole(gold), _named_whole(answer)
        if one.name or other.name or (kinds == {"atom"} and (one.is_equation or other.is_equation)):
            return self._same_named(one, other)
        if kinds == {"atom"}:
            return self.atoms(gold.text, answer.text)
        if (vectors := _in_coordinates(gold, answer)) is not None:
            return self._in_order(*vectors)
        if kinds <= _ENUMERATIONS:
            return self._same_enumerations(gold, answer)
        if gold.kind == answer.kind:
            return self._same_kind(gold, answer)
        if (gold.kind, answer.kind) == ("union", "list") and all(map(_is_interval, answer.parts)):
            return self._in_any_order(gold.parts, answer.parts)
        if kinds == {"tuple", "list"} and not (_is_region(gold) or _is_region(answer)):
            return self._in_order(_ordered(gold), _ordered(answer))
        if _differ_in_kind(gold, answer):
            return False
        return self.atoms(gold.text, answer.text)

    def _same_kind(self, gold: Structure, answer: Structure) -> bool | None:
        """Compare two tuples, intervals, matrices, unions or relations."""
        if gold.kind in ("tuple", "interval", "matrix"):
            return gold.brackets == answer.brackets and self._in_order(gold.parts, answer.parts)
        if gold.kind == "union" and self._in_any_order(gold.parts, answer.parts):
            return True
        return self.atoms(gold.text, answer.text)

    def _same_named(self, gold: Named, answer: Named) -> bool | None:
        """Compare values with optional names; a name may be omitted on one side."""
        if gold.name and answer.name and not same_name(gold.name, answer.name):
            related = gold.mentions(answer.name) or answer.mentions(gold.name)
            return self.atoms(gold.text, answer.text) if related else False
        if gold.is_calculation and not answer.is_equation:
            return _any([self.same(side, answer.value) for side in split_outside(gold.text, "equal")])
        if gold.is_equation or (answer.is_equation and gold.name and not answer.is_calculation):
            return self.atoms(gold.text, answer.text) if answer.name or answer.is_equation else False
        if (answer.is_equation and answer.value == "0") or _contradicts_itself(answer):
            return False
        return self.same(gold.value, answer.value)

    def _same_enumerations(self, gold: Structure, answer: Structure) -> bool | None:
        """Compare lists and sets: by name if several items have names, otherwise in any order."""
        ones, others = _named_parts(gold.parts), _named_parts(answer.parts)
        if any(part.is_relation for part in (*ones, *others)):
            return self.atoms(gold.text, answer.text)
        names, other_names = {part.name for part in ones}, {part.name for part in others}
        several = [each for each in (names, other_names) if len(each - {""}) > 1]
        if several and not (names == {""} or other_names == {""}):
            return self._by_name(ones, others)
        if len(several) == 1 and max(len(names), len(other_names)) == len(ones):
            return self._in_order(_ordered(gold), _ordered(answer))
        if "" not in names | other_names and not same_name(next(iter(names)), next(iter(other_names))):
            return False
        return self._in_any_order([part.value for part in ones], [part.value for part in others])

    def _by_name(self, gold: Sequence[Named], answer: Sequence[Named]) -> bool | None:
        r"""Compare lists whose items have different names: `a=1, b=2`; subscripts of one name do not count as names."""
        one_base = len({part.base for part in (*gold, *answer)}) == 1
        if one_base and min(len({*map(_name, side)}) for side in (gold, answer)) == 1:
            return self._in_any_order([part.value for part in gold], [part.value for part in answer])
        ones, others = _values_by_name(gold), _values_by_name(answer)
        if ones.keys() != others.keys():
            return False
        return _all([self._in_any_order(values, others[name]) for name, values in ones.items()])

    def _in_order(self, gold: Sequence[str], answer: Sequence[str]) -> bool | None:
        if len(gold) != len(answer):
            return False
        return _all([self.same(one, other) for one, other in zip(gold, answer, strict=True)])

    def _in_any_order(self, gold: Sequence[str], answer: Sequence[str]) -> bool | None:
        """Match the items of two lists.

        Unmatched items must be repetitions: an answer may repeat a value if the gold answer repeats none, and the gold
        answer may state one value in two ways (`28, 28_9`).
        """
        repeats = len({*map(key, gold)}) < len(gold)
        fewer, more = sorted((len(gold), len(answer)))
        if fewer != more and (repeats or more > 2 * fewer):
            return False
        spare, unmatched, unknown = list(answer), [], False
        for one in gold:
            index, undecided = self._first_equal(one, spare)
            if index is not None:
                del spare[index]
            elif undecided:
                unknown = True
            elif fewer == more:
                return False
            else:
                unmatched.append(one)
        return None if unknown else self._repeated(gold, spare, unmatched)

    def _first_equal(self, one: str, others: Sequence[str]) -> tuple[int | None, bool]:
        """Index of the first equal item, None if there is none, and whether a comparison was undecided."""
        undecided = False
        for index, other in enumerate(others):
            same = self.same(one, other)
            if same:
                return index, undecided
            undecided = undecided or same is None
        return None, undecided

    def _repeated(self, gold: Sequence[str], spare: Sequence[str], unmatched: Sequence[str]) -> bool | None:
        """Whether all unmatched items on either side repeat another item of the gold answer."""
        again = [_any([self.same(one, other) for one in gold]) for other in spare]
        twice = [_any([self.same(each, one) for each in gold if each is not one]) for one in unmatched]
        return _all([*again, *twice])


def _without_remarks(gold: str, answer: str) -> tuple[str, str, bool]:
    """Remove the prose after both answers, and return whether their conditions differ."""
    (one, kind, remark), (other, other_kind, other_remark) = split_remark(gold), split_remark(answer)
    bound = [text for text, which in ((remark, kind), (other_remark, other_kind)) if which in ("domain", "condition")]
    if len(bound) == 2:
        return one, other, key(bound[0]) != key(bound[1])
    if len({named_set(remark), named_set(other_remark)} - {""}) == 2:
        return one, other, True
    return (gold if kind == "condition" else one), (answer if other_kind == "condition" else other), False


def _differ_in_kind(gold: Structure, answer: Structure) -> bool:
    r"""Whether two structures of different kinds cannot be equal; `\mathbb{R}` may be written as an interval."""
    kinds = {gold.kind, answer.kind}
    if any(side.kind == "atom" and "\\mathbb" in side.text for side in (gold, answer)):
        return False
    if kinds & {"list", "set"} and kinds & {"relation", "interval", "union"}:
        return not any(_is_region(side) or _is_finite(side) for side in (gold, answer))
    if any(_is_region(side) for side in (gold, answer)):
        return False
    return bool(kinds & {"tuple", "matrix"}) and kinds <= {"tuple", "matrix", "interval", *_ENUMERATIONS}


def _in_coordinates(gold: Structure, answer: Structure) -> tuple[Sequence[str], Sequence[str]] | None:
    """Coordinates of a tuple or a column and of a sum of unit vectors; None if the two are something else."""
    if gold.kind == "atom":
        units = coordinates(gold.text, len(answer.parts)) if _is_vector(answer) else None
        return (units, answer.parts) if units else None
    units = coordinates(answer.text, len(gold.parts)) if answer.kind == "atom" and _is_vector(gold) else None
    return (gold.parts, units) if units else None


def _is_vector(side: Structure) -> bool:
    column = side.kind == "matrix" and not side.brackets.replace("x", "").strip("1")
    return (side.kind == "tuple" or column) and len(side.parts) in (2, 3)


def _holds_sets(side: Structure) -> bool:
    return side.kind == "set" and any(structure(part).kind == "set" for part in side.parts)


def _is_region(side: Structure) -> bool:
    r"""Whether a list may be a region, one of its members being an inequality: `x<-1 \text{ or } x>1`."""
    return side.kind == "list" and any(named(part).is_relation for part in side.parts)


def _is_interval(part: str) -> bool:
    return structure(part).kind in ("tuple", "interval")


def _is_finite(side: Structure) -> bool:
    """Whether a union is one of finite sets, and so may be a list."""
    return side.kind == "union" and all(structure(part).kind == "set" for part in side.parts)


def _named_parts(parts: Sequence[str]) -> list[Named]:
    """Parse the names of a list's items; a name before the first item only applies to all: `x = 1, 2`."""
    members = [named(part) for part in parts]
    if len(members) > 1 and members[0].name and not any(part.name or part.is_equation for part in members[1:]):
        return [members[0], *[part.under(members[0].name) for part in members[1:]]]
    return members


def _named_whole(side: Structure) -> Named:
    return named(side.text) if side.kind == "atom" else Named(side.text)


def _contradicts_itself(equation: Named) -> bool:
    """Whether a calculation states different numbers: `6 = 7`; one that rounds states nearly the same one."""
    found = [quantity(side) for side in split_outside(equation.text, "equal")]
    numbers = [number.value for number in found if number and not number.unit]
    return any(abs(one - other) > _ROUNDING * max(abs(one), abs(other)) for one, other in pairwise(numbers))


def _ordered(side: Structure) -> Sequence[str]:
    """Items of a tuple, or of a list in the order of their names: `y=2, x=1` is `(1,2)`."""
    parts = _named_parts(side.parts) if side.kind == "list" else [Named(part) for part in side.parts]
    return [part.value for part in (sorted(parts, key=_name) if len({*map(_name, parts)}) == len(parts) else parts)]


def _values_by_name(side: Sequence[Named]) -> dict[str, list[str]]:
    return {name: [part.value for part in parts] for name, parts in groupby(sorted(side, key=_name), _name)}


def _name(part: Named) -> str:
    return part.name


def _all(verdicts: Sequence[bool | None]) -> bool | None:
    if False in verdicts:
        return False
    return None if None in verdicts else True


def _any(verdicts: Sequence[bool | None]) -> bool | None:
    if True in verdicts:
        return True
    return None if None in verdicts else False
