"""Temporarily sets environment variables; some libraries have no other configuration."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager


@contextmanager
def environment_with(values: Mapping[str, str], restored: Sequence[str] = ()) -> Iterator[None]:
    """Inside, the variables have these values. Afterwards they, and the names in `restored`, have their old values.

    The environment belongs to the whole process; other variables are not touched.
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
