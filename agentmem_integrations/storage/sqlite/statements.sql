-- Statements by name; what only items, extractions, verify or diagnosis need is in the files beside this one. `{where}` stands for a condition that where.py compiles, with bound values only.

-- name: create_scope
INSERT INTO scopes (collection, kind, owner) VALUES (?, ?, ?) RETURNING no

-- name: renew_scope
UPDATE scopes SET epoch = epoch + 1 WHERE no = ?

-- name: find_scope
SELECT no FROM scopes WHERE collection = ? AND kind = ? AND owner = ?

-- name: scope_version
-- Every change of a scope shows in one of these: a plain add in the first, so that it need not touch the scope's row.
SELECT no, epoch, (SELECT max(no) FROM memories WHERE scope = s.no), (SELECT max(no) FROM history WHERE scope = s.no)
FROM scopes s WHERE collection = ? AND kind = ? AND owner = ?

-- name: forget_scope
DELETE FROM scopes WHERE no = ? AND NOT EXISTS (SELECT 1 FROM memories WHERE scope = scopes.no)

-- name: find_collection
SELECT no, twins, embedder, revision, dim, generation, last_generation, next_embedder, next_revision, next_dim, leftovers
FROM collections WHERE name = ?

-- name: collection_names
SELECT name FROM collections ORDER BY no

-- name: create_collection
INSERT INTO collections (name, twins, embedder, revision, dim, created_at) VALUES (?, ?, ?, ?, ?, ?)

-- name: adopt_embedder
UPDATE collections SET embedder = ?, revision = ?, dim = ? WHERE no = ?

-- name: insert_memory
INSERT INTO memories (
    id, scope, kind, text, lexical, context, twin, agent_id, session_id, role, name, occurred_at, created_at, updated_at,
    expires_at, valid_from, valid_to, superseded_by, importance, metadata, provenance, value
) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING

-- name: rewrite_memory
-- Not id and scope, which stay: to set a column that refers to another table makes SQLite open a savepoint, and there FTS5 would
-- flush its index at every row.
UPDATE memories SET
    kind = ?, text = ?, lexical = ?, context = ?, twin = ?, agent_id = ?, session_id = ?, role = ?,
    name = ?, occurred_at = ?, created_at = ?, updated_at = ?, expires_at = ?, valid_from = ?, valid_to = ?,
    superseded_by = ?, importance = ?, metadata = ?, provenance = ?, value = ?, deleted_at = NULL
WHERE no = ?

-- name: bury_memory
UPDATE memories SET deleted_at = ?, twin = NULL WHERE no = ?

-- name: erase_memory
DELETE FROM memories WHERE no = ?

-- name: without_successor
SELECT m.no FROM memories m WHERE m.scope = ? AND m.superseded_by IS NOT NULL
    AND NOT EXISTS (SELECT 1 FROM memories o WHERE o.id = m.superseded_by AND o.scope = m.scope)

-- name: named_successors
SELECT no, superseded_by FROM memories WHERE scope = ? AND superseded_by IN (SELECT value FROM json_each(?))

-- name: name_successor
UPDATE memories SET superseded_by = ? WHERE no = ?

-- name: forget_successor
UPDATE memories SET superseded_by = NULL, twin = ? WHERE no = ?

-- name: merges_twins
SELECT c.twins = 'merge' FROM scopes s JOIN collections c ON c.no = s.collection WHERE s.no = ?

-- name: find_twin
SELECT no FROM memories WHERE scope = ? AND twin = ?

-- name: find_id
SELECT no FROM memories WHERE id = ? AND scope = ?

-- name: insert_vector
-- The generation by subqueries: joining the two tables for one row costs three times as much.
INSERT OR REPLACE INTO vectors (memory, scope, field, vector, seal, generation)
VALUES (?1, ?2, ?3, ?4, ?5, (SELECT generation FROM collections WHERE no = (SELECT collection FROM scopes WHERE no = ?2)))

-- name: insert_vectors
-- All at once: [[memory, scope, field, offset, bytes], ...] and the vectors end to end, each with its seal behind it. A statement
-- for each row would give the interpreter away, and take it back, at each row.
INSERT OR REPLACE INTO vectors (memory, scope, field, vector, seal, generation)
SELECT value ->> 0, value ->> 1, value ->> 2, substr(?2, (value ->> 3) + 1, value ->> 4),
    substr(?2, (value ->> 3) + (value ->> 4) + 1, 16),
    (SELECT generation FROM collections WHERE no = (SELECT collection FROM scopes WHERE no = value ->> 1))
