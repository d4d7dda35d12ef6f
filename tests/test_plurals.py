from miniseg_edge.plurals import listed, number_of


def test_one_is_singular() -> None:
    assert [number_of(count, "slice") for count in (0, 1, 2, 1234)] == [
        "0 slices",
        "1 slice",
        "2 slices",
        "1,234 slices",
    ]
    assert number_of(2, "mask of a study", "masks of a study") == "2 masks of a study"


def test_a_list_says_how_many_more_there_are() -> None:
    names = [str(index) for index in range(20)]
    assert listed(names) == f"{', '.join(names[:12])} and 8 more"
    assert listed(names[:12]) == ", ".join(names[:12])
