"""The body part in a header, in our own words, because a header's words are untrusted."""

_CHEST = ("CHEST", "THORAX", "LUNG", "TORSO", "TRUNK", "WHOLEBODY", "TAP", "CAP", "HEART", "MEDIASTINUM")
_OTHERS = {
    "the head": ("HEAD", "BRAIN", "SKULL", "FACE", "ORBIT", "SINUS", "JAW", "EAR", "TEMPORAL", "CRANI"),
    "the neck": ("NECK", "CSPINE", "CERVICAL", "CAROTID", "THYROID"),
    "the abdomen": ("ABD", "LIVER", "KIDNEY", "PANCREAS", "COLON", "UROGRAM", "LSPINE", "LUMBAR"),
    "the pelvis": ("PELVIS", "HIP", "PROSTATE", "BLADDER", "SACRUM"),
    "a limb": (
        "LEG", "ARM", "KNEE", "ANKLE", "FOOT", "HAND", "WRIST", "ELBOW", "EXTREMITY", "SHOULDER", "FEMUR", "TIBIA",
        "HUMERUS", "CALCANEUS",
    ),
}  # fmt: skip


def other_part(body_part: str) -> str | None:
    """The body part in BodyPartExamined other than the chest, in our words; None for the chest or if unknown."""
    said = "".join(letter for letter in body_part.upper() if letter.isalpha())
    if any(word in said for word in _CHEST):
        return None
    return next((ours for ours, theirs in _OTHERS.items() if any(word in said for word in theirs)), None)
