"""How a child process is confined: levels, processes, limits, and how it ended."""
