"""What all commands share: errors become one line on standard error and an exit code."""

from collections.abc import Callable

from miniseg_edge import terminal
from miniseg_edge.errors import MiniSegError, OutputError, ParityError, UsageError
from miniseg_edge.limits import host_limits

DONE, FAILED, USAGE, PARITY_FAILED, INTERRUPTED = 0, 1, 2, 3, 130


def exit_code_of(work: Callable[[], None]) -> int:
    """Runs a command's work: 0 done, 1 our error, 2 usage, 3 parity failed, 130 interrupted."""
    try:
        with host_limits():
            work()
    except UsageError as error:
        terminal.fail(str(error))
        return USAGE
    except ParityError as error:
        terminal.fail(str(error))
        return PARITY_FAILED
    except MiniSegError as error:
        terminal.fail(str(error))
        return FAILED
    except OSError as error:
        terminal.fail(
            str(OutputError("the system refused", "files that can be read and written, and free space", str(error)))
        )
        return FAILED
    except KeyboardInterrupt:
        terminal.fail("interrupted; nothing half-written was left")
        return INTERRUPTED
    return DONE