FROM json_each(?1)

-- name: read_vectors
SELECT v.field, v.vector FROM vectors v JOIN scopes s ON s.no = v.scope JOIN collections c ON c.no = s.collection
WHERE v.scope = ? AND v.memory = ? AND v.generation = c.generation

-- name: erase_vectors
DELETE FROM vectors WHERE scope = ? AND memory = ?

-- name: insert_words
INSERT INTO memories_fts (rowid, scope, body, context)
SELECT no, scope, body, context FROM memories_lexical WHERE no IN (SELECT value FROM json_each(?))

-- name: insert_words_of_one
INSERT INTO memories_fts (rowid, scope, body, context) SELECT no, scope, body, context FROM memories_lexical WHERE no = ?

-- name: words_of_one
SELECT no, scope, body, context FROM memories_lexical WHERE no = ?

-- name: erase_words
-- External content: the index must be told the words it was given, so this comes before the row changes. With VALUES: an INSERT of
-- a SELECT opens a savepoint, and there FTS5 flushes its index.
INSERT INTO memories_fts (memories_fts, rowid, scope, body, context) VALUES ('delete', ?, ?, ?, ?)

-- name: know_words
CREATE VIRTUAL TABLE IF NOT EXISTS temp.words USING fts5vocab ('main', 'memories_fts', 'row')

-- name: first_words
SELECT DISTINCT CAST(term AS BLOB) FROM memories_fts_idx

-- name: has_word
SELECT 1 FROM temp.words WHERE term >= ? AND term < ? LIMIT 1

-- name: rebuild_words
INSERT INTO memories_fts (memories_fts) VALUES ('rebuild')

-- name: insert_history
INSERT INTO history (memory, scope, event, at, old_text, provenance) VALUES (?, ?, ?, ?, ?, ?)

-- name: erase_history
DELETE FROM history WHERE memory = ?

-- name: has_history
SELECT EXISTS (SELECT 1 FROM history WHERE memory = ?)

-- name: read_history
SELECT event, at, old_text, provenance FROM history WHERE memory = ? ORDER BY no

-- name: insert_job
INSERT INTO jobs (kind, scope, memory, due_at, created_at) VALUES (?, ?, ?, ?, ?)

-- name: end_job
DELETE FROM jobs WHERE no = ?

-- name: defer_job
UPDATE jobs SET attempts = attempts + 1, due_at = ?, error = ? WHERE no = ?

-- name: has_jobs
SELECT EXISTS (SELECT 1 FROM jobs WHERE memory = ?)

-- name: erase_jobs
-- Ask first whether there are any: other tables refer to jobs, see rewrite_memory.
DELETE FROM jobs WHERE memory = ?

-- name: erase_jobs_of_nobody
-- A job need not be about one memory; what it is about is gone with the last one of its scope.
DELETE FROM jobs WHERE scope = ? AND NOT EXISTS (SELECT 1 FROM memories WHERE scope = jobs.scope)

-- name: read_debts
SELECT j.no, m.no, m.text, m.name, j.attempts FROM jobs j
JOIN memories m ON m.no = j.memory JOIN scopes s ON s.no = j.scope JOIN collections c ON c.no = s.collection
WHERE j.kind = 'embed' AND j.state = 'waiting' AND j.due_at <= ? AND c.name = ? ORDER BY j.due_at, j.no LIMIT ?

-- name: count_debts
SELECT count(*) FROM jobs j JOIN scopes s ON s.no = j.scope JOIN collections c ON c.no = s.collection
WHERE j.kind = 'embed' AND c.name = ?

-- name: expired
SELECT m.*, s.kind, s.owner FROM memories m CROSS JOIN scopes s ON s.no = m.scope
WHERE m.expires_at <= ? AND m.deleted_at IS NULL AND s.kind <> 'path' ORDER BY m.expires_at LIMIT ?

-- name: has_expired
SELECT EXISTS (SELECT 1 FROM memories WHERE expires_at <= ? AND deleted_at IS NULL)

-- name: live_text
SELECT m.scope, m.text, m.name, c.name FROM memories m JOIN scopes s ON s.no = m.scope JOIN collections c ON c.no = s.collection
WHERE m.no = ? AND m.deleted_at IS NULL

-- name: select_memories
SELECT m.*, s.kind, s.owner FROM memories m JOIN scopes s ON s.no = m.scope WHERE {where} ORDER BY m.no

