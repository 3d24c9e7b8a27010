/** Models and their versions. `key` is for joins and the search index; people and files use `id`. Times are ms since 1970. */
export const models = `
CREATE TABLE models (
  key INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  name TEXT NOT NULL,
  created INTEGER NOT NULL,
  changed INTEGER NOT NULL,
  trashed_at INTEGER
) STRICT;
CREATE INDEX models_by_name ON models (name COLLATE NOCASE);
CREATE INDEX models_by_creation ON models (created);
CREATE TABLE versions (
  key INTEGER PRIMARY KEY,
  model INTEGER NOT NULL REFERENCES models (key) ON DELETE CASCADE,
  number INTEGER NOT NULL CHECK (number >= 1),
  stage TEXT NOT NULL CHECK (stage IN ('draft', 'candidate', 'published', 'archived')),
  created INTEGER NOT NULL,
  UNIQUE (model, number)
) STRICT;
`
