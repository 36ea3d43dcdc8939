"""From candidates to hits: features -> score -> rerank -> diversify, and the tables of weights they go by."""
