import Disk
import LosslessJSON
import Records
import Stores
import SystemPackage

/// A file of JSON or JSONL that is written to: as it was last seen, and read anew when it has
/// changed. One owner.
final class TextFile {
  let path: FilePath
  private let format: StoreFormat
  private let context: [UInt8]
  private var store: TextStore?
  /// The file that `store` was read from. Held open, so that no other takes its number.
  private var seen: InputFile?
  private var facts: FileFacts?
  private let now: @Sendable () -> Double
  /// Whether what killed writers left beside it has been cleared up.
  private var isCleared = false

  init(
    _ path: FilePath, as format: StoreFormat, context: [UInt8] = [],
    now: @escaping @Sendable () -> Double
  ) {
    self.path = path
    self.format = format
    self.context = context
    self.now = now
  }

  /// The store as it is now; a file that is not there has no records.
  func current() throws -> TextStore {
    let there = try FileFacts(at: path)
    if let store, there == facts { return store }
    guard there != nil else {
      return try take(TextStore(Self.empty(format), as: format, path: path, context: context))
    }
    let file = try InputFile(opening: path)
    let facts = try file.facts()
    let bytes = try Disk.contents(of: file)
    // A writer that rewrites the file in place may be in the middle of it: what is torn is a
    // finding until it is done.
    var grown = store
    store = nil
    let isSame = facts.inode == self.facts?.inode && facts.device == self.facts?.device
    let next =
      if isSame, try grown?.grow(to: bytes) ?? false, let grown {
        grown
      } else {
        try TextStore(bytes, as: format, path: path, context: context)
      }
    store = next
    self.facts = facts
    seen = consume file
    return next
  }

  private func take(_ store: TextStore) -> TextStore {
    self.store = store
    facts = nil
    seen = nil
    return store
  }

  /// The text of a store without records.
  private static func empty(_ format: StoreFormat) -> ByteBuffer {
    switch format.name {
    case StoreFormat.intentSnapshot.name:
      return ByteBuffer(
        """
        {
          "intents": {},
          "edges": [],
          "version": "1.1",
          "timestamp": 0,
          "manifest": null,
          "rtfs": null
        }
        """)
    case StoreFormat.taskList.name: return ByteBuffer("{}")
    default: return ByteBuffer()
    }
  }

  /// What a change comes to, not written yet: a failure up to here has changed nothing.
  enum Staged {
    case addition(TextStore.Addition)
    case whole(TextStore)
  }

  /// Nil where all is as it is to be.
  func staged(_ changes: [Change]) throws -> Staged? {
    var next = try current()
    if facts != nil, next.bytes.count > 0, let addition = next.addition(for: changes) {
      return .addition(addition)
    }
    let old = next.bytes
    try next.apply(changes, now: Int(now()))
    let new = next.bytes
    if new.span.isEqual(to: old.span), facts != nil { return nil }
    return .whole(next)
  }

  /// Writes what has been staged. The caller holds the lock, and nothing has been read since.
  func publish(_ staged: Staged) throws {
    switch staged {
    case .addition(let addition):
      guard let facts else { return }
      self.facts = try Disk.append(addition.bytes.span, to: path, knownAs: facts)
      // In its place: a copy would take as long as the file is.
      store?.add(addition)
    case .whole(let next):
      if !isCleared { try Disk.clearLeftovers(of: path) }
      isCleared = true
      var output = try OutputFile(for: path, mode: facts?.mode ?? 0o600)
      let bytes = next.bytes
      try output.write(bytes.span)
      let file = try output.reopen()
      // A program that knows nothing of our lock may have saved meanwhile: what it did stays.
      guard try FileFacts(at: path) == facts else {
        throw DiskError(
          .changed, "was changed meanwhile, and is left as it is", path: path,
          hint: "another program writes to it without its lock; run it again")
      }
      try output.publish()
      facts = try file.facts()
      seen = consume file
      store = next
    }
  }

  /// The bytes on the disk, to be put back by `revert`; nil where there is no file.
  var saved: TextStore? { facts == nil ? nil : store }

  /// Puts back what was there before a `publish`, because the rest of its change has failed.
  func revert(to old: TextStore?) throws {
    guard let old else {
      try Disk.remove(path)
      store = nil
      facts = nil
      seen = nil
      return
    }
    try publish(.whole(old))
  }
}
