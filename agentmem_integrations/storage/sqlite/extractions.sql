-- Extractions that are owed, what they change, and replies of language models.

-- name: facts_revision
SELECT epoch, (SELECT max(no) FROM memories WHERE scope = s.no AND kind <> 'episode'), (SELECT max(no) FROM history WHERE scope = s.no)
FROM scopes s WHERE no = ?

-- name: end_memory
UPDATE memories SET valid_to = ?, superseded_by = ?, twin = NULL, updated_at = ? WHERE no = ?

-- name: insert_extraction
INSERT INTO jobs (kind, scope, id, state, due_at, leased_until, created_at) VALUES ('extract', ?, ?, 'running', ?, ?, ?) RETURNING no

-- name: link_memory
INSERT INTO job_memories (job, memory) VALUES (?, ?)

-- name: unlink_memory
DELETE FROM job_memories WHERE memory = ?

-- name: unlink_of_job
DELETE FROM job_memories WHERE job = ? AND memory IN (SELECT no FROM memories WHERE scope = ? AND id IN (SELECT value FROM json_each(?)))

-- name: end_extractions
DELETE FROM jobs WHERE kind = 'extract' AND scope = ? AND NOT EXISTS (SELECT 1 FROM job_memories WHERE job = jobs.no)

-- name: find_job
SELECT no FROM jobs WHERE id = ?

-- name: claim_extractions
UPDATE jobs SET state = 'running', leased_until = ?1 WHERE no IN (
    SELECT j.no FROM jobs j JOIN scopes s ON s.no = j.scope
    WHERE j.kind = 'extract' AND s.collection = ?2
    AND ((j.state = 'waiting' AND j.due_at <= ?3) OR (j.state = 'running' AND j.leased_until <= ?4))
    ORDER BY j.no LIMIT ?5
) RETURNING no

-- name: renew_extraction
UPDATE jobs SET leased_until = ? WHERE id = ? AND state = 'running'

-- name: put_off_extraction
UPDATE jobs SET state = ?, due_at = ?, leased_until = NULL, attempts = attempts + 1, error = ? WHERE id = ?

-- name: revive_extractions
UPDATE jobs SET state = 'waiting', attempts = 0, due_at = ?1 WHERE kind = 'extract' AND state = 'dead'
AND scope IN (SELECT no FROM scopes WHERE collection = ?2) AND (?3 IS NULL OR id IN (SELECT value FROM json_each(?3)))

-- name: read_extractions
SELECT j.id, s.kind, s.owner, j.attempts, j.state, j.due_at, j.error, j.created_at, j.no
FROM jobs j JOIN scopes s ON s.no = j.scope WHERE j.kind = 'extract' AND {where} ORDER BY j.no LIMIT ?

-- name: memories_of_job
SELECT m.*, s.kind, s.owner FROM job_memories l JOIN memories m ON m.no = l.memory JOIN scopes s ON s.no = m.scope
WHERE l.job = ? AND m.deleted_at IS NULL AND (m.expires_at IS NULL OR m.expires_at > ?) ORDER BY m.no

-- name: insert_reply
INSERT OR REPLACE INTO replies (key, scope, reply, created_at) VALUES (?, ?, ?, ?) RETURNING no

-- name: forget_replies
DELETE FROM replies WHERE no <= ?

-- name: erase_replies
DELETE FROM replies WHERE scope = ?

-- name: find_replies
SELECT key, reply FROM replies WHERE scope = ? AND created_at > ? AND key IN (SELECT unhex(value) FROM json_each(?))
