import Disk
import LosslessJSON
import Records
import SystemPackage

/// A store in SQLite, in the form of `SchemaStep.all`.
package enum StoreDatabase {
  /// "Hold": the number in the header that says whose database it is.
  package static let applicationID = 0x486F_6C64
  /// The step that this program comes to.
  package static var version: Int { SchemaStep.all.count }

  /// Bytes of a page.
  static let pageSize = 8192

  /// Settings that must stand before the first table; the same file everywhere.
  private static let settings = """
    PRAGMA page_size=\(pageSize);
    PRAGMA encoding='UTF-8';
    PRAGMA auto_vacuum=NONE;
    PRAGMA secure_delete=ON;
    PRAGMA locking_mode=EXCLUSIVE;
    PRAGMA cache_size=-8192;
    """

  /// Makes a database where there is nothing: `fill` is given an empty file. It appears under its
  /// name only when it is whole; where another process is quicker, its database stays.
  static func create(_ path: FilePath, _ fill: (FilePath) throws -> Void) throws {
    guard try FileFacts(at: path) == nil else { return }
    let temporary = Disk.temporaryPath(for: path)
    try StagedFile(temporary).close()
    do {
      try fill(temporary)
      try Disk.syncFile(temporary)
      try Disk.rename(temporary, to: path, replacing: false)
      try Disk.syncDirectory(of: path)
    } catch {
      try? Disk.remove(temporary)
      if let error = error as? DiskError, error.code == .exists { return }
      throw error
    }
  }

  /// Makes the tables of the first step in an empty database, and begins the one transaction.
  package static func begin(_ connection: borrowing Connection) throws(DatabaseError) {
    try connection.execute(settings)
    try connection.execute("BEGIN IMMEDIATE")
    try connection.execute("PRAGMA application_id=\(applicationID)")
    try apply(SchemaStep.all[0], to: connection)
  }

  /// Takes the steps behind `version`, and ends the transaction.
  package static func finish(_ connection: borrowing Connection, from version: Int)
    throws(DatabaseError)
  {
    for step in SchemaStep.all where step.number > version { try apply(step, to: connection) }
    try connection.execute("COMMIT")
  }

  /// Takes one step.
  static func apply(_ step: SchemaStep, to connection: borrowing Connection)
    throws(DatabaseError)
  {
    try connection.execute(step.sql)
    let row = try Statement("INSERT INTO migrations VALUES (?, ?, ?)", on: connection)
    row.bind(1, step.number)
    row.bind(2, text: step.name)
    row.bind(3, text: step.sha256.hex)
    try row.run()
    try connection.execute("PRAGMA user_version=\(step.number)")
  }

  /// A step as a database names it.
  package struct TakenStep: Sendable, Equatable {
    package var number: Int
    package var name: String
    package var sha256: String
  }

  /// The steps that a database has been through. Throws `foreign` where it is none of ours, is of
  /// a newer version, or its steps are not those of this program.
  package static func steps(_ connection: borrowing Connection) throws(DatabaseError)
    -> [TakenStep]
  {
    let path = connection.path.string
    let owner = try number("PRAGMA application_id", connection)
    guard owner == applicationID else {
      throw DatabaseError(
        .foreign, "is an SQLite database that Holdfast did not make (application_id \(owner))",
        path: path, hint: "name a database that holdfast migrate wrote")
    }
    let found = try number("PRAGMA user_version", connection)
    guard found >= 1, found <= version else {
      throw DatabaseError(
        .foreign, "is of version \(found), and this program knows versions up to \(version)",
        path: path, hint: "use the program that wrote it, or a newer one")
    }
    let statement = try Statement(
      "SELECT number, name, sha256 FROM migrations ORDER BY number", on: connection)
    var steps: [TakenStep] = []
    while try statement.step() {
      steps.append(
        TakenStep(
          number: statement.integer(0), name: statement.text(1), sha256: statement.text(2)))
    }
    for (step, known) in zip(steps, SchemaStep.all)
    where step.number != known.number || step.sha256 != known.sha256.hex {
      throw DatabaseError(
        .foreign,
        "has been through a step \(step.name) that is not this program's \(known.name)",
        path: path, hint: "use the program that wrote it")
    }
    guard steps.count == found else {
      throw DatabaseError(
        .damaged, "says version \(found) and names \(steps.count) steps", path: path)
    }
    return steps
  }

  /// The first column of the first row, as a number.
  package static func number(_ sql: String, _ connection: borrowing Connection)
    throws(DatabaseError) -> Int
  {
    let statement = try Statement(sql, on: connection)
    return try statement.step() ? statement.integer(0) : 0
  }

  /// What SQLite's own checks say: nothing where all is well.
  package static func problems(_ connection: borrowing Connection) throws(DatabaseError)
    -> [String]
  {
    // Indexes are looked up for each row of their table, all over the place.
    try connection.execute("PRAGMA cache_size=-24576")
    var problems: [String] = []
    for check in ["PRAGMA integrity_check(20)", "PRAGMA foreign_key_check"] {
      let statement = try Statement(check, on: connection)
      while try statement.step() {
        let text = statement.text(0)
        if text != "ok" { problems.append(check.hasSuffix("key_check") ? "\(text): key" : text) }
      }
    }
    return problems
  }
}
