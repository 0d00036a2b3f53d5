#include <sqlite3.h>

/* What Swift cannot call: functions with variable arguments, and macros that cast. */

static inline int holdfast_configure(sqlite3 *database, int option, int value) {
  int now = 0;
  return sqlite3_db_config(database, option, value, &now);
}

/* The bytes must stay where they are until the statement is reset or bound anew. */
static inline int holdfast_bind_text(
    sqlite3_stmt *statement, int index, const void *bytes, sqlite3_uint64 count) {
  return sqlite3_bind_text64(
      statement, index, count ? (const char *)bytes : "", count, SQLITE_STATIC, SQLITE_UTF8);
}

static inline int holdfast_bind_text_copy(
    sqlite3_stmt *statement, int index, const void *bytes, sqlite3_uint64 count) {
  return sqlite3_bind_text64(
      statement, index, count ? (const char *)bytes : "", count, SQLITE_TRANSIENT, SQLITE_UTF8);
}

static inline int holdfast_bind_blob(
    sqlite3_stmt *statement, int index, const void *bytes, sqlite3_uint64 count) {
  return sqlite3_bind_blob64(statement, index, count ? bytes : "", count, SQLITE_STATIC);
}

static inline int holdfast_bind_blob_copy(
    sqlite3_stmt *statement, int index, const void *bytes, sqlite3_uint64 count) {
  return sqlite3_bind_blob64(statement, index, count ? bytes : "", count, SQLITE_TRANSIENT);
}
