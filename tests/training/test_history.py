from miniseg_edge.slices.images import slice_from_bytes
from miniseg_edge.training.history import Entry, History, best_of, curves_png, sparkline

ENTRIES = tuple(
    Entry(number, 1.0 / number, 1e-3, iou, iou, 2.0) for number, iou in enumerate((0.5, 0.8, 0.7, 0.8), start=1)
)


def test_the_best_epoch_is_the_earliest_of_the_highest() -> None:
    assert best_of(ENTRIES).epoch == 2


def test_a_sparkline_shows_the_latest_at_the_right() -> None:
    assert sparkline([0.0, 0.5, 1.0]) == "▁▅█"
    assert sparkline([3.0]) == "▁"
    long = sparkline([float(value) for value in range(100)])
    assert len(long) <= 24
    assert long[-1] == "█"


def test_curves_are_a_picture_with_and_without_held_out_slices() -> None:
    without = tuple(Entry(e.epoch, e.loss, e.learning_rate, None, None, 2.0) for e in ENTRIES)
    pictures = [
        slice_from_bytes(curves_png(History(entries), kept), "curves.png", 3)
        for entries, kept in ((ENTRIES, 2), (ENTRIES, None), (without, 4))
    ]
    assert all(picture.std() > 1 for picture in pictures)
    assert (pictures[0] != pictures[1]).any()