-- name: page_of_memories
SELECT m.*, s.kind, s.owner FROM memories m JOIN scopes s ON s.no = m.scope WHERE {where} AND m.no > ? ORDER BY m.no LIMIT ?

-- name: select_nos
SELECT m.no, m.scope FROM memories m JOIN scopes s ON s.no = m.scope WHERE {where} ORDER BY m.no

-- name: select_keys
SELECT m.no FROM memories m WHERE m.scope = ? AND {where}

-- name: visible_keys
SELECT m.no FROM json_each(?) k CROSS JOIN memories m ON m.no = k.value WHERE m.scope = ? AND {where}

-- name: load_memories
SELECT m.*, s.kind, s.owner FROM json_each(?) k CROSS JOIN memories m ON m.no = k.value JOIN scopes s ON s.no = m.scope
WHERE m.deleted_at IS NULL

-- name: load_vectors
SELECT v.memory, v.vector, m.expires_at, m.valid_from, m.valid_to FROM vectors v JOIN memories m ON m.no = v.memory
WHERE v.scope = ? AND v.memory > ? AND v.field = ? AND v.generation = ? ORDER BY v.memory

-- name: load_changed_vectors
SELECT v.memory, v.vector, m.expires_at, m.valid_from, m.valid_to FROM vectors v JOIN memories m ON m.no = v.memory
WHERE v.scope = ? AND v.memory IN (SELECT value FROM json_each(?)) AND v.field = ? AND v.generation = ? ORDER BY v.memory

-- name: vectors_by_key
SELECT v.memory, v.vector FROM json_each(?) k CROSS JOIN memories m ON m.no = k.value
CROSS JOIN vectors v ON v.scope = m.scope AND v.memory = m.no JOIN scopes s ON s.no = m.scope JOIN collections c ON c.no = s.collection
WHERE v.field = ? AND v.generation = c.generation

-- name: vectors_by_id
SELECT m.id, v.vector FROM memories m JOIN scopes s ON s.no = m.scope
CROSS JOIN vectors v ON v.scope = m.scope AND v.memory = m.no CROSS JOIN collections c ON c.no = s.collection
WHERE {where} AND v.field = ? AND v.generation = c.generation ORDER BY m.no

-- name: count_vectors
SELECT count(*) FROM vectors WHERE scope = ? AND generation = ?

-- name: changed_since
SELECT DISTINCT memory FROM history WHERE scope = ? AND no > ?

-- name: nearest_by_scan
SELECT v.memory, 1 - vec_distance_cosine(v.vector, ?) FROM vectors v JOIN memories m ON m.no = v.memory
WHERE v.scope = ? AND v.field = ? AND v.generation = ? AND {where} ORDER BY 2 DESC, 1 LIMIT ?

-- name: match_words
SELECT rowid, -bm25(memories_fts, 0.0, 1.0, 1.0) AS score FROM memories_fts WHERE memories_fts MATCH ?
ORDER BY score DESC, rowid LIMIT ?

-- name: match_phrase
SELECT rowid FROM memories_fts WHERE memories_fts MATCH ?

-- name: count_words
SELECT rowid, word_counts(memories_fts) FROM memories_fts WHERE memories_fts MATCH ?

-- name: count_scope
SELECT count(*) FROM (SELECT 1 FROM memories WHERE scope = ? LIMIT ?)

-- name: count_memories
SELECT count(*) FILTER (WHERE m.deleted_at IS NULL AND (m.expires_at IS NULL OR m.expires_at > ?)), count(*) FILTER (WHERE m.deleted_at IS NOT NULL),
       count(DISTINCT m.scope) FILTER (WHERE m.deleted_at IS NULL)
FROM memories m JOIN scopes s ON s.no = m.scope WHERE {where}

-- name: count_vectors_owed
SELECT count(*) FROM jobs j JOIN memories m ON m.no = j.memory JOIN scopes s ON s.no = m.scope WHERE j.kind = 'embed' AND {where}

-- name: count_jobs
SELECT j.kind || '.' || j.state, count(*) FROM jobs j GROUP BY 1

-- name: dump_memories
-- CROSS JOIN: walk the memories in order, page by page, whatever the planner believes of the scopes.
SELECT m.*, s.kind, s.owner FROM memories m CROSS JOIN scopes s ON s.no = m.scope
WHERE {where} AND m.no > ? ORDER BY m.no LIMIT ?

-- name: count_dump
SELECT count(*) FROM memories m CROSS JOIN scopes s ON s.no = m.scope WHERE {where}

