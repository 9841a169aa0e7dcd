"""The tokenizer of both pocket models: bytes at the bottom, words on top, every digit a token of its own."""

from __future__ import annotations

from typing import Any

from tt_scale.pocket import pocket_math

USER, ASSISTANT, END, PAD, TAG = "<|user|>", "<|assistant|>", "<|end|>", "<|pad|>", "<extra_0>"
SPECIAL = (PAD, USER, ASSISTANT, END, TAG)
VOCABULARY = 768
PATTERN = r" ?\p{L}+| ?\p{N}| ?[^\s\p{L}\p{N}]+\n*|\s+"
"""A word or a digit takes the space before it along, a full stop the line ends after it."""

TEMPLATE = (
    "{% for message in messages %}{% if message['role'] == 'user' %}<|user|>{{ message['content'] }}"
    "{% elif message['role'] == 'assistant' %}<|assistant|>{{ message['content'] }}<|end|>{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
"""A system message is left out: so small a model knows one task and could not follow another."""


def train_tokenizer(seed: int, context: int) -> Any:
    """Learn the words of a sample of training problems.

    Args:
        seed: of the sample.
        context: most tokens that the models read.
    """
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(PATTERN), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    raw.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=list(SPECIAL),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        min_frequency=20,
        show_progress=False,
    )
    problems = pocket_math(10_000, seed, split="train")
    raw.train_from_iterator((f"{each.question}\n{each.solution}" for each in problems), trainer)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=raw,
        eos_token=END,
        pad_token=PAD,
        additional_special_tokens=[USER, ASSISTANT, TAG],
        model_max_length=context,
        clean_up_tokenization_spaces=False,
    )
    tokenizer.chat_template = TEMPLATE
    return tokenizer
