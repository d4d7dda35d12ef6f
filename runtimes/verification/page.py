"""A verification as one HTML page: no script, nothing loaded from elsewhere, made for printing and signing.

Names of slices, files and packages come from bundles; all text goes through `in_html`.
"""

from collections.abc import Iterable, Sequence

from miniseg_edge.parity.comparison import ParityLimits, TargetParity
from miniseg_edge.printable import in_html
from miniseg_edge.runtimes.verification.chain import Fact, Link
from miniseg_edge.runtimes.verification.record import Verification

_STYLE = """
:root { color-scheme: light; --line: #c9ced6; --soft: #5b6472; }
body { font: 15px/1.5 system-ui, sans-serif; color: #1c2430; background: #fff; max-width: 62rem; margin: 2rem auto;
  padding: 0 1.25rem; }
h1 { font-size: 1.55rem; margin: 0 0 .25rem; }
h2 { font-size: 1.1rem; margin: 2.2rem 0 .5rem; border-bottom: 1px solid var(--line); padding-bottom: .25rem; }
h3 { font-size: .95rem; margin: 1.1rem 0 .3rem; }
code { overflow-wrap: anywhere; } p, .note { margin: .3rem 0; } .note { color: var(--soft); font-size: .88rem; }
.verdict { display: inline-block; margin: .8rem 0; padding: .45rem .9rem; border: 2px solid; border-radius: .3rem;
  font-weight: 600; }
.passed { color: #14613a; } .failed { color: #a11a1a; }
table { border-collapse: collapse; width: 100%; font-size: .88rem; }
th, td { text-align: left; vertical-align: top; padding: .28rem .6rem .28rem 0; border-bottom: 1px solid #e6e9ee; }
th { color: var(--soft); font-weight: 600; }
td.figure, th.figure { text-align: right; font-variant-numeric: tabular-nums; }
dl { display: grid; grid-template-columns: 11rem 1fr; gap: .15rem 1rem; margin: .3rem 0; font-size: .88rem; }
dt { color: var(--soft); overflow-wrap: anywhere; } dd { margin: 0; overflow-wrap: anywhere; }
ol.chain { list-style: none; padding: 0; margin: 0; }
ol.chain li { border-left: 3px solid var(--line); padding: 0 0 .7rem 1rem; }
ol.chain h3 { margin: 0 0 .2rem; }
.signatures { display: grid; grid-template-columns: repeat(3, 1fr); gap: 2rem; margin-top: 3rem; }
.signatures div { border-top: 1px solid #1c2430; padding-top: .25rem; font-size: .85rem; color: var(--soft); }
@media (max-width: 40rem) { dl { grid-template-columns: 1fr; } dt { margin-top: .4rem; } .wide { overflow-x: auto; } }
@media print { body { margin: 0; max-width: none; font-size: 11px; } tr, li { break-inside: avoid; } }
"""

_COLUMNS = ("slice", "lesion pixels", "max logit difference", "near-ties", "real flips", "Dice")


def page_from_verification(verification: Verification) -> str:
    """The whole page."""
    title = f"Verification of {verification.bundle}"
    passed = "failed" if not verification.passed else "passed"
    said = {
        "passed": "PASSED: this machine reproduces the reference on every artefact that was run",
        "failed": "FAILED: this machine does not reproduce the reference",
    }[passed]
    return "\n".join(
        (
            '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{in_html(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>",
            f"<h1>{in_html(title)}</h1>",
            f"<p>Bundle <code>{in_html(verification.bundle_digest)}</code><br>{in_html(verification.created)}</p>",
            f'<p class="verdict {passed}">{said}</p>',
            *_not_checked(verification.not_checked),
            "<h2>Where</h2>",
            _facts(verification.machine),
            "<h2>Golden slices on this machine</h2>",
            '<p class="note">Phantoms that lie in the bundle with the answer of the FP32 torch reference; each '
            "artefact was run on them here, and compared pixel by pixel.</p>",
            *(_target(parity) for parity in verification.golden),
            "<h2>Parity at export</h2>",
            f'<p class="note">Judged on {in_html(verification.export.validation)}, against the FP32 torch reference, '
            "before the bundle was released.</p>",
            *(_target(parity) for parity in verification.export.targets),
            "<h2>Where it comes from</h2>",
            f'<ol class="chain">{"".join(_link(link) for link in verification.chain)}</ol>',
            '<p class="note">A research model, not a medical device.</p>',
            '<div class="signatures"><div>name</div><div>date</div><div>signature</div></div>',
            "</body>\n</html>\n",
        )
    )


def _not_checked(reasons: Sequence[str]) -> Iterable[str]:
    if reasons:
        items = "".join(f"<li>{in_html(reason)}</li>" for reason in reasons)
        yield f"<p>Not checked here:</p><ul>{items}</ul>"


def _facts(facts: Sequence[Fact]) -> str:
    return f"<dl>{''.join(f'<dt>{in_html(f.name)}</dt><dd>{in_html(f.value)}</dd>' for f in facts)}</dl>"


def _link(link: Link) -> str:
    return f"<li><h3>{in_html(link.title)}</h3>{_facts(link.facts)}</li>"


def _target(parity: TargetParity) -> str:
    verdict = "passed" if parity.passed else f"FAILED: {'; '.join(parity.failures)}"
    head = "".join(f"<th{'' if i == 0 else ' class=figure'}>{name}</th>" for i, name in enumerate(_COLUMNS))
    rows = "".join(
        f"<tr><td>{in_html(one.name)}</td>"
        + "".join(f'<td class="figure">{in_html(text)}</td>' for text in _figures(parity, index))
        + "</tr>"
        for index, one in enumerate(parity.slices)
    )
    return (
        f"<h3>{in_html(f'{parity.target} {parity.precision} on {parity.runtime}')}: "
        f'<span class="{"passed" if parity.passed else "failed"}">{in_html(verdict)}</span></h3>'
        f'<p class="note">{in_html(_limits(parity.limits))}</p>'
        f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'
    )


def _figures(parity: TargetParity, index: int) -> tuple[str, ...]:
    one = parity.slices[index]
    largest = "-" if one.max_logit_difference is None else f"{one.max_logit_difference:.2e}"
    return f"{one.lesion_pixels:,}", largest, f"{one.near_ties}", f"{one.real_flips}", f"{one.dice:.4f}"


def _limits(limits: ParityLimits) -> str:
    """The limits, as text."""
    held = []
    if limits.max_real_flips is not None:
        held.append(
            f"at most {limits.max_real_flips} pixels that change beyond near-ties (|logit| < {limits.near_tie:g})"
        )
    if limits.max_logit_difference is not None:
        held.append(f"logits within {limits.max_logit_difference:g}")
    if limits.min_dice_mean or limits.min_dice_worst:
        held.append(f"Dice at least {limits.min_dice_mean:g} on average and {limits.min_dice_worst:g} on each slice")
    if limits.tiny_lesion:
        held.append(f"lesions below {limits.tiny_lesion} pixels: at most {limits.max_tiny_changes} that change")
    if limits.max_iou_drop is not None:
        held.append(f"mIoU with the labels at most {limits.max_iou_drop:g} below the reference's")
    return f"Held to: {'; '.join(held)}." if held else "Held to no limit."
