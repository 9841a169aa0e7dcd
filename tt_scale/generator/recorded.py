"""Recorded generator: returns solutions that a model sampled earlier, in the order of their file.

Nothing is split or counted again. Token ids stand in for the tokens of the source, which files do not keep: a sample
of n tokens has n ids, of which the last one names the sample. Where a source divides its solutions, or a PRM scored
them step by step, a sample has as many steps; where the texts of these steps are unknown, the last one has the whole
text, so that a PRM's scores stay as many as they were.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from tt_scale.base_classes import Generator
from tt_scale.core.logprobs import TOP_LOGPROBS
from tt_scale.core.path import Path
from tt_scale.core.records import Problem, Step, StepRequest, Weights
from tt_scale.errors import GeneratorError
from tt_scale.generator.recorded_checks import SAMPLING_KEYS, check_recorded
from tt_scale.problems.recorded import RecordedSet, read_recorded
from tt_scale.problems.samples import RecordedSample

if TYPE_CHECKING:
    from typing_extensions import Self

    from tt_scale.config import Config

__all__ = ["RecordedGenerator"]

ENDLESS = 1 << 31
"""Context in tokens: no recorded sample is too long."""

NO_TEXT = 0
"""Id of every token of a sample but the last."""

ProblemKey = tuple[str, str]
"""Name of a set and id of a problem."""


class RecordedGenerator(Generator):
    """Returns recorded samples of the problems of its sets.

    Search i of a problem that is searched r times draws from the i-th of r windows of equal length, each from its
    beginning: the first n samples of a search are the same whatever N is.

    Args:
        sets: files that were read.
        prms: names of the PRMs whose scores divide the samples into steps; empty for none.
        repeats: searches of each problem, at least 1.
    """

    summary: ClassVar[str] = "solutions that a model sampled earlier, from a file; no model"
    own_name: ClassVar[str] = "recorded"
    config_keys: ClassVar[frozenset[str]] = frozenset({"answer_rule"})
    unread_keys: ClassVar[frozenset[str]] = SAMPLING_KEYS
    prm_backend: ClassVar[str] = "recorded"
    parameters = 0
    most_logprobs = TOP_LOGPROBS
    context = ENDLESS

    def __init__(self, sets: Sequence[RecordedSet], prms: Sequence[str] = (), repeats: int = 1) -> None:
        self._prms = prms
        self._repeats = repeats
        self._samples: list[RecordedSample] = []
        self._temperatures: list[float | None] = []
        self._first: dict[ProblemKey, int] = {}
        for each in sets:
            for problem in each.problems:
                self._first[each.name, problem.id] = len(self._samples)
                self._samples += each.samples[problem.id]
                self._temperatures.append(each.header.temperature)
        self._places = list(self._first)
        self._ends = [*self._first.values(), len(self._samples)]
        self._numbers = {place: number for number, place in enumerate(self._places)}

    @classmethod
    def from_config(cls, config: Config) -> Self:
        """Read the files that `datasets` names."""
        return cls(_sets(config), config.prm_names if config.has_prm else (), config.repeats)

    @classmethod
    def weights(cls, config: Config) -> Sequence[Weights]:
        """None: no model is loaded."""
        return ()

    @classmethod
    def prepared(cls, config: Config) -> Config:
        """Check the configuration against the files, and set the keys that follow from them.

        Raises:
            ConfigError: the files cannot serve the method, its number of samples, or the PRM.
            ProblemSetError: a file cannot be read.
        """
        return check_recorded(config, _sets(config))

    @classmethod
    def identity(cls, config: Config, dataset: str) -> Mapping[str, Any]:
        """Digest of the file's samples, and their model as its header states it."""
        recorded = read_recorded(dataset, config.question_field, config.answer_field)
        return {
            "samples": f"{sum(map(len, recorded.samples.values()))} ({recorded.digest})",
            "sampled_by": recorded.header.generator or "unknown",
            "token_counts": "of the file" if recorded.counts_tokens else "unknown",
        }

    def prompt(self, problem: Problem, system_prompt: str) -> tuple[int, ...]:
        """One id that stands for the problem.

        Raises:
            GeneratorError: no file contains samples of it.
        """
        number = self._numbers.get((problem.source or "", problem.id))
        if number is None:
            raise GeneratorError(f"No file contains samples of the problem {problem.id!r}.", "Name its file: --dataset")
        return (1 + len(self._samples) + number,)

    def pieces(self, ids: Sequence[int]) -> list[str]:
        """The text of a sample for its last id; no text for any other."""
        count = len(self._samples)
        return [self._samples[each - 1].text if NO_TEXT < each <= count else "" for each in ids]

    def sample_of(self, problem: Problem, path: Path) -> RecordedSample:
        """The sample from which a finished path was made."""
        return self._samples[self._first[problem.source or "", problem.id] + path.steps[-1].seed]

    def source_verdict(self, problem: Problem, path: Path) -> bool | None:
        """The recorded verdict on a sample."""
        return self.sample_of(problem, path).correct

    async def generate(self, requests: Sequence[StepRequest]) -> list[Step]:
        """Look up the sample of each request by the problem, the repeat and the number of the child.

        Raises:
            GeneratorError: there is no such sample.
        """
        return [self._step(request) for request in requests]

    def _step(self, request: StepRequest) -> Step:
        number = request.ids[0] - 1 - len(self._samples)
        first = self._first[self._places[number]]
        index = self._index(number, request)
        sample = self._samples[first + index]
        ids = _ids(sample, first + index)[len(request.ids) - 1 :]
        temperature = self._temperatures[number]
        drawn = request.sampling.temperature if temperature is None else temperature
        begin = (sample.tokens or 0) - len(ids)
        end = begin + min(len(ids), request.max_tokens)
        numbers = (sample.logprobs[begin:end], sample.confidences[begin:end]) if request.top_logprobs else ((), ())
        if len(ids) > request.max_tokens:
            return Step("", ids[: request.max_tokens], "length", index, drawn, 0, "", *numbers)
        divided = self._divided(sample)
        ended = "eos" if sample.finished else "context"  # the source's own limit; no request goes on behind it
        return Step(sample.text, ids, ended, index, drawn, 0, "", *numbers, divided=divided)  # type: ignore[arg-type]

    def _index(self, number: int, request: StepRequest) -> int:
        """Index of the sample among those of its problem."""
        window = (self._ends[number + 1] - self._ends[number]) // self._repeats
        if request.number >= window:
            name, problem = self._places[number]
            raise GeneratorError(
                f"{name} contains {window} samples of {problem!r} for each search; one more was asked for."
            )
        return request.repeat * window + request.number

    def _divided(self, sample: RecordedSample) -> tuple[str, ...]:
        """Texts of the steps: those of the source if known, otherwise empty texts before the whole one."""
        count = len(sample.scores[self._prms[0]]) if self._prms else len(sample.steps)
        if count == len(sample.steps) and count:
            *before, last = sample.steps
            return (*(f"{text}\n\n" for text in before), last)
        return (*("",) * (count - 1), sample.text) if count else ()


def _ids(sample: RecordedSample, number: int) -> tuple[int, ...]:
    """Ids of a sample; empty if its number of tokens is unknown."""
    return (NO_TEXT,) * (sample.tokens - 1) + (1 + number,) if sample.tokens else ()


def _sets(config: Config) -> list[RecordedSet]:
    return [read_recorded(name, config.question_field, config.answer_field) for name in config.datasets]
