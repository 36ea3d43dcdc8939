-- A seal says what a vector was made of and what it was: see docs/storage.md. NULL for vectors of schema 1, until repair seals them.
ALTER TABLE vectors ADD COLUMN seal BLOB;
