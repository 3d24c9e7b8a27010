/** Numbers about a version. Of several of one kind the newest counts. */
export const measurements = `
CREATE TABLE measurements (
  key INTEGER PRIMARY KEY,
  version INTEGER NOT NULL REFERENCES versions (key) ON DELETE CASCADE,
  what TEXT NOT NULL,
  value REAL NOT NULL,
  unit TEXT NOT NULL,
  dataset INTEGER REFERENCES datasets (key),
  images INTEGER,
  machine TEXT,
  at INTEGER NOT NULL
) STRICT;
CREATE INDEX measurements_newest ON measurements (version, what, at, key, value);
CREATE INDEX measurements_by_dataset ON measurements (dataset);
`
