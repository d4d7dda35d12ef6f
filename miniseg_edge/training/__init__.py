"""The network, its checkpoints and its training: the one door to torch besides export.

Idle OpenMP threads are told to sleep before torch is imported: by default they spin, and on a machine where
another process keeps a core busy that makes this small network a hundred times slower.
"""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
