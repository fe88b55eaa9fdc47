"""How a departure is to be taken, program by program, and where it is known upstream.

A convention that a paper allows, or that no paper speaks of, is an alternative. A defect is only what contradicts the
paper that the program itself cites for the rule, or the program's own forward pass. What nobody has held against the
program's papers is left open.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

ALTERNATIVE, DEFECT, OPEN = "alternative", "defect", "open"
_INNVESTIGATE = "https://github.com/albermax/innvestigate/issues/"
_CAPTUM = "https://github.com/pytorch/captum/issues/"


@dataclass(frozen=True)
class Note:
    """How a departure is to be taken.

    Attributes:
        dialect: its id.
        kind: alternative, defect or open.
        why: in one sentence.
        program: the one that it is said of; "" for any other.
        issue: address of the report upstream.
    """

    dialect: str
    kind: str
    why: str
    program: str = ""
    issue: str = ""


UNJUDGED = "Not held against the papers that the program cites."


def _alternatives(**why: str) -> tuple[Note, ...]:
    return tuple(Note(name.replace("_", "-"), ALTERNATIVE, text) for name, text in why.items())


NOTES: tuple[Note, ...] = (
    Note(
        "ab-bias-both", DEFECT,
        "Bach et al. 2015, Eq. 60, which the program cites, has b⁺ with the positive part and b⁻ with the negative; "
        "with both in each, a denominator can vanish where the papers' does not.",
        "innvestigate", f"{_INNVESTIGATE}273",
    ),
    Note(
        "ab-bias-full", DEFECT,
        "Bach et al. 2015, which the program cites, has b⁺ in the denominator; with a negative bias the whole b can "
        "cancel the positive part.",
        "captum", f"{_CAPTUM}1234",
    ),
    Note(
        "wsquare-bias", DEFECT,
        "Montavon et al. 2017, which the program cites, divides by Σw²; with b² a part of the relevance stays with a "
        "bias that the rule does not have.",
        "zennit",
    ),
    Note(
        "deep-taylor-input", DEFECT,
        "Montavon et al. 2017, which the program's Deep Taylor cites, has w² or z^B at the input; its own branch for "
        "w² is never reached.",
        "innvestigate",
    ),
    Note(
        "bn-fused", DEFECT,
        "The layer that is explained, γ/√(σ⁴ + ε), is not the one that ran, γ/√(σ² + ε): it contradicts the program's "
        "own forward pass.",
        "innvestigate",
    ),
    Note(
        "toolbox-sumpool-ab", DEFECT,
        "Bach et al. 2015, Eq. 60, which the program cites, has R once; so has its own slow variant of the same rule.",
        "toolbox",
    ),
    Note(
        "eps-twice", DEFECT,
        "The ε-rule of the overview of 2019, which the program cites, adds ε to the denominator once; a bias of 0 "
        "must change nothing.",
        "autolrp",
    ),
    Note(
        "bias-by-magnitude", ALTERNATIVE,
        "The program documents this share of its own: relevance of inputs and bias is never larger than what arrives. "
        "In the papers the bias is a term of z like any other, so shares may be negative.",
        "autolrp",
    ),
    Note(
        "zplus-bias", ALTERNATIVE,
        "It is αβ(1, 0) of Bach et al. 2015, which the program cites beside Montavon et al. 2017; the latter's z⁺ has "
        "no bias.",
        "zennit",
    ),
    Note(
        "gamma-generalised", ALTERNATIVE,
        "The generalised rule of Andéol et al. 2021, which the program cites, under the shorter name; equal to the "
        "rule of 2019 where inputs and z are positive.",
        "zennit",
    ),
    Note(
        "gamma-bias", ALTERNATIVE,
        "The overview of 2019 counts the bias as a weight, so γ raises its positive part too; the program cites no "
        "paper for this rule.",
        "captum",
    ),
    Note(
        "maxpool-zero", ALTERNATIVE,
        "The pool is given the ε-rule, and 0/(0 ± ε) is 0: relevance is lost where the winner is 0. With winner takes "
        "all it would pass; no paper prescribes a value there.",
        "captum",
    ),
    Note(
        "unsplit", ALTERNATIVE,
        "Deep Taylor (Montavon et al. 2017) has a·w⁺ for inputs that are not negative, where both agree.",
        "captum",
    ),
    Note(
        "eps-unsigned", ALTERNATIVE,
        "AttnLRP (Achtibat et al. 2024), which the program cites and implements, writes z + ε without a sign; Bach et "
        "al. 2015 has the sign.",
        "lxt",
    ),
    Note(
        "matmul-half-epsilon", ALTERNATIVE,
        "AttnLRP (Achtibat et al. 2024), which the program implements, divides by 2y + ε, so without ε it is half to "
        "each factor.",
        "lxt",
    ),
    Note(
        "softmax-last-axis", DEFECT,
        "Proposition 3.1 of AttnLRP, which the program cites, sums over the axis of the softmax.",
        "lxt",
    ),
    Note(
        "rule-ignored", ALTERNATIVE,
        "Sums and average pools have the program's own rule Norm, which is LRP-0, whatever is asked for elsewhere.",
        "zennit",
    ),
    Note(
        "rule-ignored", ALTERNATIVE,
        "Sums and average pools are taken by the z-rule, whatever is asked for elsewhere.",
        "innvestigate",
    ),
    Note(
        "gamma-square", DEFECT,
        "The overview of 2019, which the program cites, has w + γw⁺.",
        "torchlrp",
    ),
    Note(
        "gradient", ALTERNATIVE,
        "Sums and pools have no rule there: torch hands relevance on as their gradient does.",
        "torchlrp",
    ),
    Note(
        "residual-forgotten", ALTERNATIVE,
        "Sums have no rule there: as with a gradient, each operand gets the whole relevance.",
        "torchlrp",
    ),
    Note(
        "gradient", ALTERNATIVE,
        "The program has no rule for these means and hands relevance on as their gradient does.",
        "autolrp",
    ),
    Note(
        "lstm-eps-share", ALTERNATIVE,
        "With a bias factor of 0 the share of ε is dropped as well; the author documents it as a change after the "
        "paper of 2017, where that share stays.",
        "lrp_for_lstm",
    ),
    Note(
        "zero-division-nan", ALTERNATIVE,
        "0/0 is not defined by the papers; a guard against it is the program's own matter.",
        "toolbox", "https://github.com/sebastian-lapuschkin/lrp_toolbox/issues/19",
    ),
    *_alternatives(
        ab_no_bias="Deep Taylor's rules have no bias; with Bach et al. 2015 it is part of the denominators.",
        zplus_bias="It is αβ(1, 0) of Bach et al. 2015; Montavon et al. 2017 has no bias in z⁺.",
        eps_unsigned="AttnLRP and the overview of 2019 write z + ε without a sign; Bach et al. 2015 has the sign.",
        eps_sign0="Bach et al. 2015 puts z = 0 on the side of +; others leave it open.",
        eps_no_sign0="A sign of 0 at z = 0 leaves 0/0; with sgn 0 = +1, as in Bach et al. 2015, it is z + ε.",
        matmul_half_epsilon="AttnLRP divides by 2y + ε.",
        own_epsilon="The size of ε is free; the program does not let it be 0.",
        no_bias_in_denominator="Deep Taylor's rules have no bias; in Bach et al. 2015 and 2019 it is a term of z.",
        eps_rms="The size of ε is free.",
        eps_default="The size of ε is free, but a given one is not the one that is used.",
        gamma_small_as_epsilon="The γ-rule with γ near 0 tends to LRP-0.",
        gamma_generalised="Equal to the γ-rule of 2019 where inputs and z are positive.",
        gamma_plain="Equal to the generalised rule where inputs and z are positive.",
        unsplit="Deep Taylor has a·w⁺ for inputs that are not negative, where both agree.",
        maxpool_ties="Winner takes all does not say who wins a tie.",
        maxpool_last="Winner takes all does not say who wins a tie.",
        maxpool_flat="The rule that is asked for is taken for the pool as well; no paper speaks of it.",
        maxpool_zero="No paper prescribes what becomes of relevance at a winner of 0.",
        avgpool_uniform="Even shares are the gradient's; in proportion to the values is the z-rule's.",
        avgpool_gradient="Equal weights make it the gradient's share; in proportion to the values is the z-rule's.",
        beta_zero_nan="The part of β = 0 is computed as well, and 0/0 is not defined by the papers.",
        padding_counts="Padding is taken for inputs that are 0, so that a part of flat and w² goes to it.",
        bn_kind="No paper prescribes how batch normalisation is taken.",
        sumpool_scale="The layer's forward pass is another one, and so is what explains it.",
        add_by_magnitude="Sums are split by size, not by value; the papers' shares may be negative.",
        mean_by_magnitude="Means are split by size, not by value; the papers' shares may be negative.",
        bias_by_magnitude="The bias takes its share by size; in the papers it is a term of z like any other.",
        zero_division_nan="0/0 is not defined by the papers; a guard against it is the program's own matter.",
        flat_border="Flat is given for units with a full window; taps beyond the border are no inputs.",
        lstm_eps_share="The papers of 2017 and 2019 differ in it.",
        lrn_kind="Two published ways to take a response norm.",
        lrn_terms="Two published ways to take a response norm.",
        softmax_kind="Published families differ: a Taylor term or a constant.",
    ),
)  # fmt: skip


BESIDE: dict[str, tuple[tuple[str, str], ...]] = {  # known upstream, and not seen by cases of one call each
    "captum": (("A rule that is given to a layer is forgotten after one call.", f"{_CAPTUM}1059"),),
}


def note(dialect: str, program: str, notes: Iterable[Note] = NOTES) -> Note:
    """Return how a departure of a program is to be taken.

    Args:
        dialect: id.
        program: its name among the peers.
        notes: to look in.

    Example:
        >>> note("ab-bias-both", "innvestigate").issue
        'https://github.com/albermax/innvestigate/issues/273'
        >>> note("zplus-bias", "zennit").kind, note("relevance-clipped", "zennit").kind
        ('alternative', 'open')
    """
    found = [n for n in notes if n.dialect == dialect and n.program in (program, "")]
    return next((n for n in found if n.program == program), found[0] if found else Note(dialect, OPEN, UNJUDGED))
