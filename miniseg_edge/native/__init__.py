"""The native engine: `libminiseg`, a C++ library without vendor dependencies, and its plans."""
