"""Tiny random checkpoints with tokenizers of their own, made on the spot."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

from tt_scale.base_classes import Generator, Sampling
from tt_scale.config import Config

Model = TypeVar("Model", bound=Generator)

CHATML = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
TEXT = [
    "First we add the numbers 12 and 30 and get 42.",
    "Please reason step by step, and put your final answer within \\boxed{}.",
    "user system assistant Yes No yes no Step 1: 2: 3: the problem, a solution",
    "Is step 3 correct? Answer with one word, Yes or No. Check a solution step by step.",
]
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<extra_0>"]


def save_tokenizer(folder: Path, special: list[str] = SPECIAL, text: list[str] = TEXT) -> Any:
    """A byte-level BPE tokenizer with a ChatML template."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    raw.train_from_iterator(
        text * 3, trainers.BpeTrainer(vocab_size=400, special_tokens=special, initial_alphabet=alphabet)
    )
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=raw, eos_token="<|im_end|>", pad_token="<|endoftext|>")
    tokenizer.chat_template = CHATML
    tokenizer.save_pretrained(folder)
    return tokenizer


def save_prm(folder: Path, *, head: bool = True) -> Path:
    """A random checkpoint of the Qwen2.5-Math-PRM architecture, float32."""
    import json

    import torch
    from safetensors.torch import save_file
    from transformers import Qwen2Config, Qwen2Model

    torch.manual_seed(0)
    tokenizer = save_tokenizer(folder)
    config = Qwen2Config(
        vocab_size=len(tokenizer), hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=1, max_position_embeddings=1024, initializer_range=0.4,
    )  # fmt: skip
    base = Qwen2Model(config)
    weights = {f"model.{name}": weight for name, weight in base.state_dict().items()}
    if head:
        weights |= {
            "score.0.weight": torch.randn(64, 64) * 0.3,
            "score.0.bias": torch.randn(64) * 0.3,
            "score.2.weight": torch.randn(2, 64) * 0.3,
            "score.2.bias": torch.randn(2) * 0.3,
        }
    save_file({name: weight.contiguous() for name, weight in weights.items()}, folder / "model.safetensors")
    settings = config.to_dict() | {
        "architectures": ["Qwen2ForProcessRewardModel"], "model_type": "qwen2", "dtype": "float32", "num_labels": 2,
    }  # fmt: skip
    (folder / "config.json").write_text(json.dumps(settings))
    return folder


def save_generator(folder: Path, *, context: int = 512, seed: int = 0, tied: bool = False) -> Path:
    """A random Llama, float32; one matrix is both its embeddings and its head where they are tied."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(seed)
    tokenizer = save_tokenizer(folder)
    config = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=1, max_position_embeddings=context, initializer_range=0.2, eos_token_id=2,
        bos_token_id=None, tie_word_embeddings=tied,
    )  # fmt: skip
    LlamaForCausalLM(config).float().save_pretrained(folder)
    return folder


SAMPLINGS = (
    Sampling(temperature=1.0),
    Sampling(temperature=0.0),
    Sampling(temperature=0.7, top_p=0.9),
    Sampling(temperature=1.3, top_k=20, repetition_penalty=1.2),
    Sampling(temperature=0.0, repetition_penalty=1.5),
    Sampling(temperature=1.0, min_p=0.05),
)


@asynccontextmanager
async def started(kind: type[Model], folder: Path, **changes: Any) -> AsyncIterator[Model]:
    """A generator over a checkpoint, in float32 so that a row does not depend on what shares its batch."""
    keys = {"model_name": str(folder), "prm_name": "judge", "dtype": "float32", "max_model_len": 256}
    opened = kind.from_config(Config(**{**keys, **changes}))
    await opened.start()
    yield opened
    await opened.close()
