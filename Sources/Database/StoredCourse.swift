import Records
import Stores

/// Which file of which store records lay in before they came into a database, told as they are read.
///
/// Every file of a memory graph is told, for its lines are what findings name; of other directories
/// the store alone, whose files may be as many as its records.
struct StoredCourse {
  private struct Home {
    var store: Int
    var path: String
  }

  private var homes: [Int: Home] = [:]
  private var last: Home?
  /// Whether the records of a store follow one another. Those that a program has saved since do not.
  private let isByStore: Bool

  /// - Parameter path: that of the database, as the user would type it.
  init(_ connection: borrowing Connection, database path: String) throws {
    let stores = try StoredStore.all(in: connection)
    isByStore = try stores.count > 1 && Self.isByStore(connection)
    let files = try Statement("SELECT id, store, name, is_directory FROM files", on: connection)
    let known = Dictionary(stores.map { ($0.number, $0) }) { first, _ in first }
    while try files.step() {
      guard files.integer(3) == 0, let store = known[files.integer(1)] else { continue }
      homes[files.integer(0)] = Home(
        store: store.number,
        path: Self.path(of: files.text(2), in: store, isOnly: stores.count == 1, database: path))
    }
  }

  private static func path(
    of file: String, in store: StoredStore, isOnly: Bool, database: String
  ) -> String {
    if store.isSingleFile { return isOnly ? database : "\(database):\(store.name)" }
    guard store.kind == StoreFormat.memoryGraph.name else { return "\(database):\(store.name)" }
    return isOnly ? "\(database):\(file)" : "\(database):\(store.name)/\(file)"
  }

  private static func isByStore(_ connection: borrowing Connection) throws -> Bool {
    let changes = try Statement(
      """
      SELECT count(*), count(DISTINCT store) FROM (
        SELECT f.store, lag(f.store, 1, -1) OVER (ORDER BY r.id) AS previous
        FROM records AS r JOIN files AS f ON f.id = r.file
      ) WHERE store <> previous
      """, on: connection)
    return try changes.step() && changes.integer(0) == changes.integer(1)
  }

  /// What a sink must be told before a record of this file, by its number; nil where it knows.
  mutating func next(_ file: Int) -> (path: String, isNewStore: Bool)? {
    guard let home = homes[file], home.path != last?.path || home.store != last?.store else {
      return nil
    }
    defer { last = home }
    return (home.path, isByStore && last != nil && home.store != last?.store)
  }
}
