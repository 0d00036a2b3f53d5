/* What the same database costs in plain C: the tables, indexes, views and full-text index of
 * migrations/, a row in each for what a memory graph's records say, two hashes a record, and
 * SQLite's integrity and foreign key checks at the end. One thread, no validation of the JSON, no
 * canonical form, nothing read back: a floor for `migrate`, not a peer.
 *
 *   cc -O2 -D_GNU_SOURCE tables.c -lsqlite3 -lcrypto && ./a.out INPUT.jsonl OUTPUT.db MIGRATIONS
 */
#include <openssl/sha.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static sqlite3 *db;

static void check(int result) {
  if (result != SQLITE_OK && result != SQLITE_DONE && result != SQLITE_ROW) {
    fprintf(stderr, "tables: %s\n", sqlite3_errmsg(db));
    exit(1);
  }
}

static void step(const char *directory, const char *name) {
  char path[4096];
  snprintf(path, sizeof path, "%s/%s", directory, name);
  FILE *file = fopen(path, "r");
  if (!file) { perror(path); exit(1); }
  static char text[1 << 16];
  text[fread(text, 1, sizeof text - 1, file)] = 0;
  fclose(file);
  check(sqlite3_exec(db, text, NULL, NULL, NULL));
}

static sqlite3_stmt *prepare(const char *sql) {
  sqlite3_stmt *made;
  check(sqlite3_prepare_v2(db, sql, -1, &made, NULL));
  return made;
}

static void run(sqlite3_stmt *row) {
  check(sqlite3_step(row));
  check(sqlite3_reset(row));
}

/* Behind the quote of the string at `at`, escapes passed over. */
static const char *string_end(const char *at, const char *end) {
  while (at < end && *at != '"') at += *at == '\\' ? 2 : 1;
  return at;
}

/* Binds the string behind `key` in a compact line, escapes as they stand, or NULL. */
static void field(sqlite3_stmt *row, int column, const char *line, const char *end, const char *key) {
  size_t width = strlen(key);
  const char *at = memmem(line, (size_t)(end - line), key, width);
  if (!at) { check(sqlite3_bind_null(row, column)); return; }
  at += width;
  check(sqlite3_bind_text(row, column, at, (int)(string_end(at, end) - at), SQLITE_STATIC));
}

/* Binds the number behind `key`, or NULL. */
static void number(sqlite3_stmt *row, int column, const char *line, const char *end, const char *key) {
  size_t width = strlen(key);
  const char *at = memmem(line, (size_t)(end - line), key, width);
  if (at) check(sqlite3_bind_int64(row, column, atoll(at + width)));
  else check(sqlite3_bind_null(row, column));
}

static void demand_nothing(const char *sql, const char *good) {
  sqlite3_stmt *asked = prepare(sql);
  while (sqlite3_step(asked) == SQLITE_ROW) {
    if (good && !strcmp((const char *)sqlite3_column_text(asked, 0), good)) continue;
    fprintf(stderr, "tables: %s\n", sql);
    exit(1);
  }
  sqlite3_finalize(asked);
}