-- name: dump_vectors
SELECT v.memory, v.field, CASE WHEN ? OR v.field != ? THEN v.vector END
FROM json_each(?) k CROSS JOIN memories m ON m.no = k.value JOIN vectors v ON v.scope = m.scope AND v.memory = m.no
WHERE v.generation = ? ORDER BY v.memory, v.field

-- name: dump_history
SELECT h.memory, h.event, h.at, h.old_text, h.provenance
FROM json_each(?) k CROSS JOIN history h ON h.memory = k.value ORDER BY h.memory, h.no

-- name: dump_debts
SELECT j.memory FROM json_each(?) k CROSS JOIN jobs j ON j.memory = k.value WHERE j.kind = 'embed'

-- name: id_taken
SELECT EXISTS (
    SELECT 1 FROM scopes s CROSS JOIN memories m ON m.id = ? AND m.scope = s.no WHERE s.collection = ? AND s.kind = ? AND s.owner = ?
)

-- name: begin_reembedding
UPDATE collections SET next_embedder = ?, next_revision = ?, next_dim = ?, next_behind = 0, last_generation = last_generation + 1,
    leftovers = max(leftovers, next_embedder IS NOT NULL)
WHERE no = ?

-- name: abandon_reembedding
UPDATE collections SET next_embedder = NULL, next_revision = NULL, next_dim = NULL, next_behind = 0, last_generation = last_generation + 1,
    leftovers = 1
WHERE no = ?

-- name: swap_embedder
UPDATE collections SET embedder = next_embedder, revision = next_revision, dim = next_dim, generation = last_generation,
    next_embedder = NULL, next_revision = NULL, next_dim = NULL, next_behind = 0, leftovers = 1
WHERE no = ?

-- name: pass_by
UPDATE collections SET next_behind = max(next_behind, ?) WHERE no = ?

-- name: clear_reembedding
DELETE FROM reembedding WHERE collection = ?

-- name: changes_embedder
SELECT next_embedder IS NOT NULL FROM collections WHERE no = (SELECT collection FROM scopes WHERE no = ?)

-- name: note_lacking
-- Only where the embedder is being changed: see rewrite_memory.
-- Also of a memory that was not passed by yet: the walk may be about to pass, with what it read before.
INSERT OR IGNORE INTO reembedding (memory, collection)
SELECT m.no, c.no FROM memories m JOIN scopes s ON s.no = m.scope JOIN collections c ON c.no = s.collection
WHERE m.no = ? AND c.next_embedder IS NOT NULL

-- name: end_lacking
DELETE FROM reembedding WHERE memory = ?

-- name: insert_lacking
INSERT OR IGNORE INTO reembedding (memory, collection) VALUES (?, ?)

-- name: last_memory
SELECT max(no) FROM memories

-- name: insert_next_vector
INSERT OR REPLACE INTO vectors (memory, scope, field, vector, seal, generation) VALUES (?, ?, ?, ?, ?, ?)

-- name: lacking_noted
-- Those that were passed by; with whether a vector of another field hangs on them.
SELECT e.no, e.scope, e.text, e.name, EXISTS (SELECT 1 FROM vectors v WHERE v.scope = e.scope AND v.memory = e.no AND v.field != 'text')
FROM reembedding r JOIN memories_embeddable e ON e.no = r.memory
WHERE r.collection = ?1 AND r.memory > ?2 AND r.memory <= (SELECT next_behind FROM collections WHERE no = ?1) ORDER BY r.memory LIMIT ?3

-- name: lacking_ahead
-- Those that were not passed by yet.
SELECT e.no, e.scope, e.text, e.name, EXISTS (SELECT 1 FROM vectors v WHERE v.scope = e.scope AND v.memory = e.no AND v.field != 'text')
FROM memories_embeddable e
WHERE e.collection = ?1 AND e.no > max((SELECT next_behind FROM collections WHERE no = ?1), ?2) ORDER BY e.no LIMIT ?3

-- name: count_lacking
SELECT (
    SELECT count(*) FROM reembedding r JOIN memories_embeddable e ON e.no = r.memory
    WHERE r.collection = ?1 AND r.memory <= (SELECT next_behind FROM collections WHERE no = ?1)
) + (
    SELECT count(*) FROM memories_embeddable e
    WHERE e.collection = ?1 AND e.no > (SELECT next_behind FROM collections WHERE no = ?1)
)

