import Dispatch
import LosslessJSON
import Synchronization
import SystemPackage

/// Keyed entries in the form in which a sorter takes them. A value: made on any thread.
package struct RunEntries: Sendable {
  fileprivate var arena = ByteBuffer()
  fileprivate var slots: [Slot] = []

  /// The start of an entry in the arena, with the first 16 bytes of its key to sort by.
  fileprivate struct Slot: Sendable {
    var high: UInt64
    var low: UInt64
    var offset: UInt32
  }

  package init() {}

  package var count: Int { slots.count }

  /// Adds an entry. The key sorts bytewise.
  package mutating func insert(key: Span<UInt8>, payload: Span<UInt8>) {
    let (high, low) = Self.prefix(of: key)
    slots.append(Slot(high: high, low: low, offset: UInt32(truncatingIfNeeded: arena.count)))
    Entry.append(key: key, payload: payload, to: &arena)
  }

  package mutating func removeAll() {
    arena.removeAll()
    slots.removeAll(keepingCapacity: true)
  }

  fileprivate mutating func append(_ other: RunEntries) {
    let start = UInt32(truncatingIfNeeded: arena.count)
    arena.append(other.arena.span)
    for slot in other.slots {
      slots.append(Slot(high: slot.high, low: slot.low, offset: slot.offset &+ start))
    }
  }

  /// The first 16 bytes of a key as numbers that sort as they do; zeros where it is shorter.
  fileprivate static func prefix(of key: Span<UInt8>) -> (UInt64, UInt64) {
    (key.word(at: 0).byteSwapped, key.word(at: 8).byteSwapped)
  }

  fileprivate mutating func sort() {
    let bytes = arena
    slots.sort { a, b in
      if a.high != b.high { return a.high < b.high }
      if a.low != b.low { return a.low < b.low }
      let text = bytes.span
      let order = Entry.key(in: text, at: Int(a.offset))
        .compare(with: Entry.key(in: text, at: Int(b.offset)))
      return order != 0 ? order < 0 : a.offset < b.offset
    }
  }
}

/// Sorts any number of keyed entries in bounded memory: runs sorted in memory, spilled to a
/// nameless file, merged on the way out. Equal keys keep the order in which they came.
///
/// A run is sorted and spilled in the background while the next one fills.
package struct RunSorter: ~Copyable {
  /// Bytes of entries held before a run is spilled; twice that while one is on its way.
  private let runLimit: Int
  private let directory: FilePath
  private var lane: RunLane?
  private var run = RunEntries()
  package private(set) var count = 0

  /// - Parameter directory: where to spill; its file system must have room for all entries.
  package init(spillingTo directory: FilePath, runLimit: Int = 4 << 20) {
    self.directory = directory
    self.runLimit = runLimit
  }

  /// Adds an entry. The key sorts bytewise.
  package mutating func insert(key: Span<UInt8>, payload: Span<UInt8>) throws {
    try makeRoom(key.count + payload.count)
    run.insert(key: key, payload: payload)
    count += 1
  }

  /// Adds entries in their order.
  package mutating func append(_ entries: RunEntries) throws {
    try makeRoom(entries.arena.count)
    run.append(entries)
    count += entries.count
  }

  private mutating func makeRoom(_ extra: Int) throws {
    if run.arena.count + extra > runLimit, run.count > 0 { try spillRun() }
    // Doubling would overshoot the limit; a run that is not small gets all of its room at once.
    if run.arena.count > runLimit / 8 { run.arena.reserve(runLimit - run.arena.count) }
  }

  private mutating func spillRun() throws {
    let lane = try lane ?? RunLane(spill: SpillFile(in: directory))
    self.lane = lane
    run = try lane.spill(run)
  }

  /// Hands out all entries in key order; each is borrowed by `body` for the call.
  package consuming func drain(_ body: (Span<UInt8>, Span<UInt8>) throws -> Void) throws {
    guard lane != nil else {
      run.sort()
      for slot in run.slots {
        let text = run.arena.span
        try body(
          Entry.key(in: text, at: Int(slot.offset)), Entry.payload(in: text, at: Int(slot.offset)))
      }
      return
    }
    try spillRun()
    run = RunEntries()
    guard let (spill, runs) = try lane?.finish() else { return }
    var heads = try runs.map { try RunHead(reading: $0, of: spill) }
    var heap = RunHeap(&heads)
    while let top = heap.least {
      try heads[top].lend(body)
      let isOver = try heads[top].advance() == false
      heap.replaceLeast(isOver: isOver, &heads)
    }
  }
}

/// A binary heap of runs by the keys of their heads; ties go to the earlier run.
private struct RunHeap {
  /// A run and the first 16 bytes of its key, which settle nearly every comparison.
  private struct Item {
    var high: UInt64
    var low: UInt64
    var run: Int

    init(_ run: Int, _ head: borrowing RunHead) {
      (high, low) = head.keyPrefix
      self.run = run
    }
  }

  private var items: [Item]

  init(_ heads: inout [RunHead]) {
    items = heads.indices.map { Item($0, heads[$0]) }
    for start in stride(from: items.count / 2, through: 0, by: -1) where start < items.count {
      sink(start, &heads)
    }
  }

  /// The run whose head comes first; nil where none is left.
  var least: Int? { items.first?.run }

  /// To be called once the head of the first run has moved on, or the run is over.
  mutating func replaceLeast(isOver: Bool, _ heads: inout [RunHead]) {
    if isOver {
      items.swapAt(0, items.count - 1)
      items.removeLast()
    } else {
      items[0] = Item(items[0].run, heads[items[0].run])
    }
    if !items.isEmpty { sink(0, &heads) }
  }

