"""From candidates to hits: features -> score -> rerank, and the table of weights they go by."""
