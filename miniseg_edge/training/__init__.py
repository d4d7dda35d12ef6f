"""The network, its checkpoints and its training: the only package besides export that imports torch.

Idle OpenMP threads are told to sleep before torch is imported. By default they spin, which makes this small network a
hundred times slower on a machine where another process keeps a core busy.
"""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
