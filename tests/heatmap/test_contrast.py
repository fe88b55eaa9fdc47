"""The colours of pictures can be read on the paper of pages and of notebooks, in light and in dark."""

from __future__ import annotations

from importlib.resources import files

from lrp_ref.heatmap import svg


def colours_of(css: str) -> list[dict[str, str]]:
    """Return the variables of the page's light and dark style."""
    light, dark = css.split("@media (prefers-color-scheme: dark)")
    found = []
    for block in (light, dark.split("* { box-sizing")[0]):
        pairs = [p.split(":") for p in block.replace("{", ";").split(";") if p.strip().startswith("--")]
        found.append({name.strip()[2:]: value.strip().rstrip("}").strip() for name, value in pairs})
    return found


def luminance(colour: str) -> float:
    parts = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_texts_have_the_contrast_of_wcag_aa_in_light_and_dark() -> None:
    css = (files("lrp_ref.pages") / "assets" / "page.css").read_text(encoding="utf-8")
    own = [svg.INK, svg.QUIET, svg.PAPER, svg.PANEL, *svg.SIGNS.values(), *svg.PARTS.values()]
    alone = dict(c[6:-1].split(", ", 1) for c in own)
    for style in (alone, *colours_of(css)):
        for text in ("ink", "quiet", "plus", "minus", "bias", "stabiliser", "dropped"):
            for ground in ("paper", "panel"):
                a, b = sorted((luminance(style[text]), luminance(style[ground])))
                assert (b + 0.05) / (a + 0.05) >= 4.5, (text, ground, style)
