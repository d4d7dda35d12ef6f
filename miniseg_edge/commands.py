"""What all commands share: errors become one line on standard error and an exit code."""

from collections.abc import Callable

from miniseg_edge import terminal
from miniseg_edge.errors import HostMemoryError, MiniSegError, OutputError, ParityError, UsageError

DONE, FAILED, USAGE, PARITY_FAILED, INTERRUPTED = 0, 1, 2, 3, 130


def exit_code_of(work: Callable[[], None]) -> int:
    """Runs a command's work: 0 done, 1 our error, 2 usage, 3 parity failed, 130 interrupted."""
    try:
        work()
    except UsageError as error:
        terminal.fail(str(error))
        return USAGE
    except ParityError as error:
        terminal.fail(str(error))
        return PARITY_FAILED
    except (MiniSegError, OSError, MemoryError) as error:
        terminal.fail(str(_ours(error)))
        return FAILED
    except KeyboardInterrupt:
        terminal.fail("interrupted; nothing half-written was left")
        return INTERRUPTED
    return DONE


def _ours(error: MiniSegError | OSError | MemoryError) -> MiniSegError:
    """The system's errors in our terms."""
    if isinstance(error, MiniSegError):
        return error
    if isinstance(error, MemoryError):
        return HostMemoryError("memory is exhausted", "free memory", "none", "What was written is whole.")
    return OutputError("the system refused", "files that can be read and written, and free space", str(error))
