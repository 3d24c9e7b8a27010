/** Private inferences with the whole ledger; never images, shares or masks. */
export const inferences = `
CREATE TABLE inferences (
  key INTEGER PRIMARY KEY,
  version INTEGER NOT NULL REFERENCES versions (key) ON DELETE CASCADE,
  at INTEGER NOT NULL,
  ledger TEXT NOT NULL CHECK (json_valid(ledger))
) STRICT;
CREATE INDEX inferences_by_version ON inferences (version, at);
`
