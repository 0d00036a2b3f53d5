import Testing

/// Something that changes files, as the torture does it again and again in the same place.
struct Deed: CustomTestStringConvertible, Sendable {
  /// What to run, and what it is allowed to touch. Names are below the directory `world`.
  struct Job {
    var words: [String]
    /// What must stay just as it is, times included.
    var sources: [String]
    /// What is, after any end, as it was or as it is to be.
    var places: [String] = []
    /// Directories of backups: each of those is, after any end, where it was or where it is to be.
    var repositories: [String] = []
    /// Whether what is there before may be gone afterwards.
    var removes = false
    /// Exit codes of doing it once more where all had been done.
    var again: Set<Int32> = [0]
  }

  let name: String
  /// Makes what is there before, and says what to do.
  let make: @Sendable (Scratch) throws -> Job

  init(_ name: String, _ make: @escaping @Sendable (Scratch) throws -> Job) {
    (self.name, self.make) = (name, make)
  }

  var verb: String { String(name.prefix { $0 != " " }) }
  var testDescription: String { name }
}
