/** What lies in the content-addressed folder, and which version uses it for what. */
export const files = `
CREATE TABLE files (
  sha256 TEXT PRIMARY KEY CHECK (length(sha256) = 64),
  size INTEGER NOT NULL CHECK (size >= 0),
  added INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE version_files (
  version INTEGER NOT NULL REFERENCES versions (key) ON DELETE CASCADE,
  role TEXT NOT NULL CHECK (role IN ('weights', 'graph', 'card', 'recipe', 'calibration')),
  sha256 TEXT NOT NULL REFERENCES files (sha256),
  PRIMARY KEY (version, role)
) STRICT, WITHOUT ROWID;
CREATE INDEX version_files_by_file ON version_files (sha256);
`