  private mutating func sink(_ start: Int, _ heads: inout [RunHead]) {
    var at = start
    while true {
      var least = at
      for child in [2 * at + 1, 2 * at + 2] where child < items.count {
        if Self.precedes(items[child], items[least], &heads) { least = child }
      }
      if least == at { return }
      items.swapAt(at, least)
      at = least
    }
  }

  private static func precedes(_ a: Item, _ b: Item, _ heads: inout [RunHead]) -> Bool {
    if a.high != b.high { return a.high < b.high }
    if a.low != b.low { return a.low < b.low }
    let order = heads[a.run].compareKey(with: heads[b.run])
    return order != 0 ? order < 0 : a.run < b.run
  }
}

/// Sorts runs and writes them to the spill, one at a time, on a thread of its own.
private final class RunLane: Sendable {
  private struct State {
    var spill: SpillFile?
    var runs: [Range<Int>] = []
    /// The run before, emptied, for its memory.
    var spare = RunEntries()
    var failure: (any Error)?

    mutating func write(_ entries: RunEntries) {
      var run = entries
      run.sort()
      do {
        guard let spill else { return }
        let start = spill.count
        for slot in run.slots {
          try spill.append(Entry.whole(in: run.arena.span, at: Int(slot.offset)))
        }
        runs.append(start..<spill.count)
      } catch { failure = error }
      run.removeAll()
      spare = run
    }
  }

  private let state: Mutex<State>
  private let room = DispatchSemaphore(value: 1)

  init(spill: sending SpillFile) { state = Mutex(State(spill: spill)) }

  /// Takes a run to be spilled, once the one before has been; returns empty entries to fill.
  func spill(_ run: RunEntries) throws -> RunEntries {
    WorkPool.shared.wait(for: room)
    let spare = try state.withLock { state in
      if let failure = state.failure {
        room.signal()
        throw failure
      }
      let spare = state.spare
      state.spare = RunEntries()
      return spare
    }
    WorkPool.shared.submit {
      self.state.withLock { $0.write(run) }
      self.room.signal()
    }
    return spare
  }

  /// Waits for the last run. Returns the spill and where in it each run lies; call once.
  func finish() throws -> sending (SpillFile, [Range<Int>])? {
    WorkPool.shared.wait(for: room)
    defer { room.signal() }
    return try state.withLock { state in
      if let failure = state.failure { throw failure }
      state.spare = RunEntries()
      guard let spill = state.spill.take() else { return nil }
      return (spill, state.runs)
    }
  }
}

/// The form of an entry in memory and in the spill: two lengths of 4 bytes, key, payload.
private enum Entry {
  static func append(key: Span<UInt8>, payload: Span<UInt8>, to out: inout ByteBuffer) {
    let (upper, lower) = (UInt64(payload.count), UInt64(key.count))
    out.append(bytesOf: (upper << 32 | lower).littleEndian)
    out.append(key)
    out.append(payload)
  }

  static func length(_ text: Span<UInt8>, at: Int) -> Int {
    Int(text[at]) | Int(text[at + 1]) << 8 | Int(text[at + 2]) << 16 | Int(text[at + 3]) << 24
  }

  static func size(_ text: Span<UInt8>, at: Int) -> Int {
    8 + length(text, at: at) + length(text, at: at + 4)
  }

  @_lifetime(copy text)
  static func key(in text: Span<UInt8>, at: Int) -> Span<UInt8> {
    text.extracting(at + 8..<at + 8 + length(text, at: at))
  }

  @_lifetime(copy text)
  static func payload(in text: Span<UInt8>, at: Int) -> Span<UInt8> {
    let start = at + 8 + length(text, at: at)
    return text.extracting(start..<start + length(text, at: at + 4))
  }

  @_lifetime(copy text)
  static func whole(in text: Span<UInt8>, at: Int) -> Span<UInt8> {
    text.extracting(at..<at + size(text, at: at))
  }
}

/// The next entry of one spilled run.
private struct RunHead {
  private let spill: SpillFile
  private var next: Int
  private let end: Int
  private var window = ByteBuffer()
  private var at = 0

  init(reading range: Range<Int>, of spill: SpillFile) throws {
    self.spill = spill
    next = range.lowerBound
    end = range.upperBound
    try load()
  }

  /// Makes sure that a whole entry is in the window.
  private mutating func load() throws {
    while true {
      let held = window.count - at
      let needed = held < 8 ? 8 : Entry.size(window.span, at: at)
      if held >= needed || next == end { return }
      window.removeFirst(at)
      at = 0
      let step = min(max(32 << 10, needed - held), end - next)
      try spill.read(at: next, into: &window, count: step)
      next += step
    }
  }

  /// See `RunEntries.prefix`.
  var keyPrefix: (UInt64, UInt64) { RunEntries.prefix(of: Entry.key(in: window.span, at: at)) }

  func compareKey(with other: RunHead) -> Int {
    Entry.key(in: window.span, at: at).compare(with: Entry.key(in: other.window.span, at: other.at))
  }

  func lend(_ body: (Span<UInt8>, Span<UInt8>) throws -> Void) throws {
    try body(Entry.key(in: window.span, at: at), Entry.payload(in: window.span, at: at))
  }

  /// Moves to the next entry; false at the end of the run.
  mutating func advance() throws -> Bool {
    at += Entry.size(window.span, at: at)
    try load()
    return at < window.count
  }
}
