/** Data sets that cards and measurements refer to. `key_text` is the name in lower-case letters and digits only. */
export const datasets = `
CREATE TABLE datasets (
  key INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  key_text TEXT NOT NULL
) STRICT;
`
