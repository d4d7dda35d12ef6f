"""The native engine: `libminiseg`, a library in C++ without any vendor, and its plans."""
