"""The process's environment, changed for a while: some libraries take what they are told from nowhere else."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager


@contextmanager
def environment_with(values: Mapping[str, str], restored: Sequence[str] = ()) -> Iterator[None]:
    """Inside, the variables have these values; afterwards they, and those `restored` names, are as they were.

    The environment is the whole process's; other variables are left alone.
    """
    before = {name: os.environ.get(name) for name in (*values, *restored)}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
