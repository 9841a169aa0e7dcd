"""Generative PRMs: a language model writes a rationale about a step, then a one-token verdict.

Each step gets its own chain of thought, whose prompt contains the question and all steps so far. The cost of a chain is
the tokens of its prompts and of its text. Seeds are derived from question and steps, so that the same steps get the
same chain wherever the search reaches them.
"""

from __future__ import annotations

import asyncio
import math
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, ClassVar

from tt_scale.base_classes import PRM, Generator
from tt_scale.core.concurrency import gather_or_cancel
from tt_scale.core.path import Path
from tt_scale.core.records import Problem, Sampling, Scores
from tt_scale.core.segmentation import step_texts
from tt_scale.engines.model_names import resolve_model
from tt_scale.errors import ConfigError, GeneratorError, PRMError
from tt_scale.generator.language_model import LanguageModel
from tt_scale.prm.adapters.base import Checkpoint
from tt_scale.prm.adapters.lookup import check_knobs, settings_of
from tt_scale.prm.adapters.plain_text import Part, PlainText
from tt_scale.prm.generative.chain_of_thought import VERDICT_ROOM, Chain, NoRoomError

if TYPE_CHECKING:
    from typing_extensions import Self

    from tt_scale.config import Config

__all__ = ["GenerativePRM"]


