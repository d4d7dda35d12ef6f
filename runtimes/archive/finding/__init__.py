"""Finding an archive's series with many workers: list, read headers, settle folders, group.

Each step is tasks that run anywhere. Between steps the records of files are sorted by a hash into cells: by name, by
folder, by series. They lie on the output's disk, so no process holds the archive in memory.
"""
