/* The least that a program of one's own would do with SQLite: a row for each line of a memory
 * graph with its id, its type, its bytes and their SHA-256, an index on the id and one on the type
 * (those that its one table has use for), and a last VACUUM into the file that is kept. It checks
 * nothing, makes no tables of what the records say, no full-text index, and reads nothing back.
 *
 *   cc -O2 -D_GNU_SOURCE insert.c -lsqlite3 -lcrypto && ./a.out INPUT.jsonl SCRATCH.db OUTPUT.db
 */
#include <sqlite3.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <openssl/sha.h>

static void check(sqlite3 *db, int result) {
  if (result != SQLITE_OK && result != SQLITE_DONE) {
    fprintf(stderr, "insert: %s\n", sqlite3_errmsg(db));
    exit(1);
  }
}

/* The string value of "KEY":" in a compact line, without looking at escapes. */
static const char *value(const char *line, size_t length, const char *key, size_t *found) {
  size_t width = strlen(key);
  const char *at = memmem(line, length, key, width);
  if (!at) return NULL;
  at += width;
  const char *end = at;
  while (end < line + length && *end != '"') end += *end == '\\' ? 2 : 1;
  *found = (size_t)(end - at);
  return at;
}

int main(int count, char **arguments) {
  if (count != 4) return 64;
  FILE *input = fopen(arguments[1], "r");
  if (!input) { perror(arguments[1]); return 1; }
  sqlite3 *db;
  sqlite3_stmt *insert;
  check(NULL, sqlite3_open(arguments[2], &db));
  check(db, sqlite3_exec(db,
    "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA locking_mode=EXCLUSIVE;"
    "PRAGMA cache_size=-32768; BEGIN;"
    "CREATE TABLE records (n INTEGER PRIMARY KEY, id TEXT, type TEXT, payload TEXT, sha256 BLOB)",
    NULL, NULL, NULL));
  check(db, sqlite3_prepare_v2(db, "INSERT INTO records VALUES (NULL,?,?,?,?)", -1, &insert, NULL));
  char *line = NULL;
  size_t room = 0;
  ssize_t length;
  unsigned char hash[32];
  while ((length = getline(&line, &room, input)) > 0) {
    if (line[length - 1] == '\n') length--;
    size_t id_length = 0, type_length = 0;
    const char *type = value(line, length, "\"type\":\"", &type_length);
    const char *id = value(line, length, "\"name\":\"", &id_length);
    if (!id) id = value(line, length, "\"from\":\"", &id_length);
    SHA256((const unsigned char *)line, length, hash);
    sqlite3_bind_text(insert, 1, id, id_length, SQLITE_STATIC);
    sqlite3_bind_text(insert, 2, type, type_length, SQLITE_STATIC);
    sqlite3_bind_text(insert, 3, line, length, SQLITE_STATIC);
    sqlite3_bind_blob(insert, 4, hash, 32, SQLITE_STATIC);
    check(db, sqlite3_step(insert));
    check(db, sqlite3_reset(insert));
  }
  sqlite3_finalize(insert);
  check(db, sqlite3_exec(db,
    "CREATE INDEX by_id ON records (id); CREATE INDEX by_type ON records (type); COMMIT",
    NULL, NULL, NULL));
  sqlite3_stmt *vacuum;
  check(db, sqlite3_prepare_v2(db, "VACUUM INTO ?", -1, &vacuum, NULL));
  sqlite3_bind_text(vacuum, 1, arguments[3], -1, SQLITE_STATIC);
  check(db, sqlite3_step(vacuum));
  sqlite3_finalize(vacuum);
  sqlite3_close(db);
  return 0;
}
