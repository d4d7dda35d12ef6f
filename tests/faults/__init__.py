"""Faults: kills, full disks, little memory. Either the old state or the new one, a typed error, nothing lost."""
