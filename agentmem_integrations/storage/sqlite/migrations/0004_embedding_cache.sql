-- Vectors of texts embedded before, so that the same text need not be embedded again; explained in docs/storage.md.
-- No text is here, and a vector never changes: what a text's vector is depends on what is hashed in `key` alone.

CREATE TABLE embedding_cache (
    ends INTEGER PRIMARY KEY,   -- bytes of vectors ever kept, this one included: the oldest end first, and how far back they reach is a difference
    key BLOB NOT NULL,          -- hash over the embedder's name, revision and dimension, the kind of text, and the text
    scope INTEGER NOT NULL,     -- whose text it was embedded for
    memory INTEGER REFERENCES memories (no) ON DELETE CASCADE,  -- of which memory; NULL for a question
    vector BLOB NOT NULL
) STRICT;

CREATE UNIQUE INDEX embedding_cache_key ON embedding_cache (key);
CREATE INDEX embedding_cache_memory ON embedding_cache (memory) WHERE memory IS NOT NULL;
CREATE INDEX embedding_cache_asked ON embedding_cache (scope) WHERE memory IS NULL;
