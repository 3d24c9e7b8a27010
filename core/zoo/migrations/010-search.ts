/** Full-text search over the newest version of every model; rowid is models.key. Kept up to date by ../search.ts. */
export const search = `
CREATE VIRTUAL TABLE search USING fts5 (name, tags, card, tokenize = 'unicode61 remove_diacritics 2', prefix = '2 3');
INSERT INTO search (search, rank) VALUES ('secure-delete', 1);
INSERT INTO search (rowid, name, tags, card)
SELECT m.key, m.name,
  coalesce((SELECT group_concat(tag, ' ') FROM tags WHERE model = m.key), ''),
  concat_ws(' ', c.json ->> 'description', c.json ->> 'dataset', c.licence, c.json ->> '$.training.summary',
    c.intended_use, c.base_model, c.limits)
FROM models m
JOIN versions v ON v.model = m.key AND v.number = (SELECT max(number) FROM versions WHERE model = m.key)
JOIN cards c ON c.version = v.key;
`
