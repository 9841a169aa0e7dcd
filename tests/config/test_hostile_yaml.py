"""Configuration files that would hang, change a value without a word, or end in a traceback."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from effort import A_SECOND, moments

from tt_scale.config import Config, digest
from tt_scale.config.yaml_file import read_yaml, yaml_value
from tt_scale.errors import ConfigError, nearest

LAUGHS = "\n".join(["a0: &a0 [x, x]", *[f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 10)]])


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (LAUGHS, "more than 10,000 values"),
        ("a: &a [*a]", "refers to a value that contains it"),
        ("a: &a {b: *a}", "contains it"),
        ("&a [&b [*a], *b]", "contains it"),
        ("max_seconds: 1:30:00", r"'1:30:00' as a sexagesimal number; quote it to pass a string, or write the number"),
        ("run_tag: 190:20:30.15", "sexagesimal"),
        ("x: " + "1:" * 40_000 + "1", "sexagesimal"),
        ("seed: " + "9" * 5000, r"has more than 80 characters"),
        ("seed: 0x" + "f" * 5000, "80 characters"),
        ("seed: !!int '" + "9" * 5000 + "'", "80 characters"),
        ("[" * 50_000, "more than 20 levels"),
        ("- " * 30_000, "more than 20 levels"),
        ("? " * 30_000, "more than 20 levels"),
        ("{a: " * 20_000, "more than 20 levels"),
        ("- a\n" * 24_000, "more than 10,000 values"),
        ("x" * 100_001, "more than 100,000 characters"),
        ("a: 1\nb: {c: 1, d: 2, c: 3}", "sets 'c' twice"),
        ("a: [[{c: {d: 1, d: 2}}]]", "sets 'd' twice"),
        ("a: !!timestamp 5", "cannot be parsed"),
        ("a: !!binary 'xxx'", "base64"),
        ("a: *nowhere", "undefined alias"),
        ("? [a, b]\n: c", "unhashable"),
        ("!!python/object/apply:os.system ['true']", "could not determine a constructor"),
        ("a: \x00", "special characters are not allowed"),
    ],
)
def test_what_is_refused(text: str, told: str, tmp_path: Path) -> None:
    """Nine levels of aliases hung; a time of day was read as seconds; a number of 4,301 digits was a traceback."""
    path = tmp_path / "c.yaml"
    path.write_text(text)

    def refuse() -> None:
        with pytest.raises(ValueError, match=told):
            yaml_value(text)
        with pytest.raises(ConfigError) as refused:
            read_yaml(path)
        assert len(str(refused.value)) < 600

    assert moments(refuse, 2 * A_SECOND) < 2 * A_SECOND


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: &x {b: 1}\nc: {<<: *x, d: 2}", {"a": {"b": 1}, "c": {"b": 1, "d": 2}}),
        ("a: &x [1]\nb: *x\nc: *x", {"a": [1], "b": [1], "c": [1]}),
        ("a: '1:30:00'\nb: 0x1F\nc: 1_000\nd: 1e3", {"a": "1:30:00", "b": 31, "c": 1000, "d": "1e3"}),
        ("\ufeffa: 1", {"a": 1}),
        ("", None),
        ("# nothing", None),
        ("{name: {a: [1, 2]}}", {"name": {"a": [1, 2]}}),
    ],
)
def test_values_that_are_kept(text: str, value: Any) -> None:
    """Aliases, merges and numbers in other writings are honest YAML."""
    assert yaml_value(text) == value


def test_files_without_an_end() -> None:
    """A device or a pipe is read as far as a configuration can reach."""
    with pytest.raises(ConfigError, match=r"not valid YAML|100,000"):
        read_yaml("/dev/zero")


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"run_tag": "a\0b"}, r"run_tag contains '\\x00'"),
        ({"output_dir": "\udcff"}, "output_dir contains"),
        ({"method_args": {"a": ["\ud800"]}}, "method_args contains"),
        ({"seed": 10**5000}, r"seed is a number of 16,610 bits; allowed: at most 256 bits"),
        ({"tau": 10**5000}, "tau is a number of"),
        ({"tau": "9" * 5000}, "tau is '999"),
        ({"agg": "x" * 100_000}, "agg is 'xxx"),
        ({"k" * 90_000: 1}, "Unknown key 'kkk"),
        ({"max_steps": "\x1b[2J"}, r"max_steps is '\\x1b\[2J'"),
    ],
)
def test_invalid_values_are_rejected(values: dict[str, Any], told: str) -> None:
    """They ended in tracebacks of the file system, of encoders and of the interpreter's limit on digits."""

    def refuse() -> None:
        with pytest.raises(ConfigError, match=told) as refused:
            digest(Config(**values).experiment())
        assert len(str(refused.value)) < 700

    assert moments(refuse, A_SECOND) < A_SECOND


def test_suggestions_for_long_words() -> None:
    """Comparing takes time that grows with the length of a word."""
    assert moments(lambda: nearest("ta" * 100_000, Config.model_fields), A_SECOND) < A_SECOND
