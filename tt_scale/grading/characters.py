r"""Conversion of Unicode mathematics to LaTeX: `x¹⁰`, `⅓`, `√13`, `θ` to `x^{10}`, `\frac{1}{3}`, `\sqrt 13`, `\theta`.

>>> to_latex("2⁻³·√π")
'2^{-3}\\cdot \\sqrt \\pi '
"""

from __future__ import annotations

import re
import unicodedata

__all__ = ["to_latex"]

_GREEK = (
    "α alpha β beta γ gamma δ delta ε epsilon ϵ epsilon ζ zeta η eta θ theta ϑ theta ι iota κ kappa λ lambda μ mu µ mu "
    "ν nu ξ xi π pi ρ rho ϱ rho σ sigma ς sigma τ tau υ upsilon φ phi ϕ phi χ chi ψ psi ω omega "
    "Γ Gamma Δ Delta Θ Theta Λ Lambda Ξ Xi Π Pi Σ Sigma Υ Upsilon Φ Phi Ψ Psi Ω Omega"
)
_SIGNS = (
    "√ sqrt × times · cdot ⋅ cdot ∙ cdot • cdot ∗ cdot ÷ div ∞ infty ≤ le ⩽ le ≦ le ≥ ge ⩾ ge ≧ ge ≠ ne ≈ approx ∪ cup "
    "∩ cap ∖ setminus ∅ emptyset ∈ in ∉ notin ± pm ∓ mp ⌊ lfloor ⌋ rfloor ⌈ lceil ⌉ rceil ⟨ langle ⟩ rangle "
    "ℓ ell 〈 langle 〉 rangle ∠ angle △ triangle … ldots ⋯ cdots ∑ sum ∏ prod ∫ int"
)
_PLAIN = {
    **dict.fromkeys("−–—‐‑‒﹣－", "-"),
    **dict.fromkeys("\u00a0\u2002\u2003\u2009\u200a\u202f\u3000", " "),
    **dict.fromkeys("\u200b\u200c\u200d\u2060\ufeff", ""),
    **dict.fromkeys("°º˚", r"^\circ "),
    **dict.fromkeys("′’ʹ", "'"),
    "∛": r"\sqrt[3]",
    "∜": r"\sqrt[4]",
    "⁄": "/",
    "∕": "/",
    "∶": ":",
    "＝": "=",
    "＋": "+",
    "，": ", ",
    "；": "; ",
    "（": "(",
    "）": ")",
    "％": "%",
    "ℝ": r"\mathbb{R}",
    "ℤ": r"\mathbb{Z}",
    "ℕ": r"\mathbb{N}",
    "ℚ": r"\mathbb{Q}",
    "ℂ": r"\mathbb{C}",
}


def _named(pairs: str) -> dict[str, str]:
    words = pairs.split()
    return {sign: f"\\{name} " for sign, name in zip(words[::2], words[1::2], strict=True)}


_CHARACTERS = str.maketrans({**_named(_GREEK), **_named(_SIGNS), **_PLAIN})

_RAISED = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁼⁽⁾ⁿⁱˣʸᵃᵇᵏᵐᵗʰˢʳᵈ", "0123456789+-=()nixyabkmthsrd")
_LOWERED = str.maketrans("₀₁₂₃₄₅₆₇₈₉₊₋₌₍₎ₐₑₒₓₕₖₗₘₙₚₛₜᵢⱼᵣ", "0123456789+-=()aeoxhklmnpstijr")
_ABOVE = f"[{''.join(map(chr, _RAISED))}]+"
_BELOW = f"[{''.join(map(chr, _LOWERED))}]+"
_VULGAR = "¼½¾⅐⅑⅒⅓⅔⅕⅖⅗⅘⅙⅚⅛⅜⅝⅞↉"

_STACKED = re.compile(f"(?<!{_ABOVE[:-1]})(?P<top>{_ABOVE})[⁄/](?P<bottom>{_BELOW})")
_SCRIPTS = re.compile(f"(?P<above>{_ABOVE})|(?P<below>{_BELOW})|(?P<vulgar>[{_VULGAR}])|(?P<styled>[𝐀-𝟿]+)")
_SET = re.compile(r"(?<!\\)\{\s*(∅)\s*\}")
"""Written by hand, not as LaTeX: the braces are those of a set."""
_ROOTED = re.compile(f"(?<!{_ABOVE[:-1]})({_ABOVE})√")


def to_latex(text: str) -> str:
    """Replace mathematical characters outside of ASCII by LaTeX commands.

    Args:
        text: an answer as a model or a data set states it.
    """
    if text.isascii():
        return text
    text = _SET.sub(r"\{\g<1>\}", text)
    text = _ROOTED.sub(lambda match: rf"\sqrt[{match[1].translate(_RAISED)}]", text)
    text = _STACKED.sub(_fraction, text)
    return _SCRIPTS.sub(_script, text).translate(_CHARACTERS)


def _fraction(match: re.Match[str]) -> str:
    return rf"\frac{{{match['top'].translate(_RAISED)}}}{{{match['bottom'].translate(_LOWERED)}}}"


def _script(match: re.Match[str]) -> str:
    if match["above"]:
        return f"^{{{match['above'].translate(_RAISED)}}}"
    if match["below"]:
        return f"_{{{match['below'].translate(_LOWERED)}}}"
    plain = unicodedata.normalize("NFKC", match[0])
    if match["styled"]:
        return plain
    top, _, bottom = plain.partition("⁄")
    return rf"\frac{{{top}}}{{{bottom}}}"
