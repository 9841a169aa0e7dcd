"""The three contracts, and the records that they exchange.

A generator grows token ids, a PRM scores steps, a searcher decides. None of them knows the others: the
`SearchSpace` stands between them, so that adding one of either is one file.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any, ClassVar

from tt_scale.config.widths import derived_widths
from tt_scale.core.records import Ended, Problem, Sampling, Scores, Step, StepRequest, Weights
from tt_scale.errors import ConfigError, GeneratorError, nearest

if TYPE_CHECKING:
    from typing_extensions import Self

    from tt_scale.config import Config
    from tt_scale.core.path import Outcome, Path
    from tt_scale.space.search_space import SearchSpace

__all__ = [
    "Ended",
    "Generator",
    "PRM",
    "Problem",
    "Sampling",
    "Scores",
    "Searcher",
    "Step",
    "StepRequest",
    "Weights",
]

SERVER_KEYS = frozenset({"base_url", "tokenizer"})
"""The keys that only generators behind a server read."""

LEAST_CONTEXT = 4096
"""Tokens that an engine makes room for, where the PRM can read so many."""


class Generator(ABC):
    """Grows token ids.

    A backend is opened once (`start`), serves many problems at a time and is closed on every way out (`close`). What
    it can do is said by attributes of its class, which are read before one is made (`tt_scale.backends`).

    Attributes:
        own_name: the backend's name in the registry, where `model_name` may be that name in place of a model's; empty
            where it always names a model. One without an `engine` then runs under no other name.
        engine: which of our engines loads its weights: "vllm" or "huggingface"; empty where none of them does.
        can_score: whether a PRM that is the generator's own model is asked in the generator's engine
            (`LanguageModel.choose`).
        starts_processes: whether it starts processes that import the running script again.
        config_keys: the keys of `SERVER_KEYS` that it reads; others are warned about.
        default_context: its `context` where `max_model_len` is null; None where the model says.
        context: most tokens of prompt and output together.
        parameters: of the model, for the FLOP estimate; 0 where unknown.
        most_logprobs: the largest `StepRequest.top_logprobs` that it answers; 0 where it tells no log-probabilities.
        reasoning_tags: opening and closing tags of the reasoning blocks that its chat template names.
        waiting: calls that wait for it now, counted by the space.
        last_progress: `time.monotonic()` of its last finished call; a backend that sees tokens as they come notes
            them, too (`tt_scale.core.waiting.progressed`).
    """

    own_name: ClassVar[str] = ""
    engine: ClassVar[str] = ""
    can_score: ClassVar[bool] = False
    starts_processes: ClassVar[bool] = False
    config_keys: ClassVar[frozenset[str]] = frozenset()
    default_context: ClassVar[int | None] = None
    waiting: int = 0
    last_progress: float = 0.0
    context: int
    parameters: int = 0
    most_logprobs: int = 0
    reasoning_tags: tuple[tuple[str, str], ...] = ()

    @classmethod
    @abstractmethod
    def from_config(cls, config: Config) -> Self:
        """Make one as a configuration says; cheap, nothing is loaded before `start`."""

    @classmethod
    def weights(cls, config: Config) -> Sequence[Weights]:
        """Name the models that it loads; none under its own name."""
        if config.model_name == cls.own_name:
            return ()
        return (Weights(config.model_name, config.model_revision, cls.engine),)

    @classmethod
    def check_problem(cls, problem: Problem) -> None:
        """Refuse a problem that it cannot solve, before anything is loaded.

        Raises:
            ProblemSetError: it is one that this backend does not know.
        """

    def check_search(self, searcher: Searcher, config: Config) -> None:
        """Refuse a search that it turned out to be unable to serve. Called after `start`, before the first problem.

        Args:
            searcher: that will search.
            config: of that search; the models are those of this generator's own.

        Raises:
            ConfigError: it cannot.
        """

    async def launch(self) -> bool:
        """Begin to load, where that goes on in another process by itself; `start` comes later and waits for its end.

        Returns:
            Whether it goes on and another model may be loaded meanwhile. False, as here: nothing was begun.
        """
        return False

    async def start(self) -> None:
        """Load what is heavy. Called once, before the first request.

        Raises:
            GeneratorError: the model cannot be loaded.
        """

    async def close(self) -> None:
        """Let go of the engine and its memory. Called once, on every way out; a second call does nothing."""

    def progress(self) -> float:
        """Give the time, by `time.monotonic()`, of its last sign of progress; one that stands for others asks them."""
        return self.last_progress

    def died(self) -> str:
        """Say how one of its processes ended that still should run, as a sentence; empty while all is well."""
        return ""

    @abstractmethod
    def prompt(self, problem: Problem, system_prompt: str) -> tuple[int, ...]:
        """Render the chat template once, with the generation prompt, as token ids [length].

        Raises:
            GeneratorError: the model has no chat template.
        """

    @abstractmethod
    def pieces(self, ids: Sequence[int]) -> list[str]:
        """Give the text that each id adds [length]; joined, they are the text of the whole."""

    def lead_in(self, final_answer_prefix: str) -> tuple[int, ...]:
        """Give the token ids that make a model state its final answer, for `last_resort` [length].

        Args:
            final_answer_prefix: of the run; empty where answers are boxed.

        Raises:
            GeneratorError: this backend cannot.
        """
        raise GeneratorError(
            f"{type(self).__name__} cannot ask for a final answer: it has no lead_in.", "Type: --last-resort none"
        )

    @abstractmethod
    async def generate(self, requests: Sequence[StepRequest]) -> list[Step]:
        """Sample one continuation for each request, in the order of the requests.

        A request that fails comes back as a step that ended in "error"; the others are unharmed.

        Raises:
            EngineDeadError: no request can be served any more.
        """


class PRM(ABC):
    """Scores reasoning steps.

    What a PRM needs is said by attributes of its class, which are read before one is made (`tt_scale.backends`). With
    `prm: auto`, a PRM under the generator's name in the registry is the generator's PRM.

    Attributes:
        own_name: the backend's name in the registry, where `prm_name` may be that name in place of a model's; empty
            where it always names a model. One without an `engine` then scores under no other name.
        names: beginnings of model names, owner left out, in lower case, by which it is found without `prm`.
        engine: what loads its weights: "vllm" or "huggingface"; "generator" is the generator's engine, for a language
            model that may be the generator itself; "auto" is the generator's, or the installed one where the
            generator has none of ours; empty where none of them does.
        config_keys: the keys beginning with `prm_` that it reads, beside `prm_name`; those that no PRM of a run reads
            are warned about. `prm_adapter` beside an `engine` says that an adapter reads for its model.
        uses_generator: whether it asks the run's generator, which then has to run; one of `engine` "generator" asks
            it only where it loads no weights of its own.
        reads_samples: whether it reads token ids or log-probabilities of the steps, so that it cannot score solutions
            that somebody else wrote.
        starts_processes: whether it starts processes that import the running script again.
        parameters: of the model, for the FLOP estimate; 0 where unknown.
        causal: whether the reading of a step goes on where that of its parent ended, so that a prefix cache leaves
            only the new step to compute.
        knobs: its keyword arguments that `prm_args` sets.
        top_logprobs: how many of the likeliest tokens the `confidences` of the steps must look at; 0 where it reads
            no log-probabilities. Where several ask, all get those over the largest number.
        waiting: as of a generator.
        last_progress: as of a generator.
    """

    own_name: ClassVar[str] = ""
    names: ClassVar[tuple[str, ...]] = ()
    engine: ClassVar[str] = ""
    config_keys: ClassVar[frozenset[str]] = frozenset(
        {"prm_adapter", "prm_args", "prm_quantization", "prm_max_model_len", "prm_device", "prm_revision"}
    )
    uses_generator: ClassVar[bool] = True
    reads_samples: ClassVar[bool] = False
    starts_processes: ClassVar[bool] = False
    parameters: int = 0
    top_logprobs: int = 0
    waiting: int = 0
    last_progress: float = 0.0
    causal: ClassVar[bool] = True
    knobs: ClassVar[tuple[str, ...]] = ()

    @classmethod
    @abstractmethod
    def from_config(cls, config: Config, generator: Generator) -> Self:
        """Make one as a configuration says; cheap, nothing is loaded before `start`.

        Args:
            config: of the run.
            generator: of the run, for PRMs that read its model; not started yet.
        """

    @classmethod
    def weights(cls, config: Config) -> Sequence[Weights]:
        """Name the models that it loads beside the generator's; none under its own name, or as the generator itself.

        Args:
            config: of this PRM alone: `prm_name` is its name, `prm` its backend.
        """
        if config.prm_name == cls.own_name or (cls.engine == "generator" and config.one_model):
            return ()
        return (Weights(config.prm_name, config.prm_revision, cls.engine),)

    @classmethod
    def context_of(cls, settings: Mapping[str, Any], config: Config) -> int:
        """Most tokens that it is given: what it was trained to read, and no more than paths of the run can need.

        Args:
            settings: config.json of its model.
            config: of the run.
        """
        own = int(settings.get("max_position_embeddings") or LEAST_CONTEXT)
        return min(own, config.prm_max_model_len or max(LEAST_CONTEXT, 2 * config.context))

    async def start(self) -> None:
        """Load what is heavy. Called once, after the generator was started, or launched."""

    async def close(self) -> None:
        """Let go of the engine and its memory. Called once, on every way out; a second call does nothing."""

    def progress(self) -> float:
        """Give the time, by `time.monotonic()`, of its last sign of progress; one that stands for others asks them."""
        return self.last_progress

    def died(self) -> str:
        """Say how one of its processes ended that still should run, as a sentence; empty while all is well."""
        return ""

    @abstractmethod
    async def score(self, problem: Problem, paths: Sequence[Path]) -> list[Scores]:
        """Score the steps that a path has no score for yet: those after its first `len(path.scores)`.

        Args:
            problem: whose question the steps answer.
            paths: any mixture of lengths [paths].

        Returns:
            One record for each path [paths], in order, with what it cost: the caller must be able to charge
            every problem for its own tokens, so cost travels with the scores.

        Raises:
            PRMError: the model failed, or gave fewer scores than steps or one out of [0, 1].
        """


class Searcher(ABC):
    """A search method: a frozen dataclass whose fields are its knobs, named as in the configuration.

    Attributes:
        summary: one line for `tt-scale list`.
        source: paper or report that it follows.
        selector: which selector gives the method's own answer.
        uses_prm: whether it looks at scores.
        whole_answers: whether it draws whole solutions from the root alone, and never grows a path from its middle.
        top_logprobs: as of a PRM, for a method that reads the tokens of a path's steps; it asks its space for them by
            `tell_logprobs`, and a generator that cannot tell is refused before it is loaded.
    """

    summary: ClassVar[str]
    source: ClassVar[str]
    selector: ClassVar[str] = "best"
    uses_prm: ClassVar[bool] = True
    whole_answers: ClassVar[bool] = False
    top_logprobs: ClassVar[int] = 0

    @classmethod
    def from_config(cls, config: Config) -> Self:
        """Take the knobs of the same names from a configuration; those that it does not know from `method_args`.

        With a `budget`, the widths are those that the method derives from it.

        Raises:
            ConfigError: `method_args` names a knob that this method has not, or misses one without a default; a
                width is given beside a budget that makes it another; a budget is too small.
        """
        knobs: set[str] = {knob.name for knob in fields(cls)}  # type: ignore[arg-type]
        own = knobs - set(type(config).model_fields)
        for name, value in config.method_args.items():
            if name in type(config).model_fields:
                flag = name.replace("_", "-")
                raise ConfigError(f"method_args holds {name!r}, which is a key of its own.", f"Type: --{flag} {value}")
            if name not in own:
                raise ConfigError(f"method_args holds {name!r}, which is no knob of this method.", nearest(name, own))
        values: dict[str, Any] = {name: getattr(config, name) for name in knobs - own}
        try:
            searcher = cls(**values, **config.method_args)
        except (TypeError, ValueError) as error:
            raise ConfigError(f"The method cannot be made: {error}.") from None
        if config.budget is None:
            return searcher
        return replace(searcher, **derived_widths(config, searcher.widths(config.budget)))  # type: ignore[type-var]

    def widths(self, budget: int) -> Mapping[str, int]:
        """Derive this method's widths from a budget, so that it proposes about as many candidates at each depth.

        Args:
            budget: compute in units of one sampled solution, at least 1.

        Returns:
            Knobs and their values; none where a method cannot use more compute.

        Raises:
            ConfigError: the budget is under the smallest that the other knobs allow.
        """
        return {}

    @property
    def longest_path(self) -> int | None:
        """Most steps of a path: its `num_iterations` or `max_steps`; None where it has neither."""
        steps: int | None = getattr(self, "num_iterations", None) or getattr(self, "max_steps", None)
        return steps

    @property
    def samples(self) -> int | None:
        """How many independent whole solutions it draws from one root and pools in order; None for any other search.

        What such a method finds with fewer of them can be read off its pool.
        """
        return None

    @abstractmethod
    async def search(self, space: SearchSpace) -> Outcome:
        """Search one problem.

        Args:
            space: the problem's world; its two verbs are all that a method needs.

        Returns:
            The finished paths and why the search ended.
        """
