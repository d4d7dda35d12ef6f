import pytest

from miniseg_edge.export.quantization.groups import group_of


@pytest.mark.parametrize(
    ("name", "group"),
    [
        ("first.down.conv/Conv", "first"),
        ("level1.0.entries.conv/Conv", "stage-1"),
        ("level1.1.conv/Conv", "stage-1"),
        ("exchange3.convolutions.1.convolutions.0/Conv", "exchange-3"),
        ("level4.2.entries.convolutions.0.convolutions.0/Conv", "entries-4"),
        ("down2.body.attention.conv/Conv", "gates-2"),
        ("level3.7.body.fuse.convolutions.0/Conv", "fuse-3"),
        ("up4/Conv", "decoder"),
        ("up2.skip/Conv", "decoder"),
        ("pred1/Conv", "decoder"),
        ("level2.0.body.branches.0/Conv", None),
        ("level2_long.0.conv/Conv", None),
        ("down2.body.spread/Conv", None),
        ("enlarge.doubled/Conv", None),
        ("up1.enlarge/Conv", None),
    ],
)
def test_a_convolution_belongs_where_its_name_says(name: str, group: str | None) -> None:
    assert group_of(name) == group
