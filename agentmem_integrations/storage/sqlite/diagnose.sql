-- What is told of a file as a whole: by stats, and by a diagnosis, which never writes and may meet any schema.

-- name: list_collections
SELECT name, embedder, revision, dim FROM collections ORDER BY no

-- name: count_owed
SELECT c.name, j.kind, j.state, count(*) FROM jobs j JOIN scopes s ON s.no = j.scope JOIN collections c ON c.no = s.collection
GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
