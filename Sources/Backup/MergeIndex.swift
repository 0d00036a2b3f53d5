import Disk
import LosslessJSON
import Records
import Stores
import SystemPackage

/// Gathers what a merge must know of each record, sorted by id: which records say the same, and
/// which do not. Memory is bounded; the entries are spilled to nameless files.
struct MergeIndex: ~Copyable {
  private var sorter = RunSorter(spillingTo: SpillFile.standardDirectory)
  private var key = ByteBuffer()
  private var payload = ByteBuffer()
  /// Whether the rest of an entity, without its observations, is hashed too.
  private let comparesRests: Bool
  private(set) var count = 0

  init(comparesRests: Bool) { self.comparesRests = comparesRests }

  /// One record, as the index knows it.
  struct Entry {
    var kind: RecordKind
    var store: Int
    var ordinal: Int
    var hash: Hash256
    /// The hash of an entity without its observations; nil where it has no array of them.
    var rest: Hash256?
    var updated: ISOTime?
    var file: Int
    var line: Int
    var offset: Int
    /// Whether it lies in the file of the default context.
    var isDefault: Bool
    /// Of a run: the set of columns that its history has, by number, and what it comes to in fewer.
    var shape: Int
    var narrowed: [Narrowed]
  }

  /// A run as a history with fewer columns would have it.
  struct Narrowed {
    /// The set of columns, by number.
    var shape: Int
    var hash: Hash256
  }

  /// What else is to be known of a record.
  struct Setting {
    var isDefault: Bool
    var shape = 0
    var narrowed: [Narrowed] = []
  }

  /// Takes the next record; they are numbered from 0 in the order in which they come.
  mutating func insert(
    _ record: inout Record, _ hash: Hash256, store: Int, _ setting: Setting
  ) throws {
    key.removeAll()
    key.append(record.hasValueID ? 2 : 1)
    key.append(record.kind.word)
    key.append(0x3A)
    // A record in a scope is known by that where it has no id of its own; tasks are not.
    let hasID = record.appendID(to: &key) || (!record.scope.isEmpty && record.kind != .task)
    if !hasID {
      // What has no id is known by its content: as often as it occurs, it is there.
      key.removeAll()
      key.append(0)
      key.append(hash)
    }
    payload.removeAll()
    for word in [store, count, record.place.file, record.place.line, record.place.offset] {
      payload.append(word: word)
    }
    payload.append(hash)
    let updated = record.updated
    payload.append(updated == nil ? 0 : 1)
    payload.append(word: updated?.seconds ?? 0)
    payload.append(word: updated?.nanoseconds ?? 0)
    let rest = comparesRests ? record.hashWithoutObservations() : nil
    payload.append(rest == nil ? 0 : 1)
    payload.append(rest ?? hash)
    payload.append(UInt8(record.kind.rank))
    payload.append(setting.isDefault ? 1 : 0)
    payload.append(word: setting.shape)
    for part in setting.narrowed {
      payload.append(word: part.shape)
      payload.append(part.hash)
    }
    let (name, text) = (key, payload)
    try sorter.insert(key: name.span, payload: text.span)
    count += 1
  }

  /// What records with one id, or without any and of one content, come to.
  struct Group {
    /// `kind:id`; nil for records without an id.
    var label: [UInt8]?
    /// The first record of each content, in the order in which they came.
    var versions: [Entry] = []
    /// Records that say what one before says.
    var duplicates = 0
    /// Of records without an id, those that are wanted besides the first: of each store as many
    /// as it has.
    var repeated: [Int] = []
    /// Leaves out runs of which another one says the same in their columns, and more in those that
    /// their history lacks.
    mutating func dropNarrower() {
      guard versions.contains(where: { !$0.narrowed.isEmpty }) else { return }
      let all = versions
      versions.removeAll { version in
        all.contains { other in
          other.narrowed.contains { $0.shape == version.shape && $0.hash == version.hash }
        }
      }
      duplicates += all.count - versions.count
    }

    private var store = -1
    private var countInStore = 0
    private var most = 0

    init(label: [UInt8]?) { self.label = label }

    mutating func add(_ entry: Entry) {
      guard label == nil else {
        if let known = versions.firstIndex(where: { $0.hash == entry.hash }) {
          duplicates += 1
          // Of a store that has it in several contexts, the default one keeps it.
          let replaces =
            entry.store == versions[known].store && entry.isDefault && !versions[known].isDefault
          let fuller = versions[known].narrowed.count < entry.narrowed.count ? entry : nil
          if replaces { versions[known] = entry }
          if let fuller {
            versions[known].shape = fuller.shape
            versions[known].narrowed = fuller.narrowed
          }
        } else {
          versions.append(entry)
        }
        return
      }
      if entry.store != store { (store, countInStore) = (entry.store, 0) }
      countInStore += 1
      if countInStore <= most {
        duplicates += 1
      } else {
        most = countInStore
        if versions.isEmpty { versions.append(entry) } else { repeated.append(entry.ordinal) }
      }
    }
  }

  /// Hands out what there is of each id.
  consuming func drain(_ take: (Group) throws -> Void) throws {
    func body(_ group: Group) throws {
      var group = group
      group.dropNarrower()
      try take(group)
    }
    var current: [UInt8] = []
    var group = Group(label: nil)
    try sorter.drain { key, text in
      if !key.isEqual(to: current.span) {
        if !current.isEmpty { try body(group) }
        current = (0..<key.count).map { key[$0] }
        group = Group(label: current[0] > 0 ? Array(current.dropFirst()) : nil)
      }
      group.add(Self.entry(text))
    }
    if !current.isEmpty { try body(group) }
  }

  private static func entry(_ text: Span<UInt8>) -> Entry {
    func word(_ at: Int) -> Int { Int(truncatingIfNeeded: text.word(at: at)) }
    let isTimed = text[72] == 1
    return Entry(
      kind: RecordKind.allCases.first { $0.rank == Int(text[122]) } ?? .document, store: word(0),
      ordinal: word(8), hash: Hash256(text, at: 40),
      rest: text[89] == 1 ? Hash256(text, at: 90) : nil,
      updated: isTimed ? ISOTime(seconds: word(73), nanoseconds: word(81)) : nil,
      file: word(16), line: word(24), offset: word(32), isDefault: text[123] == 1,
      shape: word(124),
      narrowed: stride(from: 132, to: text.count, by: 40).map {
        Narrowed(shape: word($0), hash: Hash256(text, at: $0 + 8))
      })
  }
}

extension ByteBuffer {
  /// Appends the eight bytes of a number, the lowest first, as `Span.word` reads them.
  mutating func append(word: Int) {
    for shift in stride(from: 0, to: 64, by: 8) {
      append(UInt8(truncatingIfNeeded: word >> shift))
    }
  }

  mutating func append(_ hash: Hash256) {
    for word in [hash.a, hash.b, hash.c, hash.d] { append(word: Int(truncatingIfNeeded: word)) }
  }

  /// Appends the eight bytes of a number, the highest first, so that they sort.
  mutating func append(key: Int) {
    for shift in stride(from: 56, through: 0, by: -8) {
      append(UInt8(truncatingIfNeeded: key >> shift))
    }
  }
}

extension Hash256 {
  /// Reads what `ByteBuffer.append` wrote.
  init(_ text: Span<UInt8>, at start: Int) {
    self.init(
      a: text.word(at: start), b: text.word(at: start + 8), c: text.word(at: start + 16),
      d: text.word(at: start + 24))
  }
}
