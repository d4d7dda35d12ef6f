"""`miniseg-bench soak`: mixed traffic for hours, with every mask checked, and growth monitored."""
