-- Items of agent frameworks. A prefix of paths is a range of `owner`: the JSON arrays that begin alike lie side by side.

-- name: get_item
SELECT m.no, m.id, s.owner, m.value, m.created_at, m.updated_at, m.expires_at, m.metadata
FROM scopes s CROSS JOIN memories m ON m.scope = s.no AND m.id = ?
WHERE s.collection = ? AND s.kind = 'path' AND s.owner = ? AND m.deleted_at IS NULL AND (m.expires_at IS NULL OR m.expires_at > ?)

-- name: page_of_items
-- ?8: texts that the value must have. ?9: only items without a vector of this generation.
WITH page AS (
    SELECT m.no FROM scopes s CROSS JOIN memories m ON m.scope = s.no
    WHERE s.collection = ?1 AND s.kind = 'path' AND s.owner BETWEEN ?2 AND ?3
        AND m.deleted_at IS NULL AND (m.expires_at IS NULL OR m.expires_at > ?4) AND m.no > ?5
        AND (?8 IS NULL OR NOT EXISTS (SELECT 1 FROM json_each(?8) n WHERE instr(m.value, n.value) = 0))
        AND (?9 IS NULL OR NOT EXISTS (SELECT 1 FROM vectors v WHERE v.scope = m.scope AND v.memory = m.no AND v.generation = ?9))
    ORDER BY m.no LIMIT ?6 OFFSET ?7
)
SELECT m.no, m.id, s.owner, m.value, m.created_at, m.updated_at, m.expires_at, m.metadata
FROM page p CROSS JOIN memories m ON m.no = p.no CROSS JOIN scopes s ON s.no = m.scope ORDER BY m.no

-- name: load_items
SELECT m.no, m.id, s.owner, m.value, m.created_at, m.updated_at, m.expires_at, m.metadata
FROM json_each(?1) k CROSS JOIN memories m ON m.no = k.value CROSS JOIN scopes s ON s.no = m.scope
WHERE m.deleted_at IS NULL AND (m.expires_at IS NULL OR m.expires_at > ?2)
    AND (?3 IS NULL OR NOT EXISTS (SELECT 1 FROM json_each(?3) n WHERE instr(m.value, n.value) = 0))

-- name: item_scopes
SELECT no FROM scopes WHERE collection = ? AND kind = 'path' AND owner BETWEEN ? AND ?

-- name: item_owners
SELECT owner FROM scopes WHERE collection = ? AND kind = 'path' AND owner BETWEEN ? AND ?

-- name: item_owners_in_use
SELECT s.owner FROM scopes s WHERE s.collection = ? AND s.kind = 'path' AND s.owner BETWEEN ? AND ? AND EXISTS (
    SELECT 1 FROM memories m WHERE m.scope = s.no AND m.deleted_at IS NULL AND (m.expires_at IS NULL OR m.expires_at > ?)
)

-- name: item_version
SELECT coalesce((SELECT max(no) FROM item_changes), 0), coalesce((SELECT max(no) FROM memories), 0),
    coalesce((SELECT max(no) FROM history), 0)

-- name: first_item_change
SELECT coalesce(min(no), 0) FROM item_changes

-- name: items_changed_since
SELECT memory FROM item_changes WHERE no > ?1
UNION SELECT h.memory FROM history h CROSS JOIN scopes s ON s.no = h.scope WHERE h.no > ?2 AND s.kind = 'path'

-- name: count_item_vectors
SELECT count(*) FROM scopes s CROSS JOIN vectors v ON v.scope = s.no WHERE s.collection = ? AND s.kind = 'path' AND v.generation = ?

-- name: load_item_vectors
SELECT v.memory, v.scope, v.vector FROM scopes s CROSS JOIN vectors v ON v.scope = s.no
WHERE s.collection = ? AND s.kind = 'path' AND v.generation = ? ORDER BY v.memory

-- name: load_new_item_vectors
SELECT v.memory, v.scope, v.vector FROM memories m CROSS JOIN scopes s ON s.no = m.scope AND s.collection = ?1 AND s.kind = 'path'
CROSS JOIN vectors v ON v.scope = m.scope AND v.memory = m.no AND v.generation = ?2 WHERE m.no > ?3 ORDER BY m.no

-- name: load_changed_item_vectors
SELECT v.memory, v.scope, v.vector FROM json_each(?3) k CROSS JOIN memories m ON m.no = k.value
CROSS JOIN scopes s ON s.no = m.scope AND s.collection = ?1 AND s.kind = 'path'
CROSS JOIN vectors v ON v.scope = m.scope AND v.memory = m.no AND v.generation = ?2 ORDER BY m.no

-- name: nearest_items_by_scan
SELECT v.memory, max(1 - vec_distance_cosine(v.vector, ?)) FROM scopes s CROSS JOIN vectors v ON v.scope = s.no
WHERE s.collection = ? AND s.kind = 'path' AND s.owner BETWEEN ? AND ? AND v.generation = ? GROUP BY v.memory

-- name: find_item
SELECT no, deleted_at, expires_at FROM memories WHERE id = ? AND scope = ?

-- name: insert_item
INSERT INTO memories (text, lexical, updated_at, expires_at, metadata, value, id, scope, kind, occurred_at, created_at)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 'episode', ?3, ?3)

-- name: replace_item
UPDATE memories SET text = ?, lexical = ?, updated_at = ?, expires_at = ?, metadata = ?, value = ? WHERE no = ?

-- name: touch_item
-- Only if that lengthens its life by a hundredth, so that not every reading writes.
UPDATE memories SET expires_at = ?1 + CAST((metadata ->> 'ttl') * 60000000 AS INTEGER)
WHERE id = ?2 AND scope = ?3 AND deleted_at IS NULL AND expires_at > ?1 AND metadata ->> 'ttl' IS NOT NULL
    AND ?1 + CAST((metadata ->> 'ttl') * 60000000 AS INTEGER) - expires_at > (metadata ->> 'ttl') * 600000

-- name: expired_items
SELECT m.no, m.scope FROM memories m CROSS JOIN scopes s ON s.no = m.scope
WHERE m.expires_at <= ? AND s.kind = 'path' AND m.deleted_at IS NULL ORDER BY m.expires_at LIMIT ?

-- name: note_item_change
INSERT INTO item_changes (memory) VALUES (?)

-- name: forget_item_changes
DELETE FROM item_changes WHERE no <= (SELECT max(no) FROM item_changes) - ?

-- name: has_expiry
SELECT EXISTS (SELECT 1 FROM memories WHERE expires_at IS NOT NULL AND deleted_at IS NULL)
