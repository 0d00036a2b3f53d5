// Written from migrations/ by the test that compares the two; not to be changed by hand.
// swift-format-ignore-file

extension SchemaStep {
  /// All steps, in order.
  package static let all: [SchemaStep] = [
    SchemaStep(
      number: 1, name: "0001-tables",
      sql: #"""
-- A store that Holdfast has migrated: every record with its exact bytes, and tables to query.
--
-- `records` is the store itself; the tables below it are what its records say, for people. A
-- record's bytes are in `records.payload`, or in `objects` for what CCOS keeps there; the view
-- `payloads` has them all. `files`, `gaps` and `texts` hold what lies around the records, so that
-- the files can be written again byte for byte.

-- The steps that this database has been through.
CREATE TABLE migrations (
  number INTEGER PRIMARY KEY,
  name   TEXT NOT NULL,               -- as in migrations/
  sha256 TEXT NOT NULL                -- of the step's text
) STRICT;

-- The stores that were migrated.
CREATE TABLE stores (
  id          INTEGER PRIMARY KEY,
  name        TEXT NOT NULL,          -- of the file or directory, without the path
  kind        TEXT NOT NULL,          -- memory-graph, intent-snapshot, …
  single_file INTEGER NOT NULL,       -- 1 for a file, 0 for a directory
  id_field    TEXT,                   -- JSON pointer to the id of documents
  records     INTEGER NOT NULL,
  findings    INTEGER NOT NULL,       -- errors: records that could not be read
  digest      TEXT NOT NULL           -- the store digest; '' once a record has been saved since
) STRICT;

-- Their files and directories.
CREATE TABLE files (
  id           INTEGER PRIMARY KEY,
  store        INTEGER NOT NULL REFERENCES stores (id),
  name         TEXT NOT NULL,         -- path from the root of the store
  is_directory INTEGER NOT NULL,
  size         INTEGER NOT NULL,      -- bytes
  sha256       TEXT,                  -- of the content; NULL for a directory, or as for digest
  context      TEXT,                  -- of a memory graph
  separator    BLOB,                  -- what stands between two records, unless `gaps` says else
  UNIQUE (store, name)
) STRICT;

-- Every record, in the order of its store.
CREATE TABLE records (
  id             INTEGER PRIMARY KEY,
  file           INTEGER NOT NULL REFERENCES files (id),
  kind           TEXT NOT NULL,       -- intent, edge, entity, relation, run, …
  key            TEXT NOT NULL,       -- its id: a name, or 'from -type-> to', or 'line N'
  scope          TEXT,                -- what the container says of it and it does not
  line           INTEGER,             -- from 1
  offset         INTEGER NOT NULL,    -- bytes from the start of the file
  layout         INTEGER NOT NULL,    -- 0 compact, 1 spaced, n: indented, -1: as in `texts`
  content_hash   BLOB NOT NULL,       -- SHA-256 of the payload
  canonical_hash BLOB NOT NULL,       -- SHA-256 of kind, scope and canonical form
  payload        TEXT                 -- compact JSON; NULL where it is in `objects`
) STRICT;

-- Bytes of a file that are no record: in front of the record `before`, or, where that is 0, at
-- the end of the file.
CREATE TABLE gaps (
  file   INTEGER NOT NULL REFERENCES files (id),
  before INTEGER NOT NULL,
  part   INTEGER NOT NULL,
  bytes  BLOB NOT NULL,
  PRIMARY KEY (file, before, part)
) STRICT, WITHOUT ROWID;

-- The text of records that no rule lays out as it was.
CREATE TABLE texts (
  record INTEGER PRIMARY KEY REFERENCES records (id),
  bytes  BLOB NOT NULL
) STRICT;

-- CCOS's content-addressed archive in SQLite: its intents, edges, plans and actions.
CREATE TABLE objects (
  hash      TEXT PRIMARY KEY,         -- SHA-256 of the payload, lower-case hex
  payload   TEXT NOT NULL,
  stored_at INTEGER NOT NULL,         -- unix seconds: when the record says it was made, else 0
  size      INTEGER NOT NULL          -- bytes of the payload
) STRICT;

CREATE TABLE intents (
  record        INTEGER PRIMARY KEY REFERENCES records (id),
  intent_id     TEXT,
  name          TEXT,
  goal          TEXT,
  status        TEXT,                 -- Active, Executing, Completed, Failed, Archived, Suspended
  priority      INTEGER,
  parent_intent TEXT,                 -- an intent_id, which need not exist
  triggered_by  TEXT,
  session_id    TEXT,
  original_request TEXT,
  created_at    INTEGER,              -- unix seconds
  updated_at    INTEGER
) STRICT;

CREATE TABLE edges (
  record      INTEGER PRIMARY KEY REFERENCES records (id),
  from_intent TEXT,                   -- intent_ids, which need not exist
  edge_type   TEXT,                   -- DependsOn, IsSubgoalOf, ConflictsWith, …
  to_intent   TEXT,
  weight      REAL
) STRICT;

CREATE TABLE entities (
  record       INTEGER PRIMARY KEY REFERENCES records (id),
  name         TEXT,
  entity_type  TEXT,
  chart_id     TEXT,                  -- what follows is in COAIA's metadata
  parent_chart TEXT,
  phase        TEXT,
  level        INTEGER,
  due_date     TEXT,
  completed    INTEGER,               -- 0 or 1
  created_at   TEXT,                  -- ISO 8601
  updated_at   TEXT
) STRICT;

CREATE TABLE observations (
  record   INTEGER NOT NULL REFERENCES records (id),   -- the entity's
  position INTEGER NOT NULL,                           -- from 0
  content  TEXT NOT NULL,
  PRIMARY KEY (record, position)
) STRICT, WITHOUT ROWID;

CREATE TABLE relations (
  record        INTEGER PRIMARY KEY REFERENCES records (id),
  from_entity   TEXT,                 -- names, which need not exist
  relation_type TEXT,
  to_entity     TEXT,
  created_at    TEXT
) STRICT;

CREATE TABLE plans (
  record  INTEGER PRIMARY KEY REFERENCES records (id),
  plan_id TEXT
) STRICT;

CREATE TABLE actions (
  record    INTEGER PRIMARY KEY REFERENCES records (id),
  action_id TEXT,
  plan_id   TEXT,
  intent_id TEXT
) STRICT;

-- As the run history's own application makes it; its records are those of kind 'run'.
CREATE TABLE runs (
  run_id           TEXT PRIMARY KEY,
  plan_id          TEXT NOT NULL,
  objective        TEXT NOT NULL,
  plan_result      TEXT NOT NULL,     -- JSON
  execution_result TEXT,              -- JSON
  created_at       REAL NOT NULL,     -- unix seconds
  approval_status  TEXT DEFAULT 'pending',
  approval_reason  TEXT,
  approved_at      REAL,
  approved_by      TEXT
) STRICT;

CREATE TABLE tasks (
  record      INTEGER PRIMARY KEY REFERENCES records (id),
  id          TEXT,                   -- numbers as text; repeats across users
  scope       TEXT,                   -- the user and the project that it stands under
  title       TEXT,
  description TEXT,
  completed   INTEGER,                -- 0 or 1
  created_at  TEXT,
  updated_at  TEXT
) STRICT;

CREATE TABLE users (
  record     INTEGER PRIMARY KEY REFERENCES records (id),
  username   TEXT,
  created_at TEXT
) STRICT;

CREATE TABLE projects (
  record  INTEGER PRIMARY KEY REFERENCES records (id),
  id      TEXT,
  name    TEXT,
  user_id TEXT
) STRICT;

"""#),
    SchemaStep(
      number: 2, name: "0002-indexes",
      sql: #"""
-- What people look up: ids, types, states, parents and times.
CREATE INDEX idx_records_key ON records (key, kind);
CREATE INDEX idx_objects_stored_at ON objects (stored_at);
CREATE INDEX idx_intents_intent_id ON intents (intent_id);
CREATE INDEX idx_intents_status ON intents (status, priority);
CREATE INDEX idx_intents_parent_intent ON intents (parent_intent);
CREATE INDEX idx_intents_updated_at ON intents (updated_at);
CREATE INDEX idx_edges_from_intent ON edges (from_intent, edge_type);
CREATE INDEX idx_edges_to_intent ON edges (to_intent, edge_type);
CREATE INDEX idx_entities_entity_type ON entities (entity_type);
CREATE INDEX idx_entities_chart_id ON entities (chart_id) WHERE chart_id IS NOT NULL;
CREATE INDEX idx_entities_updated_at ON entities (updated_at) WHERE updated_at IS NOT NULL;
CREATE INDEX idx_relations_from_entity ON relations (from_entity, relation_type);
CREATE INDEX idx_relations_to_entity ON relations (to_entity, relation_type);
CREATE INDEX idx_actions_plan_id ON actions (plan_id);
CREATE INDEX idx_actions_intent_id ON actions (intent_id);
CREATE INDEX idx_runs_created_at ON runs (created_at DESC);
CREATE INDEX idx_runs_plan_id ON runs (plan_id);
CREATE INDEX idx_tasks_completed ON tasks (completed, updated_at);
CREATE INDEX idx_projects_user_id ON projects (user_id);

"""#),
    SchemaStep(
      number: 3, name: "0003-views",
      sql: #"""
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

"""#),
    SchemaStep(
      number: 4, name: "0004-search",
      sql: #"""
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

"""#),
  ]
}
