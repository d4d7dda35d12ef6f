"""One module per vendor's engine, behind one interface."""
