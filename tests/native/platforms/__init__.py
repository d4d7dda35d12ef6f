"""The library built for other platforms, and run there under emulation: the same bits."""
