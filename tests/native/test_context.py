"""Contexts: bounds, refusals, cancelling, closing, forks."""

import os
import threading
import time

import numpy as np
import pytest

from miniseg_edge.architecture import PRESETS
from miniseg_edge.native.binding import Context, InstructionSet, Model, build_record
from miniseg_edge.native.structures import Code, NativeError
from tests.native.kernels.child import in_child
from tests.native.plans import case
from tests.native.soak import contexts, growth, runs

SLICE = np.random.default_rng(0).integers(0, 256, (70, 90), dtype=np.uint8)


@pytest.fixture(scope="module")
def model() -> Model:
    return Model(case().plan)


def refused(call: object, *arguments: object) -> Code:
    with pytest.raises(NativeError) as caught:
        call(*arguments)  # type: ignore[operator]
    return caught.value.code


def test_a_bound_on_memory(model: Model) -> None:
    needed = model.memory((512, 512), 2)
    model.context((512, 512), 2, needed).close()
    assert refused(model.context, (512, 512), 2, needed - 1) == Code.MEMORY


def test_the_published_network_is_small() -> None:
    """The largest slice takes what the documentation says: 1.5 GB for 4096 x 4096."""
    with Model(case(PRESETS["miniseg-83k"]).plan) as model:
        assert model.memory((512, 512), 2) < 40e6
        assert model.memory((4096, 4096), 2) < 1.5e9


def test_larger_slices_never_take_less(model: Model) -> None:
    sizes = [model.memory((side, side), 1) for side in range(1, 200, 3)]
    assert sizes == sorted(sizes)


@pytest.mark.parametrize(("size", "threads"), [((0, 5), 1), ((5, 4097), 1), ((5, 5), 0), ((5, 5), 65)])
def test_arguments(model: Model, size: tuple[int, int], threads: int) -> None:
    assert refused(model.context, size, threads) == Code.ARGUMENT
    assert refused(model.memory, size, threads) == Code.ARGUMENT


@pytest.mark.parametrize(
    "slice_", [SLICE[:, :89].copy().T, SLICE.astype(np.float64), np.stack([SLICE, SLICE]), SLICE[0]]
)
def test_slices_that_do_not_fit(model: Model, slice_: np.ndarray) -> None:
    with model.context((70, 80), 1) as context:
        assert refused(context.logits, slice_) == Code.ARGUMENT


def test_an_instruction_set_that_is_not_here() -> None:
    absent = InstructionSet.NEON if os.uname().machine == "x86_64" else InstructionSet.AVX2
    with pytest.raises(NativeError) as caught:
        Model(case().plan, absent)
    assert caught.value.code == Code.UNSUPPORTED


def test_the_build_is_recorded() -> None:
    record = build_record()
    assert "-ffp-contract=off" in record
    assert "/" not in record.replace("-march", "").split(";")[1]


def test_contexts_outlive_their_model() -> None:
    made = case()
    with Model(made.plan) as model:
        context = model.context(SLICE.shape, 2)
        expected = context.logits(SLICE)
    assert np.array_equal(context.logits(SLICE), expected)
    context.close()
    context.close()
    assert refused(context.logits, SLICE) == Code.CANCELLED


def large() -> tuple[Context, np.ndarray]:
    with Model(case(PRESETS["miniseg-83k"]).plan, InstructionSet.PLAIN) as model:
        return model.context((512, 512), 2), np.zeros((512, 512), np.uint8)


def in_a_run(context: Context, slice_: np.ndarray, codes: list[Code]) -> threading.Thread:
    started = threading.Event()

    def run() -> None:
        started.set()
        try:
            context.logits(slice_)
            codes.append(Code.OK)
        except NativeError as error:
            codes.append(error.code)

    thread = threading.Thread(target=run)
    thread.start()
    started.wait()
    time.sleep(0.02)
    return thread


def test_cancelled_by_another_thread() -> None:
    context, slice_ = large()
    expected = context.logits(slice_)
    assert not context.cancel()  # there is no run
    codes: list[Code] = []
    thread = in_a_run(context, slice_, codes)
    assert context.cancel()
    thread.join()
    assert codes == [Code.CANCELLED]
    np.testing.assert_array_equal(context.logits(slice_), expected)  # the next run is whole
    context.close()
    assert not context.cancel()


def test_one_run_at_a_time() -> None:
    context, slice_ = large()
    codes: list[Code] = []
    thread = in_a_run(context, slice_, codes)
    assert refused(context.logits, slice_) == Code.BUSY
    thread.join()
    assert codes == [Code.OK]
    context.close()


def test_closed_in_a_run() -> None:
    context, slice_ = large()
    codes: list[Code] = []
    thread = in_a_run(context, slice_, codes)
    context.close()
    thread.join()
    assert codes == [Code.CANCELLED]


def test_threads_of_many_contexts(model: Model) -> None:
    """Models are shared, and give the same answer to all."""
    with model.context(SLICE.shape, 1) as context:
        expected = context.logits(SLICE).tobytes()
    found: list[bytes] = []

    def work() -> None:
        with model.context(SLICE.shape, 2) as own:
            found.extend(own.logits(SLICE).tobytes() for _ in range(20))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [expected] * 80


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_after_a_fork(model: Model) -> None:
    """One thread works in the child, several say FORKED, and a new context works; closing is always safe."""
    with model.context(SLICE.shape, 1) as single, model.context(SLICE.shape, 2) as several:
        expected = single.logits(SLICE).tobytes()
        child = os.fork()
        if child == 0:
            status = 1
            try:
                assert single.logits(SLICE).tobytes() == expected
                assert refused(several.logits, SLICE) == Code.FORKED
                several.close()
                with model.context(SLICE.shape, 2) as fresh:
                    assert fresh.logits(SLICE).tobytes() == expected
                status = 0
            finally:
                os._exit(status)
        assert os.waitpid(child, 0)[1] == 0
        assert several.logits(SLICE).tobytes() == expected


@pytest.mark.slow
def test_memory_stands_still(model: Model) -> None:
    """A hundred contexts that are kept take far more than a thousand that are not."""

    def check() -> None:
        assert growth(runs(model, 8_000)) < 300
        assert growth(contexts(model, 1_000)) < 300
        assert growth(contexts(model, 1_000, keep=10)) > 3_000

    in_child(check)
