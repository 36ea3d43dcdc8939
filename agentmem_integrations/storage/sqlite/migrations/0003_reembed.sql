-- A collection may change its embedder (docs/adr/0009-reembed.md): while the new vectors are being made beside the old ones,
-- the old ones are searched, and a change of one number makes the new ones count.

-- Which vectors count: those whose number is the collection's.
ALTER TABLE vectors ADD COLUMN generation INTEGER NOT NULL DEFAULT 0;
ALTER TABLE collections ADD COLUMN generation INTEGER NOT NULL DEFAULT 0;
-- The highest number that was given out: those of the new vectors, while there is a next embedder. Never given out again.
ALTER TABLE collections ADD COLUMN last_generation INTEGER NOT NULL DEFAULT 0;
-- The embedder that the collection is changing to; NULL if it is not.
ALTER TABLE collections ADD COLUMN next_embedder TEXT;
ALTER TABLE collections ADD COLUMN next_revision TEXT;
ALTER TABLE collections ADD COLUMN next_dim INTEGER CHECK (next_dim > 0);
-- Memories up to this number have their new vector, but for those in `reembedding`.
ALTER TABLE collections ADD COLUMN next_behind INTEGER NOT NULL DEFAULT 0;
-- 1: there may be vectors of other generations than these two, still to be erased.
ALTER TABLE collections ADD COLUMN leftovers INTEGER NOT NULL DEFAULT 0;

DROP INDEX vectors_memory;
CREATE UNIQUE INDEX vectors_memory ON vectors (scope, memory, field, generation);

-- Memories that lack a new vector even when they were passed by: rewritten meanwhile, or their text could not be embedded.
CREATE TABLE reembedding (
    memory INTEGER PRIMARY KEY REFERENCES memories (no),
    collection INTEGER NOT NULL REFERENCES collections (no)
) STRICT;

CREATE INDEX reembedding_collection ON reembedding (collection);

-- What has, or should have, a vector of its text: every live memory, and an item that has one or is owed one. CROSS JOIN:
-- it is walked in the order of `no`.
CREATE VIEW memories_embeddable AS
    SELECT m.no, m.scope, s.collection, m.text, m.name
    FROM memories m CROSS JOIN scopes s ON s.no = m.scope CROSS JOIN collections c ON c.no = s.collection
    WHERE m.deleted_at IS NULL AND (
        s.kind != 'path'
        OR EXISTS (SELECT 1 FROM vectors v WHERE v.scope = m.scope AND v.memory = m.no AND v.field = 'text' AND v.generation = c.generation)
        OR EXISTS (SELECT 1 FROM jobs j WHERE j.memory = m.no AND j.kind = 'embed')
    );
