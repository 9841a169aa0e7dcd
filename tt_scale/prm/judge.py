"""A language model as PRM: it is asked whether the last step is right; the score is its probability of "Yes"."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from tt_scale.base_classes import PRM, Generator
from tt_scale.core.path import Path
from tt_scale.core.records import Problem, Scores
from tt_scale.core.segmentation import step_texts
from tt_scale.errors import ConfigError, PRMError
from tt_scale.generator.language_model import Choice, LanguageModel

if TYPE_CHECKING:
    from typing_extensions import Self

    from tt_scale.config import Config

__all__ = ["JudgePRM"]

YES, NO = ("Yes", " Yes", "yes", " yes"), ("No", " No", "no", " no")


class JudgePRM(PRM):
    """Scores each step by asking a language model about it: P(yes) / (P(yes) + P(no)).

    The prompt begins with question and earlier steps, so that the prompts of a path and of its children share a prefix
    in the engine's cache.

    Args:
        model: the judge.
        delimiters: strings that end a step.
        own: whether the judge is started and closed here, because it is not the run's generator.
        context: largest prompt with its verdict, in tokens, at least 1; None is the model's context.
    """

    summary: ClassVar[str] = "a generator judges the steps: P(yes) / (P(yes) + P(no)); by default the run's own"
    own_name: ClassVar[str] = "judge"
    engine: ClassVar[str] = "generator"
    config_keys: ClassVar[frozenset[str]] = frozenset()
    config_keys_if_set: ClassVar[frozenset[str]] = frozenset({"prm_max_model_len", "prm_quantization", "prm_revision"})

    def __init__(
        self, model: LanguageModel, delimiters: Sequence[str], *, own: bool = False, context: int | None = None
    ) -> None:
        self._model = model
        self._delimiters = tuple(delimiters)
        self._own = own
        self._context = context

    @classmethod
    def from_config(cls, config: Config, generator: Generator) -> Self:
        """Use the run's generator if `prm_name` is "judge", else load a second model on the same backend.

        Raises:
            ConfigError: the generator is not a language model, or `prm_device` or `prm_quantization` cannot be applied.
        """
        if not isinstance(generator, LanguageModel):
            raise ConfigError(
                f"The judge needs a language model, and {config.model_name!r} is none.",
                "Type: --prm-name simulated, or name a real model",
            )
        own = bool(cls.weights(config))
        if config.prm_device is not None or (config.prm_quantization is not None and not own):
            key = "prm_quantization" if config.prm_device is None else "prm_device"
            raise ConfigError(
                f"{key} is {getattr(config, key)!r}, but the judge runs {'beside' if own else 'in'} the generator.",
                f"Omit --{key.replace('_', '-')}.",
            )
        if not own:
            return cls(generator, config.stop_tokens, context=config.prm_max_model_len)
        second = config.model_copy(
            update={
                "model_name": config.prm_name,
                "model_revision": config.prm_revision,
                "gpu_mem_util": config.prm_gpu_mem_util,
                "quantization": config.prm_quantization,
                "max_model_len": cls.context_of({}, config),
                "tokenizer": None,
            }
        )
        return cls(type(generator).from_config(second), config.stop_tokens, own=True)

    @classmethod
    def context_of(cls, settings: Mapping[str, Any], config: Config) -> int:
        """Return `prm_max_model_len`, or the generator's context if it is unset; arguments as in `PRM`."""
        return config.prm_max_model_len or config.context

    async def start(self) -> None:
        """Start the judge if it is not the run's generator, and look up its tokens for yes and no."""
        if self._own:
            await self._model.start()
        await self._model.require_choices()
        self.parameters = self._model.parameters
        self._yes, self._no = self._single_tokens(YES), self._single_tokens(NO)

    async def close(self) -> None:
        """Close the judge if it is not the run's generator."""
        if self._own:
            await self._model.close()

    async def score(self, problem: Problem, paths: Sequence[Path]) -> list[Scores]:
        """Score every unscored step, all at once.

        A path is too long if one of its prompts leaves no room for the verdict; truncated, it would lose its question.
        """
        room = min(self._model.context, self._context or self._model.context) - 1
        by_path = [self._prompts(problem, path) for path in paths]
        fitting = [[] if any(len(ids) > room for ids in prompts) else prompts for prompts in by_path]
        choices = await self._model.choose([ids for prompts in fitting for ids in prompts], [*self._yes, *self._no])
        answers = iter(choices)
        return [
            self._scores(prompts, [next(answers) for _ in prompts]) if prompts else Scores((), too_long=bool(due))
            for prompts, due in zip(fitting, by_path, strict=True)
        ]

    def asked(self, problem: Problem, path: Path) -> list[str]:
        """Return the prompts for the unscored steps of a path, as text [new steps]."""
        return [str(self._model.tokens.tokenizer.decode(list(ids))) for ids in self._prompts(problem, path)]

    def _prompts(self, problem: Problem, path: Path) -> list[tuple[int, ...]]:
        texts = step_texts(path.steps, self._delimiters)
        return [self._prompt(problem, texts[: end + 1]) for end in range(len(path.scores), len(texts))]

    def _prompt(self, problem: Problem, texts: Sequence[str]) -> tuple[int, ...]:
        steps = "\n".join([f"Step {number}: {text}" for number, text in enumerate(texts, 1)])
        message = (
            "Check a solution step by step.\n\n"
            f"Problem: {problem.question}\n\nSolution:\n{steps}\n\n"
            f"Is step {len(texts)} correct? Answer with one word, Yes or No."
        )
        return self._model.tokens.render([{"role": "user", "content": message}])

    def _scores(self, prompts: Sequence[tuple[int, ...]], choices: Sequence[Choice]) -> Scores:
        return Scores(
            tuple([self._share_of_yes(choice.logprobs) for choice in choices]),
            tokens=sum([len(ids) for ids in prompts]),
            cached=sum([choice.cached for choice in choices]),
        )

    def _share_of_yes(self, logprobs: Sequence[float]) -> float:
        most = max(logprobs)
        if not math.isfinite(most):
            raise PRMError(
                f"The judge gives both yes and no probability 0: log-probabilities {', '.join(map(str, logprobs))}."
            )
        odds = [math.exp(logprob - most) for logprob in logprobs]
        return sum(odds[: len(self._yes)]) / sum(odds)

    def _single_tokens(self, words: Sequence[str]) -> list[int]:
        """Return the ids of the spellings that are a single token of this tokenizer."""
        encoded = [self._model.tokens.encode(word) for word in words]
        token_ids = sorted({ids[0] for ids in encoded if len(ids) == 1})
        if not token_ids:
            raise PRMError(
                f"The tokenizer of {self._model.tokens.name!r} has no single token for {words[0]!r}.",
                "Use another model as judge.",
            )
        return token_ids
