-- Every fixed statement, by name. `{where}` stands for a condition that where.py compiles, with bound values only.

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
SELECT no, twins, embedder, revision, dim FROM collections WHERE name = ?

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
UPDATE memories SET
    id = ?, scope = ?, kind = ?, text = ?, lexical = ?, context = ?, twin = ?, agent_id = ?, session_id = ?, role = ?,
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

-- name: forget_successor
UPDATE memories SET superseded_by = NULL, twin = ? WHERE no = ?

-- name: merges_twins
SELECT c.twins = 'merge' FROM scopes s JOIN collections c ON c.no = s.collection WHERE s.no = ?

-- name: find_twin
SELECT no FROM memories WHERE scope = ? AND twin = ?

-- name: find_id
SELECT no FROM memories WHERE id = ? AND scope = ?

-- name: insert_vector
INSERT OR REPLACE INTO vectors (memory, scope, field, vector, seal) VALUES (?, ?, ?, ?, ?)

-- name: insert_vectors
-- All at once: [[memory, scope, field, offset, bytes], ...] and the vectors end to end, each with its seal behind it. A statement
-- for each row would give the interpreter away, and take it back, at each row.
INSERT OR REPLACE INTO vectors (memory, scope, field, vector, seal)
SELECT value ->> 0, value ->> 1, value ->> 2, substr(?2, (value ->> 3) + 1, value ->> 4), substr(?2, (value ->> 3) + (value ->> 4) + 1, 16)
FROM json_each(?1)

-- name: read_vectors
SELECT field, vector FROM vectors WHERE scope = ? AND memory = ?

-- name: erase_vectors
DELETE FROM vectors WHERE scope = ? AND memory = ?

-- name: insert_words
INSERT INTO memories_fts (rowid, scope, body, context)
SELECT no, scope, body, context FROM memories_lexical WHERE no IN (SELECT value FROM json_each(?))

-- name: insert_words_of_one
INSERT INTO memories_fts (rowid, scope, body, context) SELECT no, scope, body, context FROM memories_lexical WHERE no = ?

-- name: erase_words
-- External content: the index must be told the words it was given, so this comes before the row changes.
INSERT INTO memories_fts (memories_fts, rowid, scope, body, context)
SELECT 'delete', no, scope, body, context FROM memories_lexical WHERE no = ?

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

-- name: erase_jobs
DELETE FROM jobs WHERE memory = ?

-- name: read_debts
SELECT j.no, m.no, m.text, m.name, j.attempts FROM jobs j
JOIN memories m ON m.no = j.memory JOIN scopes s ON s.no = j.scope JOIN collections c ON c.no = s.collection
WHERE j.kind = 'embed' AND j.state = 'waiting' AND j.due_at <= ? AND c.name = ? ORDER BY j.due_at, j.no LIMIT ?

-- name: count_debts
SELECT count(*) FROM jobs j JOIN scopes s ON s.no = j.scope JOIN collections c ON c.no = s.collection
WHERE j.kind = 'embed' AND c.name = ?

-- name: expired
SELECT m.*, NULL, NULL FROM memories m WHERE m.expires_at <= ? AND m.deleted_at IS NULL ORDER BY m.expires_at LIMIT ?

-- name: live_text
SELECT scope, text, name FROM memories WHERE no = ? AND deleted_at IS NULL

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
WHERE v.scope = ? AND v.memory > ? AND v.field = ? ORDER BY v.memory

-- name: load_changed_vectors
SELECT v.memory, v.vector, m.expires_at, m.valid_from, m.valid_to FROM vectors v JOIN memories m ON m.no = v.memory
WHERE v.scope = ? AND v.memory IN (SELECT value FROM json_each(?)) AND v.field = ? ORDER BY v.memory

-- name: count_vectors
SELECT count(*) FROM vectors WHERE scope = ?

-- name: changed_since
SELECT DISTINCT memory FROM history WHERE scope = ? AND no > ?

-- name: nearest_by_scan
SELECT v.memory, 1 - vec_distance_cosine(v.vector, ?) FROM vectors v JOIN memories m ON m.no = v.memory
WHERE v.scope = ? AND v.field = ? AND {where} ORDER BY 2 DESC, 1 LIMIT ?

-- name: match_words
SELECT rowid, -bm25(memories_fts, 0.0, 1.0, 1.0) AS score FROM memories_fts WHERE memories_fts MATCH ?
ORDER BY score DESC, rowid LIMIT ?

-- name: count_words
SELECT rowid, word_counts(memories_fts) FROM memories_fts WHERE memories_fts MATCH ?

-- name: count_scope
SELECT count(*) FROM (SELECT 1 FROM memories WHERE scope = ? LIMIT ?)

-- name: count_memories
SELECT count(*) FILTER (WHERE m.deleted_at IS NULL AND (m.expires_at IS NULL OR m.expires_at > ?)), count(*) FILTER (WHERE m.deleted_at IS NOT NULL),
       count(DISTINCT m.scope) FILTER (WHERE m.deleted_at IS NULL)
FROM memories m JOIN scopes s ON s.no = m.scope WHERE {where}

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
ORDER BY v.memory, v.field

-- name: dump_history
SELECT h.memory, h.event, h.at, h.old_text, h.provenance
FROM json_each(?) k CROSS JOIN history h ON h.memory = k.value ORDER BY h.memory, h.no

-- name: dump_debts
SELECT j.memory FROM json_each(?) k CROSS JOIN jobs j ON j.memory = k.value WHERE j.kind = 'embed'

-- name: id_taken
SELECT EXISTS (
    SELECT 1 FROM scopes s CROSS JOIN memories m ON m.id = ? AND m.scope = s.no WHERE s.collection = ? AND s.kind = ? AND s.owner = ?
)
