/** Recipes, one row for each text, and the runs that made or brought versions. */
export const recipesAndRuns = `
CREATE TABLE recipes (
  key INTEGER PRIMARY KEY,
  sha256 TEXT NOT NULL UNIQUE,
  name TEXT NOT NULL,
  json TEXT NOT NULL CHECK (json_valid(json))
) STRICT;
CREATE TABLE runs (
  key INTEGER PRIMARY KEY,
  kind TEXT NOT NULL CHECK (kind IN ('import', 'train', 'linearize')),
  recipe INTEGER REFERENCES recipes (key),
  summary TEXT NOT NULL,
  at INTEGER NOT NULL
) STRICT;
CREATE INDEX runs_by_recipe ON runs (recipe);
`
