"""The comparison of discriminators: its rows, its runs, their results, and the table of docs/discriminators.md."""
