export const tags = `
CREATE TABLE tags (
  model INTEGER NOT NULL REFERENCES models (key) ON DELETE CASCADE,
  tag TEXT NOT NULL,
  PRIMARY KEY (model, tag)
) STRICT, WITHOUT ROWID;
CREATE INDEX tags_by_tag ON tags (tag, model);
`
