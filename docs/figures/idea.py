"""Draw docs/figures/idea.svg, the picture of collective backtracking in the README.

python docs/figures/idea.py
"""

from __future__ import annotations

from pathlib import Path

WIDTH, HEIGHT = 940, 372
INK, FAINT, GOOD, BAD = "#1f2937", "#9ca3af", "#0f766e", "#b45309"
COLUMNS = (70, 230, 420, 640, 830)


def circle(x: float, y: float, label: str, colour: str, *, filled: bool = False) -> str:
    fill, text = (colour, "white") if filled else ("white", colour)
    return (
        f'<circle cx="{x}" cy="{y}" r="19" fill="{fill}" stroke="{colour}" stroke-width="2"/>'
        f'<text x="{x}" y="{y + 4}" fill="{text}" text-anchor="middle" font-size="12">{label}</text>'
    )


def line(x1: float, y1: float, x2: float, y2: float, colour: str, *, dashed: bool = False) -> str:
    dash = ' stroke-dasharray="4 4"' if dashed else ""
    return f'<line x1="{x1 + 19}" y1="{y1}" x2="{x2 - 19}" y2="{y2}" stroke="{colour}" stroke-width="2"{dash}/>'


def words(x: float, y: float, text: str, *, size: int = 12, bold: bool = False, colour: str = INK) -> str:
    weight = ' font-weight="600"' if bold else ""
    return f'<text x="{x}" y="{y}" fill="{colour}" text-anchor="middle" font-size="{size}"{weight}>{text}</text>'


def drawing() -> str:
    root, first, retry, commit, end = COLUMNS
    parts = [
        words(first, 24, "1. grow", size=14, bold=True),
        words(first, 42, "one scored step for each"),
        words(retry, 24, "2. all backtrack", size=14, bold=True),
        words(retry, 42, "hotter and wider; what passed stays"),
        words(commit, 24, "3. go on", size=14, bold=True),
        words(commit, 42, "the best passing paths"),
        words(end, 24, "4. answer", size=14, bold=True),
        words(end, 42, "select from the pool"),
    ]
    rows = (110, 200, 290)
    firsts = (("0.81", True), ("0.32", False), ("0.44", False))
    for y, (score, passes) in zip(rows, firsts, strict=True):
        parts += [line(root, 200, first, y, INK), circle(first, y, score, GOOD if passes else BAD)]
    parts.append(circle(root, 200, "x", INK, filled=True))
    parts.append(words(root, 240, "problem"))
    children = (
        (82, "0.77", True),
        (130, "0.21", False),
        (178, "0.69", True),
        (226, "0.40", False),
        (274, "0.64", True),
    )
    for y, score, passes in children:
        parts += [
            f'<path d="M {root + 16} {188 if y < 200 else 212} C {first} {y - 22 if y < 200 else y + 60}, {first + 70} {y}, '
            f'{retry - 19} {y}" fill="none" stroke="{INK if passes else FAINT}" stroke-width="1.5"/>',
            circle(retry, y, score, GOOD if passes else BAD),
        ]
    kept = ((110, 110, "0.81"), (82, 190, "0.77"), (178, 270, "0.69"))
    for index, (source, y, score) in enumerate(kept):
        start = first if index == 0 else retry
        if index == 0:
            parts.append(
                f'<path d="M {start + 19} {source} C {start + 90} {source - 64}, {commit - 120} {y - 70}, {commit - 19} {y}" '
                f'fill="none" stroke="{GOOD}" stroke-width="2" stroke-dasharray="5 4"/>'
            )
        else:
            parts.append(line(start, source, commit, y, GOOD))
        parts.append(circle(commit, y, score, GOOD, filled=True))
        parts.append(line(commit, y, end, 190, GOOD, dashed=True))
    parts.append(circle(end, 190, "42", GOOD, filled=True))
    parts.append(words(end, 232, "best, majority,"))
    parts.append(words(end, 248, "weighted, first"))
    parts.append(
        words(
            WIDTH / 2,
            346,
            "A step passes at tau = 0.6. Too few pass: no path goes on, all step back together and try again.",
            size=13,
        )
    )
    font = "font-family=\"-apple-system, 'Segoe UI', Helvetica, Arial, sans-serif\""
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" {font} role="img">'
    title = "<title>Collective backtracking: grow, backtrack together, go on, answer</title>"
    parts.sort(key=lambda part: part.startswith("<circle"))  # circles cover the lines behind them
    return "\n".join([head, title, f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>', *parts, "</svg>\n"])


if __name__ == "__main__":
    Path(__file__).with_name("idea.svg").write_text(drawing(), encoding="utf-8")
