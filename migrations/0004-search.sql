-- Full-text search: SELECT rowid FROM search WHERE search MATCH 'words'; rowid is records.id.

-- What can be searched: the words of a record that people wrote.
CREATE VIEW searchable (id, title, body) AS
SELECT e.record, e.name, (
  SELECT group_concat(o.content, char(10)) FROM observations AS o WHERE o.record = e.record)
FROM entities AS e
UNION ALL
SELECT record, name, coalesce(goal, '') || char(10) || coalesce(original_request, '') FROM intents
UNION ALL
SELECT record, title, description FROM tasks
UNION ALL
SELECT record, name, NULL FROM projects
UNION ALL
SELECT r.id, u.run_id, u.objective FROM runs AS u
JOIN records AS r ON r.key = u.run_id AND r.kind = 'run';

CREATE VIRTUAL TABLE search USING fts5 (
  title, body, content = 'searchable', content_rowid = 'id', tokenize = 'unicode61'
);
INSERT INTO search (rowid, title, body) SELECT id, title, body FROM searchable;
