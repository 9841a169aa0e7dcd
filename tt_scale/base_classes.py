"""The three contracts `Generator`, `PRM` and `Searcher`, and the records that they exchange.

A generator samples token ids, a PRM scores steps, a searcher decides which paths to extend. None depends on another:
they meet in the `SearchSpace`, so that a new generator, PRM or searcher is one file.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any, ClassVar

from tt_scale.config.widths import derived_widths
from tt_scale.core.records import Ended, Problem, Sampling, Scores, Step, StepRequest, Weights
from tt_scale.errors import ConfigError, GeneratorError, PromptError, nearest

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

GENERATOR_KEYS = SERVER_KEYS | {"answer_rule"}
"""The keys that only some generators read; `Generator.config_keys` lists those of each."""

LEAST_CONTEXT = 4096
"""Smallest context in tokens for which an engine reserves memory, if the PRM's own context is that long."""


class Generator(ABC):
    """Base class of generators: samples continuations as token ids.

    A backend is started once (`start`), serves many problems concurrently and is always closed (`close`), also after
    an error. Its capabilities are class attributes, which are read before an instance is made (`tt_scale.backends`).

    Attributes:
        own_name: the backend's name in the registry, if `model_name` may be that name instead of a model's; empty if
            `model_name` always names a model. A backend without an `engine` then runs under no other name.
        engine: the built-in engine that loads its weights: "vllm" or "huggingface"; empty for neither.
        can_score: whether a PRM that is the same model can use this generator's engine (`LanguageModel.choose`).
        starts_processes: whether it starts processes that import the running script again.
        config_keys: the keys of `GENERATOR_KEYS` that it reads; others are warned about.
        unread_keys: keys that other generators read and this one does not; they are warned about, and identify no run.
        prm_backend: the PRM backend that `prm: auto` selects beside it, whatever the PRM's name; empty to select one by
            name.
        default_context: its `context` where `max_model_len` is null; None to use the model's own.
        context: maximum number of tokens of prompt and output together.
        parameters: parameter count of the model, for the FLOP estimate; 0 if unknown.
        most_logprobs: the largest `StepRequest.top_logprobs` that it supports; 0 if it returns no log-probabilities.
        reasoning_tags: opening and closing tags of the reasoning blocks that its chat template names.
        waiting: number of calls waiting for it now, maintained by the space.
        last_progress: `time.monotonic()` of its last finished call; a backend that streams tokens also updates it at
            each token (`tt_scale.core.waiting.progressed`).
    """

    own_name: ClassVar[str] = ""
    engine: ClassVar[str] = ""
    can_score: ClassVar[bool] = False
    starts_processes: ClassVar[bool] = False
    config_keys: ClassVar[frozenset[str]] = frozenset()
    unread_keys: ClassVar[frozenset[str]] = frozenset()
    prm_backend: ClassVar[str] = ""
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
        """Construct a generator from a configuration; cheap, nothing is loaded before `start`."""

    @classmethod
    def weights(cls, config: Config) -> Sequence[Weights]:
        """The models that it loads; none if `model_name` is its own name."""
        if config.model_name == cls.own_name:
            return ()
        return (Weights(config.model_name, config.model_revision, cls.engine),)

    @classmethod
    def check_problem(cls, problem: Problem) -> None:
        """Reject a problem that it cannot solve, before anything is loaded.

        Raises:
            ProblemSetError: this backend does not support the problem.
        """

    @classmethod
    def prepared(cls, config: Config) -> Config:
        """Check a configuration before anything is loaded or written, and set the keys that this backend decides.

        Raises:
            TTScaleError: the backend cannot run it.
        """
        return config

    @classmethod
    def identity(cls, config: Config, dataset: str) -> Mapping[str, Any]:
        """Return what identifies a run over a problem set besides its configuration and its problems.

        Args:
            config: as `prepared` returned it.
            dataset: name of the problem set.
        """
        return {}

    def source_verdict(self, problem: Problem, path: Path) -> bool | None:
        """Whether the source of a recorded solution calls it right; None if it does not say, or was sampled now."""
        return None

    def check_conversation(self, problem: Problem) -> None:
        """Refuse earlier turns and verbatim prompts, unless `prompt` renders them.

        Raises:
            PromptError: the problem has some, and this backend renders single questions only.
        """
        if problem.turns or problem.verbatim:
            what = "earlier turns" if problem.turns else "prompts without a chat template"
            raise PromptError(f"{type(self).__name__} renders single questions only, no {what}.", "Ask one question.")

    def check_search(self, searcher: Searcher, config: Config) -> None:
        """Refuse a search that it turned out to be unable to serve. Called after `start`, before the first problem.

        Args:
            searcher: that will search.
            config: of that search; the models are those of this generator's own.

        Raises:
            ConfigError: it cannot.
        """

    async def launch(self) -> bool:
        """Begin to load in another process, if the backend does that; `start` is called later and awaits the end.

        Returns:
            Whether loading continues in the background, so that another model may be loaded meanwhile. The default,
            False, means that nothing was started.
        """
        return False

    async def start(self) -> None:
        """Load the model. Called once, before the first request.

        Raises:
            GeneratorError: the model cannot be loaded.
        """

    async def close(self) -> None:
        """Release the engine and its memory. Always called, also after an error; a second call does nothing."""

    def progress(self) -> float:
        """Time of the last progress by `time.monotonic()`; a wrapper returns that of the backends that it wraps."""
        return self.last_progress

    def died(self) -> str:
        """Describe how one of its processes ended unexpectedly, as a sentence; empty while all of them run."""
        return ""

    @abstractmethod
    def prompt(self, problem: Problem, system_prompt: str) -> tuple[int, ...]:
        """Render the chat template once, with the generation prompt, as token ids [length].

        Raises:
            GeneratorError: the model has no chat template.
        """

    @abstractmethod
    def pieces(self, ids: Sequence[int]) -> list[str]:
        """Decode each id to the text that it adds [length]; joined, these are the text of the whole sequence."""

    def lead_in(self, final_answer_prefix: str) -> tuple[int, ...]:
        """Token ids that prompt the model to state its final answer, for `last_resort` [length].

        Args:
            final_answer_prefix: prefix of final answers in this run; empty where answers are boxed.

        Raises:
            GeneratorError: this backend does not support it.
        """
        raise GeneratorError(
            f"{type(self).__name__} cannot ask for a final answer: it has no lead_in.", "Type: --last-resort none"
        )

    @abstractmethod
    async def generate(self, requests: Sequence[StepRequest]) -> list[Step]:
        """Sample one continuation for each request, in the order of the requests.

        A failed request is returned as a step that ended in "error"; the others are not affected.

        Raises:
            EngineDeadError: the engine cannot serve any further request.
        """


