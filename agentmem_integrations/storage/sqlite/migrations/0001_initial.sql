-- The schema, explained table by table in docs/storage.md.
-- Times are integer microseconds since 1970 UTC. `no` is a row's number in this file; `id` is what callers know.

CREATE TABLE meta (
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE collections (
    no INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    twins TEXT NOT NULL CHECK (twins IN ('merge', 'keep')),
    embedder TEXT,          -- name, and
    revision TEXT,          -- revision of the embedder whose vectors it holds; NULL until the first is stored
    dim INTEGER CHECK (dim > 0),
    created_at INTEGER NOT NULL
) STRICT;

-- One row per owner in a collection. `no` is never reused (AUTOINCREMENT), so that nothing cached under it can be mistaken.
CREATE TABLE scopes (
    no INTEGER PRIMARY KEY AUTOINCREMENT,
    collection INTEGER NOT NULL REFERENCES collections (no),
    kind TEXT NOT NULL CHECK (kind IN ('user', 'shared', 'path')),
    owner TEXT NOT NULL,    -- the user id; '' for shared; the namespace path as a JSON array for items
    epoch INTEGER NOT NULL DEFAULT 0,       -- grows when what readers cached of it must be read anew as a whole
    UNIQUE (collection, kind, owner)
) STRICT;

CREATE TABLE memories (
    no INTEGER PRIMARY KEY AUTOINCREMENT,   -- grows in insertion order, across processes; never means another memory
    id TEXT NOT NULL,       -- an item's key
    scope INTEGER NOT NULL REFERENCES scopes (no),
    kind TEXT NOT NULL,
    text TEXT NOT NULL,
    lexical TEXT,           -- what the text index sees instead of `text`, where they differ (languages without spaces)
    context TEXT,           -- words around the text for the text index: speaker and date
    twin BLOB,              -- fingerprint of the utterance; NULL where twins are kept, and for what is no longer live
    agent_id TEXT,
    session_id TEXT,
    role TEXT,
    name TEXT,
    occurred_at INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    expires_at INTEGER,
    valid_from INTEGER,
    valid_to INTEGER,
    superseded_by TEXT,     -- id, in the same scope
    deleted_at INTEGER,     -- a tombstone: in history, not in search
    importance REAL,
    metadata TEXT,          -- JSON object; NULL for {}
    provenance TEXT,        -- JSON object; NULL for {}
    value TEXT              -- JSON value of a framework's own item; NULL for memories
) STRICT;

CREATE UNIQUE INDEX memories_id ON memories (id, scope);
CREATE UNIQUE INDEX memories_twin ON memories (scope, twin) WHERE twin IS NOT NULL;
CREATE INDEX memories_scope ON memories (scope);
CREATE INDEX memories_session ON memories (scope, session_id) WHERE session_id IS NOT NULL;
CREATE INDEX memories_expiry ON memories (expires_at) WHERE expires_at IS NOT NULL;

-- Truth for similarity: little-endian float32, unit length, readable with sqlite-vec. One row per field and live memory.
CREATE TABLE vectors (
    no INTEGER PRIMARY KEY,
    scope INTEGER NOT NULL,     -- that of the memory, so that one scope is read without touching another's
    memory INTEGER NOT NULL REFERENCES memories (no),
    field TEXT NOT NULL,
    vector BLOB NOT NULL
) STRICT;

CREATE UNIQUE INDEX vectors_memory ON vectors (scope, memory, field);

-- Append-only: what changed. The new text of a line is the next line's old text, or the memory's own: no text is stored twice.
-- A memory that never changed has no lines, its row says it all; its ADD is written down with the first change.
CREATE TABLE history (
    no INTEGER PRIMARY KEY,
    memory INTEGER NOT NULL REFERENCES memories (no),
    scope INTEGER NOT NULL,
    event TEXT NOT NULL CHECK (event IN ('ADD', 'UPDATE', 'SUPERSEDE', 'DELETE')),
    at INTEGER NOT NULL,
    old_text TEXT,          -- NULL where the text did not change
    provenance TEXT
) STRICT;

CREATE INDEX history_memory ON history (memory);
-- What readers that cache a scope must look at again.
CREATE INDEX history_scope ON history (scope);

CREATE TABLE jobs (
    no INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL CHECK (kind IN ('embed', 'extract')),
    scope INTEGER NOT NULL REFERENCES scopes (no),
    memory INTEGER REFERENCES memories (no),
    payload TEXT,           -- JSON
    state TEXT NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'running', 'dead')),
    attempts INTEGER NOT NULL DEFAULT 0,
    due_at INTEGER NOT NULL,
    leased_until INTEGER,   -- a running job whose lease is over belongs to nobody any more
    error TEXT,             -- why the last attempt failed; never content
    created_at INTEGER NOT NULL
) STRICT;

CREATE INDEX jobs_due ON jobs (kind, state, due_at);
CREATE INDEX jobs_memory ON jobs (memory) WHERE memory IS NOT NULL;

-- What the text index holds, as a pure function of the rows: the index can always be made anew from it.
CREATE VIEW memories_lexical AS
    SELECT no, scope, coalesce(lexical, text) AS body, context FROM memories WHERE deleted_at IS NULL;

-- `scope` is a token here (digits only, which no tokenizer changes), so that one owner's words are found without
-- walking everybody's. External content: no second copy of the text.
CREATE VIRTUAL TABLE memories_fts USING fts5 (
    scope, body, context,
    content = 'memories_lexical', content_rowid = 'no',
    tokenize = 'porter unicode61 remove_diacritics 2'
);

-- Deletes take the words out of the index at once: otherwise they stay in its segments, also of memories that are purged later.
INSERT INTO memories_fts (memories_fts, rank) VALUES ('secure-delete', 1);
