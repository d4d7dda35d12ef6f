"""The colours of all pictures."""

OUR_COLOURS = ("#0072B2", "#009E73", "#E69F00", "#CC79A7", "#56B4E9", "#332288", "#999933", "#882255")
PEER_GREYS = ("#595959", "#8C8C8C", "#737373", "#A6A6A6", "#404040", "#B3B3B3")
RED, INK, MUTED, LINE = "#B3261E", "#1D2733", "#5C6875", "#D9DEE4"
REFERENCE_COLOUR, ARTIFACT_COLOUR, CHANGED_COLOUR = "#56B4E9", "#F0E442", "#E0218A"


def rgb(colour: str) -> tuple[int, int, int]:
    """Of #RRGGBB, 0..255 each."""
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)