class PRM(ABC):
    """Base class of process reward models: scores reasoning steps.

    Its requirements are class attributes, which are read before an instance is made (`tt_scale.backends`). With
    `prm: auto`, the PRM registered under the generator backend's name is used.

    Attributes:
        own_name: the backend's name in the registry, if `prm_name` may be that name instead of a model's; empty if
            `prm_name` always names a model. A backend without an `engine` then scores under no other name.
        names: prefixes of model names, without the owner, in lower case, that select this backend for `prm: auto`.
        engine: the engine that loads its weights: "vllm" or "huggingface"; "generator" is the generator's engine, for
            a language model that may be the generator itself; "auto" is the generator's engine, or the installed one
            where the generator has no built-in engine; empty for none.
        config_keys: the keys beginning with `prm_` that it reads, beside `prm_name`; keys that no PRM of a run reads
            cause a warning. `prm_adapter` together with an `engine` means that an adapter reads the model's scores.
        config_keys_if_set: further such keys that identify a run only if they are set, since older runs lack them.
        uses_generator: whether it calls the run's generator, which then has to be loaded; a PRM of `engine`
            "generator" calls it only if it loads no weights of its own.
        reads_samples: whether it reads token ids or log-probabilities of the steps, so that it cannot score solutions
            from other sources.
        starts_processes: whether it starts processes that import the running script again.
        parameters: parameter count of the model, for the FLOP estimate; 0 if unknown.
        causal: whether the input of a step extends that of its parent, so that with a prefix cache only the new step
            is computed.
        knobs: its keyword arguments that `prm_args` sets.
        top_logprobs: number of most likely tokens from which the `confidences` of the steps are computed; 0 if it
            reads no log-probabilities. With several consumers, the largest number applies to all.
        waiting: as for a generator.
        last_progress: as for a generator.
    """

    own_name: ClassVar[str] = ""
    names: ClassVar[tuple[str, ...]] = ()
    engine: ClassVar[str] = ""
    config_keys: ClassVar[frozenset[str]] = frozenset(
        {"prm_adapter", "prm_args", "prm_quantization", "prm_max_model_len", "prm_device", "prm_revision"}
    )
    config_keys_if_set: ClassVar[frozenset[str]] = frozenset()
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
        """Construct a PRM from a configuration; cheap, nothing is loaded before `start`.

        Args:
            config: the run's configuration.
            generator: the run's generator, for PRMs that use its model; not started yet.
        """

    @classmethod
    def weights(cls, config: Config) -> Sequence[Weights]:
        """The models that it loads beside the generator's; none under its own name or if it is the generator's model.

        Args:
            config: configuration of this PRM alone: `prm_name` is its name, `prm` its backend.
        """
        if config.prm_name == cls.own_name or (cls.engine == "generator" and config.one_model):
            return ()
        return (Weights(config.prm_name, config.prm_revision, cls.engine),)

    @classmethod
    def context_of(cls, settings: Mapping[str, Any], config: Config) -> int:
        """Context in tokens: the model's own, limited to what the paths of the run can need.

        Args:
            settings: config.json of its model.
            config: the run's configuration.
        """
        own = int(settings.get("max_position_embeddings") or LEAST_CONTEXT)
        return min(own, config.prm_max_model_len or max(LEAST_CONTEXT, 2 * config.context))

    async def start(self) -> None:
        """Load the model. Called once, after the generator was started or launched."""

    async def close(self) -> None:
        """Release the engine and its memory. Always called, also after an error; a second call does nothing."""

    def progress(self) -> float:
        """Time of the last progress by `time.monotonic()`; a wrapper returns that of the backends that it wraps."""
        return self.last_progress

    def died(self) -> str:
        """Describe how one of its processes ended unexpectedly, as a sentence; empty while all of them run."""
        return ""

    @abstractmethod
    async def score(self, problem: Problem, paths: Sequence[Path]) -> list[Scores]:
        """Score the steps of each path that have no score yet: those after its first `len(path.scores)`.

        Args:
            problem: the problem that the paths solve.
            paths: paths of any lengths [paths].

        Returns:
            One record per path, in order [paths], with its cost, so that the caller can charge every problem for its
            own tokens.

        Raises:
            PRMError: the model failed, or returned fewer scores than steps or one outside [0, 1].
        """