class GenerativePRM(PRM):
    """A language model that writes a chain of thought before it scores a step.

    Args:
        config: configuration of the run; uses `prm_name` and the keys that begin with `prm_`, `seed`, `stop_tokens`,
            and the keys for loading models.
        generator: the run's generator; it is used as PRM if `prm_name` is `model_name`, otherwise the PRM is loaded on
            the same backend.
        samples: chains for each step, whose scores are averaged; at least 1.
        temperature: sampling temperature of the chains, in [0, 2].
        chain_tokens: token limit of one generation, at least 1; None is the default of the PRM family.

    Attributes:
        own_chain_tokens: default of `chain_tokens`.

    Raises:
        ConfigError: an argument is out of range, or the generator is not a language model.
    """

    engine: ClassVar[str] = "generator"
    config_keys: ClassVar[frozenset[str]] = PRM.config_keys - {"prm_adapter"}
    causal: ClassVar[bool] = False
    knobs: ClassVar[tuple[str, ...]] = ("samples", "temperature", "chain_tokens")
    top_p: ClassVar[float] = 1.0
    top_k: ClassVar[int] = 0
    own_chain_tokens: ClassVar[int]

    def __init__(
        self,
        config: Config,
        generator: Generator,
        *,
        samples: int = 1,
        temperature: float = 0.6,
        chain_tokens: int | None = None,
    ) -> None:
        chain_tokens = self.own_chain_tokens if chain_tokens is None else chain_tokens
        if samples < 1 or chain_tokens < 1 or not 0 <= temperature <= 2 or (samples > 1 and temperature == 0):
            raise ConfigError(
                f"prm_args: samples is {samples} (1 or more), chain_tokens {chain_tokens} (1 or more), temperature "
                f"{temperature} (0 to 2; above 0 where there are several samples)."
            )
        if not isinstance(generator, LanguageModel):
            raise ConfigError(
                f"The PRM {config.prm_name!r} generates text on the generator's engine, but {config.model_name!r} is "
                "not a language model.",
                "Name a real model.",
            )
        if config.prm_device is not None:
            raise ConfigError(
                f"prm_device is {config.prm_device!r}; a generative PRM runs on the generator's device.",
                "Omit --prm-device.",
            )
        self._config = config
        self._engine = type(generator)
        self._model: LanguageModel = generator
        self._own = bool(self.weights(config))
        self._samples = samples
        self._sampling = Sampling(temperature, self.top_p, self.top_k)
        self._chain_tokens = chain_tokens
        self._started = False

    @classmethod
    def from_config(cls, config: Config, generator: Generator) -> Self:
        """Create the PRM from a configuration and its `prm_args`; nothing is loaded before `start`.

        Raises:
            ConfigError: `prm_args` has an unknown name or a value out of range, or the generator is not a language
                model.
        """
        check_knobs(cls.knobs, config.prm_args)
        try:
            return cls(config, generator, **config.prm_args)
        except TypeError as error:
            raise ConfigError(f"prm_args do not fit the PRM: {error}.") from None

    async def start(self) -> None:
        """Load the model if it is not the run's generator.

        Raises:
            PRMError: the model cannot generate, has no chat template, or lacks tokens that the prompt format needs.
            GeneratorError: the model cannot be loaded.
        """
        model = await asyncio.to_thread(resolve_model, self._config.prm_name)
        settings = await asyncio.to_thread(settings_of, self._config.prm_name, model, self._config.prm_revision)
        kinds = settings.get("architectures") or []
        if kinds and not any(kind.endswith(("ForCausalLM", "ForConditionalGeneration")) for kind in kinds):
            raise PRMError(
                f"The PRM {self._config.prm_name!r} is a {', '.join(kinds)}, which cannot generate text.",
                "Omit --prm: the backend then follows from its name or its architecture.",
            )
        if self._own:
            self._model = self._engine.from_config(self._config_of_model(settings))
            self._started = True
            await self._model.start()
        await self._model.require_choices()
        self.parameters = self._model.parameters
        self._text = PlainText(self._model.tokens)
        self._begin(Checkpoint(self._config.prm_name, self._model.tokens, settings, self._config.stop_tokens))

    def _config_of_model(self, settings: dict[str, Any]) -> Config:
        """Return the configuration with which the model is loaded."""
        config = self._config
        return config.model_copy(
            update={
                "model_name": config.prm_name,
                "model_revision": config.prm_revision,
                "tokenizer": None,
                "quantization": config.prm_quantization,
                "gpu_mem_util": config.prm_gpu_mem_util,
                "max_model_len": self.context_of(settings, config, self._chain_tokens),
            }
        )

    @classmethod
    def context_of(cls, settings: Mapping[str, Any], config: Config, chain_tokens: int | None = None) -> int:
        """Return the context length to load the model with: the most its chains can need, or its own limit if lower.

        Args:
            settings: content of its config.json.
            config: configuration of the run.
            chain_tokens: as in the constructor; None takes it from `prm_args`.
        """
        chain = chain_tokens or config.prm_args.get("chain_tokens") or cls.own_chain_tokens
        wanted = config.prm_max_model_len or config.context + 2 * chain + VERDICT_ROOM
        return min(int(settings.get("max_position_embeddings") or wanted), wanted)

    async def close(self) -> None:
        """Close the model if it was started here; a second call does nothing."""
        if self._started:
            await self._model.close()

    async def score(self, problem: Problem, paths: Sequence[Path]) -> list[Scores]:
        """Score every unscored step, all paths concurrently.

        A path is too long if the context has no room for a chain of `chain_tokens` tokens about one of its steps.

        Raises:
            PRMError: the model failed.
            EngineDeadError: the engine has ended.
        """
        try:
            return await gather_or_cancel([self._score(problem.question, path) for path in paths])
        except PRMError:
            raise
        except GeneratorError as error:
            if type(error) is not GeneratorError:  # a subclass: the engine is dead
                raise
            raise PRMError(error.message, error.hint) from error

    async def _score(self, question: str, path: Path) -> Scores:
        texts = step_texts(path.steps, self._config.stop_tokens)
        chains: list[Chain] = []
        values: tuple[float, ...] | None = None
        with suppress(NoRoomError):
            samples = await gather_or_cancel(
                [self._verdicts(question, texts, len(path.scores), each, chains) for each in range(self._samples)]
            )
            values = tuple([math.fsum(each) / self._samples for each in zip(*samples, strict=True)])
        tokens, cached = sum([chain.tokens for chain in chains]), sum([chain.cached for chain in chains])
        return Scores(values or (), tokens, cached, too_long=values is None)

    def _chain(self, question: str, texts: Sequence[str], sample: int, earlier: Sequence[str] = ()) -> Chain:
        """Create a chain about the last of some steps; arguments as in `_opening`."""
        return Chain(
            self._model,
            self._text,
            self._opening(question, texts, earlier),
            self._sampling,
            about="\x1f".join([question, *texts]),
            seed=self._config.seed,
            sample=sample,
        )

    def _token(self, word: str) -> int:
        try:
            return self._model.tokens.id_of(word)
        except GeneratorError:
            raise PRMError(
                f"The tokenizer of {self._config.prm_name!r} has no single token {word!r}, which the verdict needs.",
                "Use the tokenizer that came with the PRM.",
            ) from None

    @abstractmethod
    def _begin(self, checkpoint: Checkpoint) -> None:
        """Prepare the parts of the chat template and the token ids that the prompt format needs."""

    @abstractmethod
    def _opening(self, question: str, texts: Sequence[str], earlier: Sequence[str]) -> list[Part]:
        """Build the prompt of a chain about the last of some steps.

        Args:
            question: question of the problem.
            texts: texts of the steps [steps].
            earlier: chains about the steps before the last, if the prompt format includes them [steps - 1].
        """

    @abstractmethod
    async def _verdicts(
        self, question: str, texts: Sequence[str], known: int, sample: int, chains: list[Chain]
    ) -> list[float]:
        """Score the steps from index `known` on [new steps]; append every chain to `chains`, to count its tokens."""
