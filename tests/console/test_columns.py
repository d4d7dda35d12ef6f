import pytest

from miniseg_edge.console.columns import blocks_of, width_of

HEAD = ("target", "slices", "max difference", "ties", "flips", "Dice mean", "worst", "mIoU", "reference", "parity")
ROW = ("onnxruntime-cuda fp32", "1,234", "1.1e-05", "12", "0", "0.99991", "0.99989", "0.81234", "0.81235", "passed")


def lines(rows: list[tuple[str, ...]], width: int | None) -> list[str]:
    return [line for block in blocks_of(rows, width) for row in block for line in row]


def test_without_a_terminal_a_row_is_one_line() -> None:
    assert len(lines([HEAD, ROW], None)) == 2


@pytest.mark.parametrize("width", [30, 40, 79, 80, 120, 300])
def test_no_cell_is_broken_and_no_line_is_wider_than_the_terminal(width: int) -> None:
    shown = lines([HEAD, ROW], width)
    words = " ".join(shown).split()
    assert all(cell in words for cell in ROW[1:])
    assert all(len(line) <= max(width, len(ROW[0]) + 16) for line in shown)


def test_blocks_repeat_the_first_column() -> None:
    blocks = blocks_of([HEAD, ROW], 60)
    assert len(blocks) > 1
    assert all(block[1][0].startswith(ROW[0]) for block in blocks)
    assert all(block[0][0].startswith(HEAD[0]) for block in blocks)


def test_a_long_text_is_broken_between_its_words() -> None:
    text = "the number of files that were read " * 4
    shown = lines([("", ""), ("remark", text.strip())], 50)
    assert " ".join(" ".join(shown).split()) == f"remark {text.strip()}"
    assert all(len(line) <= 50 for line in shown)


def test_figures_are_at_the_right_and_names_at_the_left() -> None:
    shown = lines([("name", "px"), ("a", "12345"), ("bcdefg", "1")], 80)
    assert shown == ["name       px", "a       12345", "bcdefg      1"]


def test_wide_letters_take_two_columns() -> None:
    assert width_of("患者") == 4
    assert width_of("e\u0301") == 1