-- name: owe_vectors
-- Of a collection that had no embedder so far.
INSERT INTO jobs (kind, scope, memory, due_at, created_at)
SELECT 'embed', e.scope, e.no, ?2, ?2 FROM memories_embeddable e
WHERE e.collection = ?1 AND NOT EXISTS (SELECT 1 FROM jobs j WHERE j.memory = e.no AND j.kind = 'embed')
    AND NOT EXISTS (SELECT 1 FROM vectors v WHERE v.scope = e.scope AND v.memory = e.no AND v.field = 'text')

-- name: erase_debts
DELETE FROM jobs WHERE kind = 'embed' AND scope IN (SELECT no FROM scopes WHERE collection = ?)

-- name: has_items_of_fields
SELECT EXISTS (
    SELECT 1 FROM scopes s CROSS JOIN vectors v ON v.scope = s.no WHERE s.collection = ? AND s.kind = 'path' AND v.field != 'text'
)

-- name: has_other_fields
SELECT EXISTS (SELECT 1 FROM scopes s CROSS JOIN vectors v ON v.scope = s.no WHERE s.collection = ? AND v.field != 'text')

-- name: page_of_leftovers
-- Where to look for vectors that no longer count: the next memories of the collection.
SELECT m.no FROM memories m CROSS JOIN scopes s ON s.no = m.scope WHERE s.collection = ? AND m.no > ? ORDER BY m.no LIMIT ?

-- name: erase_leftovers
DELETE FROM vectors WHERE no IN (
    SELECT v.no FROM json_each(?1) k CROSS JOIN memories m ON m.no = k.value
    CROSS JOIN vectors v ON v.scope = m.scope AND v.memory = m.no AND v.generation NOT IN (?2, ?3)
)

-- name: end_leftovers
UPDATE collections SET leftovers = 0 WHERE no = ?

-- name: keep_vector
INSERT OR IGNORE INTO embedding_cache (ends, key, scope, memory, vector)
SELECT coalesce(max(ends), 0) + length(?4), ?1, ?2, ?3, ?4 FROM embedding_cache

-- name: forget_oldest_vectors
DELETE FROM embedding_cache WHERE ends <= (SELECT max(ends) FROM embedding_cache) - ?

-- name: forget_asked_vectors
DELETE FROM embedding_cache WHERE scope = ? AND memory IS NULL

-- name: kept_vectors
SELECT key, vector FROM embedding_cache WHERE key IN (SELECT unhex(value) FROM json_each(?))

-- name: kept_vectors_of_scope
SELECT key, vector FROM embedding_cache c
WHERE c.memory IN (SELECT no FROM memories WHERE scope = ?1) OR (c.scope = ?1 AND c.memory IS NULL) ORDER BY ends DESC

-- name: count_kept_vectors
SELECT count(*), coalesce(sum(length(vector)), 0) FROM embedding_cache

-- name: load_sayings
-- What a ranking needs of each memory of a scope; of facts also how sure the model was.
SELECT m.no, m.text, m.lexical, m.context, m.session_id, m.name, m.role, m.kind, m.importance,
    CASE WHEN m.kind != 'episode' AND m.provenance IS NOT NULL THEN json_extract(m.provenance, '$.confidence') END,
    m.occurred_at, m.expires_at, m.valid_from, m.valid_to
FROM memories m WHERE m.scope = ? AND m.no > ? AND m.deleted_at IS NULL ORDER BY m.no

-- name: load_some_sayings
SELECT m.no, m.text, m.lexical, m.context, m.session_id, m.name, m.role, m.kind, m.importance,
    CASE WHEN m.kind != 'episode' AND m.provenance IS NOT NULL THEN json_extract(m.provenance, '$.confidence') END,
    m.occurred_at, m.expires_at, m.valid_from, m.valid_to
FROM memories m WHERE m.scope = ? AND m.no IN (SELECT value FROM json_each(?)) AND m.deleted_at IS NULL ORDER BY m.no

-- name: sources_of_facts
-- Each fact, dead or alive, and the verbatim words it was drawn from.
SELECT m.no, e.no FROM memories m JOIN json_each(m.provenance, '$.episodes') s JOIN memories e ON e.id = s.value AND e.scope = m.scope
WHERE m.scope = ? AND m.kind <> 'episode'

-- name: successors
-- Each fact that another took the place of, and that one.
SELECT m.no, n.no FROM memories m JOIN memories n ON n.id = m.superseded_by AND n.scope = m.scope
WHERE m.scope = ? AND m.kind <> 'episode' AND m.superseded_by IS NOT NULL
