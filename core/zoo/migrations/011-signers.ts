/**
 * Whose bundles are trusted (`name_key` is the name as it is compared), and the signature.json that a version came with, so
 * that it leaves with the version again as long as nothing was changed.
 */
export const signers = `
CREATE TABLE signers (
  fingerprint TEXT PRIMARY KEY CHECK (length(fingerprint) = 64),
  public_key BLOB NOT NULL CHECK (length(public_key) = 32),
  name TEXT NOT NULL,
  name_key TEXT NOT NULL,
  first_seen INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX signers_by_name ON signers (name_key);
CREATE TABLE signatures (
  version INTEGER PRIMARY KEY REFERENCES versions (key) ON DELETE CASCADE,
  json TEXT NOT NULL CHECK (json_valid(json))
) STRICT;
`
