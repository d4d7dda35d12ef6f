import miniseg_edge


def test_the_public_names_are_these() -> None:
    # Names are part of the interface: a change here breaks the programs that import them.
    assert sorted(miniseg_edge.__all__) == [
        "Bundle",
        "MiniSegError",
        "Segmentation",
        "Segmenter",
        "VolumeSegmentation",
        "__version__",
        "load",
        "open_bundle",
    ]
    assert all(hasattr(miniseg_edge, name) for name in miniseg_edge.__all__)
