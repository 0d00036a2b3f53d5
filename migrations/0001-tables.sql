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
