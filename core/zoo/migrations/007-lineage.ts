/**
 * Where a version comes from. `source` is the parent's name or the path of an import, so that something is left to read
 * when the parent is purged.
 */
export const lineage = `
CREATE TABLE lineage (
  key INTEGER PRIMARY KEY,
  child INTEGER NOT NULL REFERENCES versions (key) ON DELETE CASCADE,
  parent INTEGER REFERENCES versions (key) ON DELETE SET NULL,
  relation TEXT NOT NULL CHECK (relation IN ('trained-from', 'linearised-from', 'imported-from')),
  source TEXT NOT NULL,
  recipe INTEGER REFERENCES recipes (key),
  run INTEGER REFERENCES runs (key)
) STRICT;
CREATE INDEX lineage_by_child ON lineage (child);
CREATE INDEX lineage_by_parent ON lineage (parent);
CREATE INDEX lineage_by_recipe ON lineage (recipe);
CREATE INDEX lineage_by_run ON lineage (run);
`
