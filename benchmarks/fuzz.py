"""Feeds the parsers with random texts, and says what escaped and what was slow.

    python benchmarks/fuzz.py [--inputs 1000000] [--target extraction --target configuration] [--seed 0] [--state FILE]

Hypothesis draws fragments: commands of LaTeX, tags, keys, brackets, numbers, characters of every kind. Out of each
drawn list `VARIANTS` inputs are made by repeating, cutting, shuffling and nesting its fragments, since drawing alone
makes some hundred inputs a second. An input fails if an error escapes that is not one of ours, if a law is broken (a
step lost, a box that is not there), or if it takes more processor time than its target allows.

Printed for each target: inputs, seed, inputs per second, the slowest input with its time, and every kind of failure
with its shortest input. The exit status is 1 where anything failed. Longer inputs are drawn less often; one in two
hundred is repeated up to `LONGEST` characters. With `--state` the findings are kept after each batch, and the same
command continues where it was stopped; `--inputs` may be raised.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
import tempfile
import time
import traceback
import zlib
from base64 import b64encode
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from functools import lru_cache, partial
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as seeded
from hypothesis import strategies as st

from tt_scale.bench.format.lines import NO_RECORD, line_of, read_line, unpacked
from tt_scale.bench.format.record_types import head_of
from tt_scale.bench.record import unpack
from tt_scale.bench.run.journal import Journal, read_records
from tt_scale.bench.run.session import bench
from tt_scale.config import Config, digest
from tt_scale.config.yaml_file import yaml_value
from tt_scale.core.boxes import boxes, last_boxes
from tt_scale.core.csv_cells import read_cell, written_cell
from tt_scale.core.final_answer import KNOWN_TAGS, FinalAnswer
from tt_scale.core.printable import UNPRINTABLE, printable, shown
from tt_scale.core.records import Step
from tt_scale.core.segmentation import split_steps, step_texts
from tt_scale.engines.endpoints.faults import RequestFault, fault_of_status, object_in, retry_after
from tt_scale.errors import TTScaleError
from tt_scale.grading import Grader
from tt_scale.grading.equivalence import settled
from tt_scale.grading.normal import key
from tt_scale.prm_eval.solutions_file import read_rows
from tt_scale.problems.identity import identify
from tt_scale.problems.local import READERS
from tt_scale.problems.rows import read_problem

VARIANTS = 50
BATCH = 200
"""Lists of fragments that Hypothesis draws before it is started anew: it remembers all that it drew."""
LONGEST = 50_000
HANGS = 20.0
"""Seconds of processor time after which an input is given up."""

LATEX_NAMES = r"""
\boxed \boxed{ \fbox{ \frac \frac{ \dfrac \sqrt \sqrt[ \root \of \over \choose \text{ \mathrm{ \left( \right) \{ \}
\begin{pmatrix} \end{pmatrix} \begin{array} \\ \pm \mp \cup \in \le \ge \pi \circ \sin \ln \infty \mathbb{R} \cdot
\times \overline{ \hspace{ \rm \! \, \$ { } [ ] ( ) ^ _ ^{ _{ $ $$ & | = < > + - * ** / , ; : . ! ? % ° ² ½ ₂ √ π ∞ −
× · “ ” and or if for when base x y n i e a_1 f(x) x= 0 1 17 3.5 0.333333333 1,234 1:2 12:30 2/3 e5 cm cm^2 sq. miles
a.m. hours (A) B. yes no none Even ABC
"""
YAML_NAMES = r"""
a: b: tau: method: datasets: method_args: stop_tokens: run_tag: max_seconds: seed: N: prm_name: base_url: [ ] { } , - ?
& * &a *a <<: ! !!int !!float !!str !!set !!binary !!python/name:os.system ' " | > # % --- ... ~ null true off 0x1F 0b1
1:30:00 190:20:30.15 1e5 1.5 .inf .nan 2024-13-45 2001-01-01 best_of_n 99999999999999999999 1_000 "\u0000" "\ud800"
http://a:99999 q0.5
"""
JSON_NAMES = r"""
{ } [ ] , : null true false NaN Infinity -1 1e400 1.5 12345678901234567890 "" "\ud800" "\u0000" "question" "answer" "id"
"level" "steps" "labels" "label" "samples" "text" "scores" "correct" "problem" "solution" "\\boxed{5} no \\boxed{7}"
"x\u001b" '=1 "a""b"
"""
LATEX, YAML = LATEX_NAMES.split(), YAML_NAMES.split()
SPACE = [" ", "  ", "\n", "\n\n", "\t", "\r\n", "\u00a0", "\u2028", "    "]
STRANGE = [
    "\x00",
    "\x1b[2J",
    "\x7f",
    "\x9b",
    "\u202e",
    "\u200b",
    "\ufffd",
    "\ud800",
    "\ufeff",
    "é",
    "你",
    "🤖",
    "'",
    '"',
    "`",
]
TAGS = [tag for pair in KNOWN_TAGS for tag in pair]
SAID = ["Answer:", "**Answer:**", '"Answer: 5"', "The final answer is", "Final answer:", "####"]
JSON = [
    *JSON_NAMES.split(),
    '{"question": "q", "answer": "1"}',
    '{"question": "q", "steps": ["a"], "labels": [true]}',
    '{"question": "q", "answer": "1", "samples": [{"steps": ["a"], "correct": true}]}',
    "question,answer\n",
    "q,1\n",
]


class BrokenLawError(Exception):
    """A parser accepted an input and gave something that cannot be."""


class HangsError(BaseException):
    """An input took too long; nothing below may swallow it."""


@dataclass(frozen=True)
class Target:
    """What is fuzzed.

    Attributes:
        fragments: that inputs are made of.
        run: parses one input.
        limit: seconds of processor time for one input.
        ours: errors that it may end in.
        longest: characters of an input.
        prepare: called once before the first input, whose errors are not the input's.
    """

    fragments: Sequence[str]
    run: Callable[[str, Random], None]
    limit: float
    ours: tuple[type[Exception], ...] = (TTScaleError,)
    longest: int = LONGEST
    prepare: Callable[[], object] = lambda: None


@dataclass
class Findings:
    """What came of a target.

    Attributes:
        inputs: how many were tried.
        refused: how many of them ended in an error of ours.
        batches: how many were begun and ended.
        seconds: on the clock.
        slowest: processor time of the slowest input.
        slowest_input: that input.
        failures: kind of failure -> how often, and its shortest input.
    """

    inputs: int = 0
    refused: int = 0
    batches: int = 0
    seconds: float = 0.0
    slowest: float = 0.0
    slowest_input: str = ""
    failures: dict[str, tuple[int, str]] = field(default_factory=dict)

    def failed(self, kind: str, text: str) -> None:
        count, first = self.failures.get(kind, (0, text))
        self.failures[kind] = (count + 1, min(first, text, key=len))


def law(holds: bool, what: str) -> None:
    if not holds:
        raise BrokenLawError(what)


def extraction(text: str, chance: Random) -> None:
    found = boxes(text)
    law(all(one.end <= other.start for one, other in pairwise(found)), "boxes overlap")
    last = last_boxes(text)
    law(last is None or bool(last.content), "an empty box counts")
    tags = tuple(chance.sample(KNOWN_TAGS, 2))
    answers = FinalAnswer(chance.choice(["", "Answer:", "The final answer is", "####"]), tags, chance.random() < 0.3)
    whole, cut = answers.of(text), answers.of(text, cut=True)
    law(all(answer is None or answer.strip() != "" for answer in (whole, cut)), "a blank answer counts")
    law(cut is None or whole is not None, "a text that was cut states more than the whole")


def segmentation(text: str, chance: Random) -> None:
    pieces = []
    at = 0
    while at < len(text):
        end = at + chance.choice([1, 1, 2, 3, 5, 9])
        pieces.append(text[at:end] if chance.random() < 0.9 else "")
        at = end if pieces[-1] else at
    step = Step(text, tuple(range(len(pieces))), chance.choice(["stop", "length", "eos", "context"]))
    delimiters: tuple[str, ...] = chance.choice([("\n\n",), ("\n", "## "), ("\\", "$"), ("and",)])
    for unit in (None, chance.choice([1, 2, 7])):
        steps = split_steps(step, pieces, delimiters if unit is None else (), unit)
        law([token for each in steps for token in each.ids] == [*step.ids], "a token is lost")
        told = "".join([each.text for each in steps])
        law(text.startswith(told) and not text[len(told) :].strip("\ufffd"), "text is lost")
        law(len(step_texts(steps, delimiters if unit is None else ())) == len(steps), "a step is lost")


def grading(text: str, chance: Random) -> None:
    cut = chance.randrange(len(text) + 1)
    gold, answer = text[:cut], text[cut:]
    same = settled(gold, answer)
    law(same is not True or bool(key(gold)) or bool(key(answer)), "nothing equals something")
    if key(text):
        law(settled(text, text) is True, "an answer differs from itself")


def configuration(text: str, chance: Random) -> None:
    values = yaml_value(text)
    if isinstance(values, dict):
        config = Config(**{str(name): value for name, value in values.items()})
        digest(config.experiment())


def problem_files(text: str, chance: Random) -> None:
    extension = chance.choice([".jsonl", ".jsonl", ".json", ".csv"])
    rows = READERS[extension](f"x{extension}", text.encode("utf-8", "surrogatepass"))
    for gold in (True, False):
        try:
            problems = [read_problem(row, "x", gold=gold) for row in rows]
            identify(problems, [row.place for row in rows])
        except TTScaleError as error:
            message = str(error)
            law(len(message) < 4000, "a message is too long")
    if rows:
        read_rows("x", rows)


REOPENED = 0.01
"""Share of damaged lines that are read with the others as a run that goes on; it takes milliseconds."""


@lru_cache(maxsize=1)
def run_of_the_simulated_world() -> tuple[dict[str, Any], tuple[bytes, ...]]:
    """Manifest and lines of a small run."""
    with tempfile.TemporaryDirectory(prefix="tt_scale_fuzz_") as name:
        config = Config(
            model_name="simulated", prm_name="simulated", datasets=["simulated"], method="beam_search",
            n_beams=2, beam_width=2, num_samples=3, output_dir=name,
        )  # fmt: skip
        [plan] = asyncio.run(bench([config]))
        folder = plan.journal.folder
        manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        return manifest, tuple((folder / Journal.file).read_bytes().splitlines(keepends=True))


def damaged(line: bytes, text: str, chance: Random) -> bytes:
    """Put a text into a line, turn a few bits over, or do both below a checksum that is right again."""
    kind, piece = chance.random(), text[:200].encode("utf-8", "surrogatepass").replace(b"\n", b" ")
    if kind < 0.1:
        return piece + b"\n"
    if kind < 0.2:
        return with_checksum(line, piece, chance)
    if kind < 0.6:
        at = chance.randrange(len(line))
        return line[:at] + piece + line[at + chance.randrange(4) :]
    turned = bytearray(line)
    for _ in range(chance.choice([1, 1, 2, 8])):
        turned[chance.randrange(len(line))] ^= 1 << chance.randrange(8)
    return bytes(turned)


def with_checksum(line: bytes, piece: bytes, chance: Random) -> bytes:
    """Damage the packed part, or a field, of a line that somebody wrote on purpose."""
    record = read_line(line)
    if chance.random() < 0.5:
        packed = json.dumps(unpacked(record["packed"])).encode()
        at = chance.randrange(len(packed))
        packed = packed[:at] + piece + packed[at + chance.randrange(4) :]
        return line_of({**record, "packed": b64encode(zlib.compress(packed)).decode()})
    return line_of({**record, chance.choice(list(record)): piece.decode("utf-8", "replace")})


def journal(text: str, chance: Random) -> None:
    """Damage a line of a run, and read it alone; seldom also with the others, as a run that goes on."""
    manifest, lines = run_of_the_simulated_world()
    line = damaged(chance.choice(lines), text, chance)
    try:
        record = read_line(line)
        head_of(line)
    except NO_RECORD:
        pass
    else:
        proved = line in lines or line == line_of(record)
        law(proved, "a damaged line is accepted")
        with suppress(ValueError):
            unpack(record)
    if chance.random() < REOPENED:
        reopened(manifest, lines, line)


def reopened(manifest: dict[str, Any], lines: Sequence[bytes], line: bytes) -> None:
    """Open a run whose second line is damaged."""
    with tempfile.TemporaryDirectory(prefix="tt_scale_fuzz_") as name:
        folder = Path(name) / "run"
        with Journal(folder, manifest):
            pass
        (folder / Journal.file).write_bytes(b"".join([lines[0], line, *lines[2:]]))
        with Journal(folder, manifest) as opened:
            kept = {row.id for row in opened.rows}
            law({read_line(each)["id"] for each in (lines[0], *lines[2:])} <= kept, "a whole line is lost")
        for record in read_records(folder):
            law(record["id"] in kept, "a record that the run does not know")


def answers_of_servers(text: str, chance: Random) -> None:
    body = text.encode("utf-8", "surrogatepass")
    retry_after({"retry-after": text})
    fault = fault_of_status(chance.choice([200, 302, 404, 429, 500]), {}, body, "http://x", "GET /", "sk-12345678")
    law(len(fault.message) < 1000, "a message is too long")
    law(not UNPRINTABLE.search(fault.message), "a message has controls")
    object_in(body, "http://x", "GET /")


def printing(text: str, chance: Random) -> None:
    law(not UNPRINTABLE.search(printable(text)), "a control is printed")
    law(read_cell(written_cell(text)) == printable(text), "a cell changes")
    law(len(shown(text)) < 1000, "a value is shown at length")


WORKERS: list[Grader] = []


def formulas(text: str, chance: Random) -> None:
    """Grade by worker processes, which end by their own limits."""
    if not WORKERS:
        WORKERS.append(Grader(seconds=1.0, workers=2))
    gold = chance.choice(["x+1", "\\frac{1}{2}", "(1,2)", "\\sqrt{2}", "x<1"])
    started = time.monotonic()
    grade = asyncio.run(WORKERS[0].grade(gold, text))
    law(grade in ("correct", "wrong", "no_answer", "ungraded"), "no grade")
    law(time.monotonic() - started < 10, "a worker outlives its limit")


TARGETS = {
    "extraction": Target([*LATEX, *SPACE, *STRANGE, *TAGS, *SAID], extraction, 0.25),
    "segmentation": Target([*LATEX, *SPACE, *STRANGE, "## Step 1", "\n\n## Step"], segmentation, 0.5),
    "grading": Target([*LATEX, *SPACE, *STRANGE], grading, 0.25),
    "configuration": Target([*YAML, *SPACE, *STRANGE], configuration, 1.0, (TTScaleError, ValueError)),
    "problem files": Target([*JSON, *SPACE, *STRANGE, *LATEX], problem_files, 1.0),
    "journal": Target(
        [*JSON, *SPACE, *STRANGE, '"v":2', '"sum":"'], journal, 1.0, longest=200, prepare=run_of_the_simulated_world
    ),
    "servers": Target([*JSON, *SPACE, *STRANGE], answers_of_servers, 0.25, (RequestFault,)),
    "printing": Target([*STRANGE, *SPACE, "=", "+", "-", "@", "'", "1", ".5", "e3"], printing, 0.25),
    "formulas": Target([*LATEX, *SPACE], formulas, 10.0, longest=300),
}
"""Targets by name; the limits are those of a slow machine that does other work besides."""


def variants(parts: Sequence[str], number: int, longest: int, chance: Random) -> Iterator[str]:
    """Make texts out of fragments; none is longer than allowed."""
    for _ in range(number):
        own = [part for part in parts if chance.random() < 0.8]
        if chance.random() < 0.4:
            chance.shuffle(own)
        if own and chance.random() < 0.3:
            place = chance.randrange(len(own))
            own[place] *= chance.choice([2, 3, 10, 40])
        text = "".join(own)
        if text and chance.random() < 0.005:
            start = chance.randrange(len(text))
            pump = text[start : start + chance.choice([1, 2, 5, 30])]
            text = text[:start] + pump * (chance.choice([100, 2000, longest]) // len(pump)) + text[start:]
        if text and chance.random() < 0.1:
            text = text[: chance.randrange(len(text))]
        yield text[:longest]


@contextmanager
def limited() -> Iterator[None]:
    """Give an input up after `HANGS`; the alarm also interrupts regular expressions."""

    def give_up(*_: Any) -> None:
        raise HangsError

    if not hasattr(signal, "setitimer"):
        yield
        return
    before = signal.signal(signal.SIGPROF, give_up)
    signal.setitimer(signal.ITIMER_PROF, HANGS, HANGS)  # again: what a callback of the collector raises is ignored
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def attempt(target: Target, text: str, number: int, found: Findings) -> None:
    """Run one input."""
    begun = time.thread_time()
    try:
        with limited():
            target.run(text, Random(number))
    except target.ours as error:
        found.refused += 1
        if not str(error).strip():
            found.failed("a message that says nothing", text)
    except HangsError:
        found.failed(f"hangs: over {HANGS:.0f} s", text)
    except Exception as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        found.failed(f"{type(error).__name__}: {str(error)[:100]} ({Path(where.filename).name}:{where.lineno})", text)
    spent = time.thread_time() - begun
    found.inputs += 1
    if spent > target.limit:
        found.failed(f"slow: over {target.limit:g} s", text)
    if spent > found.slowest:
        found.slowest, found.slowest_input = spent, text


def fuzz(
    name: str,
    inputs: int,
    seed: int,
    found: Findings | None = None,
    keep: Callable[[Findings], object] = lambda _: None,
) -> Findings:
    """Try so many inputs on a target.

    Args:
        name: of `TARGETS`.
        inputs: at least 1.
        seed: of all that is drawn.
        found: of earlier batches with the same seed.
        keep: called after each batch.
    """
    target, found = TARGETS[name], found or Findings()
    target.prepare()
    drawn = st.lists(
        st.one_of(st.sampled_from(target.fragments), st.sampled_from(target.fragments), st.text(max_size=6)),
        min_size=1,
        max_size=25,
    )

    def batch(number: int) -> None:
        @seeded(seed * 1_000_003 + number)
        @settings(
            max_examples=BATCH,
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(drawn, st.integers(0, 2**32))
        def run(parts: list[str], own: int) -> None:
            for text in variants(parts, VARIANTS, target.longest, Random(own)):
                if found.inputs < inputs:
                    attempt(target, text, own, found)

        run()

    while found.inputs < inputs:
        begun = time.monotonic()
        batch(found.batches)
        found.seconds += time.monotonic() - begun
        found.batches += 1
        keep(found)
    return found


class State:
    """Findings of earlier calls, in a file.

    Args:
        path: of the file, which need not exist; None keeps nothing.
        seed: of all that is drawn; findings of other seeds stay as they are.
    """

    def __init__(self, path: Path | None, seed: int) -> None:
        self._path = path
        self._seed = seed
        self._kept = json.loads(path.read_bytes()) if path is not None and path.exists() else {}

    def of(self, name: str) -> Findings:
        """Give what was found on a target."""
        kept = self._kept.get(f"{name} {self._seed}")
        return Findings() if kept is None else Findings(**kept)

    def keep(self, name: str, found: Findings) -> None:
        """Write what was found on a target, with all else."""
        self._kept[f"{name} {self._seed}"] = asdict(found)
        if self._path is not None:
            part = self._path.with_suffix(".part")
            part.write_text(json.dumps(self._kept, indent=1), encoding="utf-8")
            part.replace(self._path)


def print_findings(name: str, seed: int, found: Findings) -> None:
    speed = found.inputs / found.seconds if found.seconds else 0.0
    print(f"{name:14} {found.inputs:>9,} inputs, {found.refused:,} refused  seed {seed}  {speed:>8,.0f}/s  ", end="")
    print(f"slowest {1000 * found.slowest:.1f} ms: {shown(found.slowest_input, 60)}", end="")
    print(f" ({len(found.slowest_input):,} characters)", flush=True)
    for kind, (count, first) in found.failures.items():
        print(f"    {count:,} x {printable(kind)}: {shown(first, 400)}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, default=10_000, help="inputs for each target")
    parser.add_argument("--target", action="append", choices=list(TARGETS), help="all but formulas where not given")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--state", type=Path, help="file with what was found so far; it is made where it is missing")
    arguments = parser.parse_args()
    failures, state = 0, State(arguments.state, arguments.seed)
    for name in arguments.target or [name for name in TARGETS if name != "formulas"]:
        found = fuzz(name, arguments.inputs, arguments.seed, state.of(name), partial(state.keep, name))
        print_findings(name, arguments.seed, found)
        failures += len(found.failures)
    for grader in WORKERS:
        grader.close()
    sys.exit(failures > 0)


if __name__ == "__main__":
    main()
