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

/* The tokenizer that FTS5 knows as unicode61, with its default options. */
static inline int holdfast_unicode61(
    sqlite3 *database, fts5_tokenizer *functions, Fts5Tokenizer **tokenizer) {
  sqlite3_stmt *statement = 0;
  fts5_api *api = 0;
  int result = sqlite3_prepare_v2(database, "SELECT fts5(?1)", -1, &statement, 0);
  if (result != SQLITE_OK) return result;
  sqlite3_bind_pointer(statement, 1, &api, "fts5_api_ptr", 0);
  sqlite3_step(statement);
  result = sqlite3_finalize(statement);
  if (result != SQLITE_OK) return result;
  if (!api) return SQLITE_MISUSE;
  void *context = 0;
  result = api->xFindTokenizer(api, "unicode61", &context, functions);
  return result == SQLITE_OK ? functions->xCreate(context, 0, 0, tokenizer) : result;
}
