-- Extractions are owed by jobs that callers know by an id of their own, and that may be about several memories.
ALTER TABLE jobs ADD COLUMN id TEXT;

CREATE UNIQUE INDEX jobs_id ON jobs (id) WHERE id IS NOT NULL;
CREATE INDEX jobs_scope ON jobs (scope);

CREATE TABLE job_memories (
    memory INTEGER NOT NULL REFERENCES memories (no),
    job INTEGER NOT NULL REFERENCES jobs (no),
    PRIMARY KEY (memory, job)
) STRICT, WITHOUT ROWID;

CREATE INDEX job_memories_job ON job_memories (job);

-- Replies of language models, so that the same question is not asked twice. `key` hashes all that a reply depends on, the owner
-- included: nobody is answered from another's. `no` grows, so that the oldest are known without sorting.
CREATE TABLE replies (
    no INTEGER PRIMARY KEY AUTOINCREMENT,
    key BLOB NOT NULL UNIQUE,
    scope INTEGER NOT NULL REFERENCES scopes (no),
    reply TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;

CREATE INDEX replies_scope ON replies (scope);

-- What new facts are compared with, and whether it changed since: verbatim words, which are most of a scope, are left out.
CREATE INDEX memories_facts ON memories (scope) WHERE kind <> 'episode';
