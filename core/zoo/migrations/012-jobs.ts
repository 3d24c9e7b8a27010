/** The queue of long work; see core/jobs. `json` is the job as it was last. */
export const jobs = `
CREATE TABLE jobs (
  key INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  json TEXT NOT NULL CHECK (json_valid(json))
) STRICT;
`