class Searcher(ABC):
    """Base class of search methods: a frozen dataclass whose fields are its knobs, named as in the configuration.

    Attributes:
        summary: one line for `tt-scale list`.
        source: paper or report that it follows.
        selector: the selector that chooses the method's own answer.
        uses_prm: whether it reads scores.
        whole_answers: whether it draws whole solutions from the root alone and never extends a partial path.
        top_logprobs: as for a PRM, for a method that reads token confidences of a path's steps; it requests them from
            its space by `request_logprobs`, and a generator that cannot return them is rejected before it is loaded.
    """

    summary: ClassVar[str]
    source: ClassVar[str]
    selector: ClassVar[str] = "best"
    uses_prm: ClassVar[bool] = True
    whole_answers: ClassVar[bool] = False
    top_logprobs: ClassVar[int] = 0

    @classmethod
    def from_config(cls, config: Config) -> Self:
        """Take the knobs from the configuration's keys of the same names, and all others from `method_args`.

        With a `budget`, the method derives its widths from it.

        Raises:
            ConfigError: `method_args` names a knob that this method does not have, or lacks one without a default; a
                width contradicts the budget; the budget is too small.
        """
        knobs: set[str] = {knob.name for knob in fields(cls)}  # type: ignore[arg-type]
        own = knobs - set(type(config).model_fields)
        for name, value in config.method_args.items():
            if name in type(config).model_fields:
                flag = name.replace("_", "-")
                raise ConfigError(
                    f"method_args holds {name!r}, which is a configuration key.", f"Type: --{flag} {value}"
                )
            if name not in own:
                raise ConfigError(
                    f"method_args holds {name!r}, which is not a knob of this method.",
                    nearest(name, own) if own else "It takes no method_args.",
                )
        values: dict[str, Any] = {name: getattr(config, name) for name in knobs - own}
        try:
            searcher = cls(**values, **config.method_args)
        except (TypeError, ValueError) as error:
            raise ConfigError(f"The method cannot be constructed: {error}.") from None
        if config.budget is None:
            return searcher
        return replace(searcher, **derived_widths(config, searcher.widths(config.budget)))  # type: ignore[type-var]

    def widths(self, budget: int) -> Mapping[str, int]:
        """Derive this method's widths from a budget, so that it proposes about as many candidates at each depth.

        Args:
            budget: compute in units of one sampled solution, at least 1.

        Returns:
            Knobs and their values; empty if the method cannot use more compute.

        Raises:
            ConfigError: the budget is below the smallest that the other knobs allow.
        """
        return {}

    @property
    def longest_path(self) -> int | None:
        """Maximum number of steps of a path: its `num_iterations` or `max_steps`; None if it has neither."""
        steps: int | None = getattr(self, "num_iterations", None) or getattr(self, "max_steps", None)
        return steps

    @property
    def samples(self) -> int | None:
        """Number of independent complete solutions that it samples from one root, pooled in order; None if it does not.

        The result of such a method with fewer solutions can be computed from its pool.
        """
        return None

    @abstractmethod
    async def search(self, space: SearchSpace) -> Outcome:
        """Search one problem.

        Args:
            space: the search space of the problem; a method needs only `expand` and `complete`.

        Returns:
            The finished paths and why the search ended.
        """
