"""One file for each family of PRMs: how it reads a solution, and where its verdicts stand."""
