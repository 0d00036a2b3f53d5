-- What people ask first.

-- Every record with its bytes and where it came from.
CREATE VIEW payloads AS
SELECT r.id, s.name AS store, f.name AS file, f.context, r.line, r.kind, r.key, r.scope,
  lower(hex(r.content_hash)) AS content_hash, coalesce(r.payload, o.payload) AS payload
FROM records AS r
JOIN files AS f ON f.id = r.file
JOIN stores AS s ON s.id = f.store
LEFT JOIN objects AS o ON r.payload IS NULL AND o.hash = lower(hex(r.content_hash));

-- How many records of each kind there are, store by store.
CREATE VIEW record_counts AS
SELECT s.name AS store, r.kind, count(*) AS records
FROM records AS r
JOIN files AS f ON f.id = r.file
JOIN stores AS s ON s.id = f.store
GROUP BY s.id, r.kind;

-- Intents that are not done with, the most urgent first, and how many intents they have below.
CREATE VIEW open_intents AS
SELECT i.intent_id, i.name, i.goal, i.status, i.priority, p.goal AS parent_goal,
  (SELECT count(*) FROM intents AS c WHERE c.parent_intent = i.intent_id) AS children
FROM intents AS i
LEFT JOIN intents AS p ON p.intent_id = i.parent_intent
WHERE i.status IN ('Active', 'Executing', 'Suspended')
ORDER BY i.priority DESC, i.intent_id;

-- COAIA's charts, and how many of their action steps are done.
CREATE VIEW charts AS
SELECT c.name, c.chart_id, c.due_date, f.context,
  count(a.record) AS steps, coalesce(sum(a.completed), 0) AS completed_steps
FROM entities AS c
JOIN records AS r ON r.id = c.record
JOIN files AS f ON f.id = r.file
LEFT JOIN entities AS a ON a.chart_id = c.chart_id AND a.entity_type = 'action_step'
WHERE c.entity_type = 'structural_tension_chart'
GROUP BY c.record;

-- Relations and edges that end where there is nothing: reported, never refused.
CREATE VIEW dangling AS
SELECT 'relation' AS kind, r.record, r.from_entity AS "from", r.relation_type AS type,
  r.to_entity AS "to"
FROM relations AS r
WHERE NOT EXISTS (SELECT 1 FROM records WHERE key = r.from_entity AND kind = 'entity')
  OR NOT EXISTS (SELECT 1 FROM records WHERE key = r.to_entity AND kind = 'entity')
UNION ALL
SELECT 'edge', e.record, e.from_intent, e.edge_type, e.to_intent
FROM edges AS e
WHERE NOT EXISTS (SELECT 1 FROM intents WHERE intent_id = e.from_intent)
  OR NOT EXISTS (SELECT 1 FROM intents WHERE intent_id = e.to_intent);
