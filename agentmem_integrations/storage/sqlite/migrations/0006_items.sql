-- Items of agent frameworks (docs/storage.md#items) are found by path, key, filter and vector, never by words: they leave the
-- text index, so that putting one does not write to it.
INSERT INTO memories_fts (memories_fts, rowid, scope, body, context)
SELECT 'delete', l.no, l.scope, l.body, l.context FROM memories_lexical l CROSS JOIN scopes s ON s.no = l.scope WHERE s.kind = 'path';

DROP VIEW memories_lexical;
CREATE VIEW memories_lexical AS
    SELECT no, scope, coalesce(lexical, text) AS body, context FROM memories m
    WHERE deleted_at IS NULL AND NOT EXISTS (SELECT 1 FROM scopes s WHERE s.no = m.scope AND s.kind = 'path');

-- Which items changed, for readers that keep their vectors: the newest changes, without content. New items need no line, their
-- number is the highest.
CREATE TABLE item_changes (
    no INTEGER PRIMARY KEY,
    memory INTEGER          -- NULL: everything must be read anew
) STRICT;

-- What changes an owner's memories without telling each, such as a purge, raises the epoch; of items' owners that is rare, so a
-- trigger costs nothing, and no way of changing them can be forgotten.
CREATE TRIGGER item_changes_epoch AFTER UPDATE OF epoch ON scopes WHEN new.kind = 'path'
BEGIN
    INSERT INTO item_changes (memory) VALUES (NULL);
END;
