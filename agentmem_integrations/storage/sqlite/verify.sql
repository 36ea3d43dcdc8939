-- What verify compares and repair mends. Rows are looked at by their numbers, `?1` being a JSON array of them, so that verify can
-- walk a whole file in steps and repair can look once more at a few rows, inside its transaction, with the same statement.

-- name: memory_nos
SELECT no FROM memories WHERE {where} ORDER BY no

-- name: vector_nos
SELECT no FROM vectors WHERE {where} ORDER BY no

-- name: job_nos
SELECT no FROM jobs WHERE {where} ORDER BY no

-- name: count_history
SELECT count(*) FROM history WHERE {where}

-- name: kept_nos
SELECT ends FROM embedding_cache WHERE {where} ORDER BY ends

-- name: check_kept
SELECT e.ends, e.vector, e.memory IS NOT NULL AND m.no IS NULL
FROM json_each(?1) k CROSS JOIN embedding_cache e ON e.ends = k.value LEFT JOIN memories m ON m.no = e.memory ORDER BY e.ends

-- name: erase_kept
DELETE FROM embedding_cache WHERE ends = ?

-- name: odd_history
-- Lines without their memory, under another owner, or with a provenance that may be no JSON.
SELECT h.no FROM history h LEFT JOIN memories m ON m.no = h.memory
WHERE {where} AND (m.no IS NULL OR m.scope != h.scope OR (h.provenance IS NOT NULL AND NOT json_valid(h.provenance))) ORDER BY h.no

-- name: check_memories
SELECT m.*, s.kind, s.owner, c.twins, c.embedder IS NOT NULL,
    EXISTS (SELECT 1 FROM vectors v WHERE v.scope = m.scope AND v.memory = m.no AND v.field = 'text' AND v.generation = c.generation)
        OR EXISTS (SELECT 1 FROM jobs j WHERE j.memory = m.no AND j.kind = 'embed' AND j.scope = m.scope),
    m.superseded_by IS NULL OR EXISTS (SELECT 1 FROM memories o WHERE o.id = m.superseded_by AND o.scope = m.scope)
FROM json_each(?1) k CROSS JOIN memories m ON m.no = k.value
LEFT JOIN scopes s ON s.no = m.scope LEFT JOIN collections c ON c.no = s.collection ORDER BY m.no

-- name: check_vectors
-- Also those of the embedder that a collection is changing to; what is left of former ones is waiting to be erased.
SELECT v.no, v.memory, v.scope, v.field, v.vector, v.seal, m.no, m.id, m.scope, m.deleted_at, m.text, m.name,
    CASE v.generation WHEN c.generation THEN c.dim WHEN c.last_generation THEN c.next_dim END,
    c.embedder IS NOT NULL OR v.generation != c.generation, v.generation != c.generation,
    v.generation NOT IN (c.generation, iif(c.next_embedder IS NULL, c.generation, c.last_generation)), c.no
FROM json_each(?1) k CROSS JOIN vectors v ON v.no = k.value
LEFT JOIN memories m ON m.no = v.memory LEFT JOIN scopes s ON s.no = m.scope LEFT JOIN collections c ON c.no = s.collection ORDER BY v.no

-- name: check_jobs
SELECT j.no, j.kind, j.memory, j.scope, m.no, m.id, m.scope, m.deleted_at,
    EXISTS (SELECT 1 FROM scopes s CROSS JOIN collections c ON c.no = s.collection CROSS JOIN vectors v
        ON v.scope = m.scope AND v.memory = m.no AND v.field = 'text' AND v.generation = c.generation WHERE s.no = m.scope)
FROM json_each(?1) k CROSS JOIN jobs j ON j.no = k.value LEFT JOIN memories m ON m.no = j.memory ORDER BY j.no

-- name: check_history
SELECT h.no, h.scope, h.provenance, m.no, m.id, m.scope
FROM json_each(?1) k CROSS JOIN history h ON h.no = k.value LEFT JOIN memories m ON m.no = h.memory ORDER BY h.no

-- name: know_instances
-- Every word of the text index, where it stands: term, doc, col, offset.
CREATE VIRTUAL TABLE IF NOT EXISTS temp.instances USING fts5vocab ('main', 'memories_fts', 'instance')

-- name: read_instances
-- A word may be cut at 32,768 bytes, inside a letter: bytes then, and no text.
SELECT CAST(term AS BLOB), doc, col, offset FROM temp.instances

-- name: look_up_words
-- How often a word is found when it is looked up, as a search does it.
SELECT k.value, (SELECT cnt FROM temp.words w WHERE w.term = k.value) FROM json_each(?1) k

-- name: read_docsizes
SELECT id, sz FROM memories_fts_docsize ORDER BY id

-- name: docsizes
SELECT d.id, d.sz FROM json_each(?1) k CROSS JOIN memories_fts_docsize d ON d.id = k.value

-- name: read_averages
SELECT block FROM memories_fts_data WHERE id = 1

-- name: read_word_settings
SELECT k, v FROM memories_fts_config

-- name: live_among
SELECT m.no FROM json_each(?1) k CROSS JOIN memories m ON m.no = k.value WHERE m.deleted_at IS NULL

-- name: words_of
SELECT scope, body, context FROM memories_lexical WHERE no = ?

-- name: has_these_words
SELECT 1 FROM memories_fts WHERE rowid = ? AND memories_fts MATCH ?

-- name: erase_these_words
INSERT INTO memories_fts (memories_fts, rowid, scope, body, context) VALUES ('delete', ?, ?, ?, ?)

-- name: insert_these_words
INSERT INTO memories_fts (rowid, scope, body, context) VALUES (?, ?, ?, ?)

-- name: set_words_option
INSERT INTO memories_fts (memories_fts, rank) VALUES (?, ?)

-- name: set_word_setting
INSERT OR REPLACE INTO memories_fts_config (k, v) VALUES (?, ?)

-- name: drop_words
DROP TABLE memories_fts

-- name: mend_lexical
UPDATE memories SET lexical = ?, context = ? WHERE no = ?

-- name: mend_twin
UPDATE memories SET twin = ? WHERE no = ?

-- name: mend_json
UPDATE memories SET metadata = ?, provenance = ?, value = ? WHERE no = ?

-- name: mend_history_json
UPDATE history SET provenance = ? WHERE no = ?

-- name: mend_successor
UPDATE memories SET superseded_by = NULL WHERE no = ?

-- name: mend_history_scope
UPDATE history SET scope = ? WHERE no = ?

-- name: erase_line
DELETE FROM history WHERE no = ?

-- name: erase_vector
DELETE FROM vectors WHERE no = ?

-- name: move_vector
UPDATE OR IGNORE vectors SET scope = ? WHERE no = ?

-- name: seal_vector
UPDATE vectors SET seal = ? WHERE no = ?

-- name: owe_vector
INSERT INTO jobs (kind, scope, memory, due_at, created_at)
SELECT 'embed', ?2, ?1, ?3, ?3 WHERE NOT EXISTS (SELECT 1 FROM jobs WHERE memory = ?1 AND scope = ?2 AND kind = 'embed')

-- name: read_schema
SELECT type, name, sql, rootpage FROM sqlite_schema

-- name: count_all_debts
SELECT count(*) FROM jobs WHERE kind = 'embed' AND {where}

-- name: drop
DROP {where}

-- name: reindex
REINDEX {where}
