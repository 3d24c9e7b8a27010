/** The card of a version: its JSON, what lists and filters need of it, and what only the catalog knows. */
export const cards = `
CREATE TABLE cards (
  version INTEGER PRIMARY KEY REFERENCES versions (key) ON DELETE CASCADE,
  json TEXT NOT NULL CHECK (json_valid(json)),
  licence TEXT NOT NULL,
  dataset INTEGER NOT NULL REFERENCES datasets (key),
  intended_use TEXT,
  base_model TEXT,
  limits TEXT
) STRICT;
CREATE INDEX cards_by_dataset ON cards (dataset);
`
