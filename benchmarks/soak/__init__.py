"""`miniseg-bench soak`: mixed traffic for hours, every mask checked, and what may not grow watched."""