int main(int count, char **arguments) {
  if (count != 4) return 64;
  FILE *input = fopen(arguments[1], "r");
  if (!input) { perror(arguments[1]); return 1; }
  check(sqlite3_open(arguments[2], &db));
  check(sqlite3_exec(db,
    "PRAGMA page_size=8192; PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF;"
    "PRAGMA locking_mode=EXCLUSIVE; PRAGMA cache_size=-32768; BEGIN;", NULL, NULL, NULL));
  step(arguments[3], "0001-tables.sql");
  check(sqlite3_exec(db,
    "INSERT INTO stores VALUES (1, 'graph.jsonl', 'memory-graph', 1, NULL, 0, 0, '');"
    "INSERT INTO files VALUES (1, 1, 'graph.jsonl', 0, 0, NULL, NULL, NULL)", NULL, NULL, NULL));
  sqlite3_stmt *record = prepare(
    "INSERT INTO records VALUES (?, 1, ?, ?, NULL, ?, ?, 0, ?, ?, ?)");
  sqlite3_stmt *entity = prepare("INSERT INTO entities VALUES (?,?,?,?,?,?,?,?,NULL,?,?)");
  sqlite3_stmt *observation = prepare("INSERT INTO observations VALUES (?, ?, ?)");
  sqlite3_stmt *relation = prepare("INSERT INTO relations VALUES (?, ?, ?, ?, ?)");
  char *line = NULL;
  size_t room = 0;
  ssize_t length;
  sqlite3_int64 id = 0, offset = 0;
  unsigned char hashes[2][SHA256_DIGEST_LENGTH];
  while ((length = getline(&line, &room, input)) > 0) {
    sqlite3_int64 next = offset + length;
    if (line[length - 1] == '\n') length--;
    const char *end = line + length;
    int is_entity = !!memmem(line, (size_t)length, "\"type\":\"entity\"", 15);
    id++;
    for (int each = 0; each < 2; each++)
      SHA256((const unsigned char *)line, (size_t)length, hashes[each]);
    check(sqlite3_bind_int64(record, 1, id));
    check(sqlite3_bind_text(record, 2, is_entity ? "entity" : "relation", -1, SQLITE_STATIC));
    field(record, 3, line, end, is_entity ? "\"name\":\"" : "\"from\":\"");
    check(sqlite3_bind_int64(record, 4, id));
    check(sqlite3_bind_int64(record, 5, offset));
    check(sqlite3_bind_blob(record, 6, hashes[0], sizeof hashes[0], SQLITE_STATIC));
    check(sqlite3_bind_blob(record, 7, hashes[1], sizeof hashes[1], SQLITE_STATIC));
    check(sqlite3_bind_text(record, 8, line, (int)length, SQLITE_STATIC));
    run(record);
    if (is_entity) {
      check(sqlite3_bind_int64(entity, 1, id));
      field(entity, 2, line, end, "\"name\":\"");
      field(entity, 3, line, end, "\"entityType\":\"");
      field(entity, 4, line, end, "\"chartId\":\"");
      field(entity, 5, line, end, "\"parentChart\":\"");
      field(entity, 6, line, end, "\"phase\":\"");
      number(entity, 7, line, end, "\"level\":");
      field(entity, 8, line, end, "\"dueDate\":\"");
      field(entity, 9, line, end, "\"createdAt\":\"");
      field(entity, 10, line, end, "\"updatedAt\":\"");
      run(entity);
      const char *at = memmem(line, (size_t)length, "\"observations\":[", 16);
      int position = 0;
      for (at = at ? at + 16 : end; at < end && *at == '"'; position++) {
        const char *close = string_end(++at, end);
        check(sqlite3_bind_int64(observation, 1, id));
        check(sqlite3_bind_int(observation, 2, position));
        check(sqlite3_bind_text(observation, 3, at, (int)(close - at), SQLITE_STATIC));
        run(observation);
        at = close + (close + 1 < end && close[1] == ',' ? 2 : 1);
      }
    } else {
      check(sqlite3_bind_int64(relation, 1, id));
      field(relation, 2, line, end, "\"from\":\"");
      field(relation, 3, line, end, "\"relationType\":\"");
      field(relation, 4, line, end, "\"to\":\"");
      field(relation, 5, line, end, "\"createdAt\":\"");
      run(relation);
    }
    offset = next;
  }
  sqlite3_finalize(record);
  sqlite3_finalize(entity);
  sqlite3_finalize(observation);
  sqlite3_finalize(relation);
  step(arguments[3], "0002-indexes.sql");
  step(arguments[3], "0003-views.sql");
  step(arguments[3], "0004-search.sql");
  check(sqlite3_exec(db, "COMMIT", NULL, NULL, NULL));
  demand_nothing("PRAGMA integrity_check", "ok");
  demand_nothing("PRAGMA foreign_key_check", NULL);
  check(sqlite3_close(db));
  return 0;
}
