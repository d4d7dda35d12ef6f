"""The slice viewer of the page: canvases, and the controls that the script listens to."""

from miniseg_edge.printable import in_html

_PAGE = """<noscript><p>The slices need JavaScript, which this browser does not run.</p></noscript>
<main class="viewer{two}">
<div class="views">{axial}{theirs}
<div class="sides">
<figure class="coronal"><canvas id="coronal" aria-label="coronal projection"></canvas>
<figcaption>coronal, from the front</figcaption></figure>
<figure class="sagittal"><canvas id="sagittal" aria-label="sagittal projection"></canvas>
<figcaption>sagittal, from the side</figcaption></figure>
</div></div>
{legend}
<div class="controls">
<label class="wide">Slice <input type="range" id="slice" min="0" max="{last}" value="0"></label>
<label><input type="checkbox" id="overlay" checked> Lesion <kbd>O</kbd></label>
<label>Opacity <input type="range" id="opacity" min="0" max="100" value="35"></label>
{difference}
<span class="choice" role="group" aria-label="window">
<button type="button" id="lung" aria-pressed="true">Lung <kbd>L</kbd></button>
<button type="button" id="soft" aria-pressed="false">Soft tissue <kbd>S</kbd></button>
</span>
<button type="button" id="next">Next with lesion <kbd>N</kbd></button>
</div>
<p class="keys">Wheel or <kbd>&uarr;</kbd> <kbd>&darr;</kbd>: slice by slice.
<kbd>Page&nbsp;Up</kbd> <kbd>Page&nbsp;Down</kbd>: by ten. <kbd>Home</kbd> <kbd>End</kbd>: first and last.</p>
</main>"""

_AXIAL = """<figure class="axial"><canvas id="ours" aria-label="axial slice"></canvas>
<figcaption id="caption"></figcaption></figure>"""

_OTHER = """
<figure class="axial"><canvas id="other" aria-label="axial slice with the other result"></canvas>
<figcaption>{name}. <span id="dice"></span></figcaption></figure>"""

_DIFFERENCE = """<label><input type="checkbox" id="difference"> Differences <kbd>D</kbd></label>"""

_LEGEND = """<p class="legend" id="legend" hidden><span class="key both"></span> in both
<span class="key alone"></span> in this result alone <span class="key theirs"></span> in {name} alone</p>"""


def viewer(slices: int, other: str | None) -> str:
    """For this many slices; `other` names a second result next to ours."""
    if other is None:
        return _PAGE.format(two="", axial=_AXIAL, theirs="", legend="", last=slices - 1, difference="")
    theirs, legend = (part.format(name=in_html(other)) for part in (_OTHER, _LEGEND))
    return _PAGE.format(two=" two", axial=_AXIAL, theirs=theirs, legend=legend, last=slices - 1, difference=_DIFFERENCE)
