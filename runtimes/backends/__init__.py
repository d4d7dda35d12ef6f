"""One module for each vendor's engine, behind one interface."""
