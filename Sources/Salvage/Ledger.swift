/// What became of a stretch of an input.
package enum Fate: String, Sendable, CaseIterable {
  case recovered, irregular, repaired, insignificant, quarantined
}

/// A stretch of an input and what became of it.
package struct LedgerRange: Sendable, Equatable {
  /// Bytes, counted from the start of the input.
  package var offset: Int
  package var length: Int
  package var fate: Fate
  /// Records in it.
  package var records = 0
  /// Of `length`, the bytes between and around the records that mean nothing: white space,
  /// separators, marks.
  package var insignificant = 0
  /// Line that it starts on, counted from 1; nil where lines mean nothing.
  package var line: Int?
  package var shape: DamageShape?
  package var reason: String?
  /// Where in the output directory its bytes were put.
  package var file: String?
  /// What was made of it by request, where that was done.
  package var repair: Mending?

  /// What was done to make a record of damaged bytes, and the file that holds the record.
  package struct Mending: Sendable, Equatable {
    package var done: String
    package var file: String
  }

  package init(
    offset: Int, length: Int, fate: Fate, records: Int = 0, line: Int? = nil,
    shape: DamageShape? = nil, reason: String? = nil, file: String? = nil
  ) {
    self.offset = offset
    self.length = length
    self.fate = fate
    self.records = records
    self.line = line
    self.shape = shape
    self.reason = reason
    self.file = file
    if fate == .insignificant { insignificant = length }
  }

  package var end: Int { offset + length }
}

/// The account of one input: every byte of it belongs to exactly one range.
package struct InputAccount: Sendable {
  package struct Tally: Sendable, Equatable {
    package var records = 0
    package var bytes = 0
    package var ranges = 0

    package init(records: Int = 0, bytes: Int = 0, ranges: Int = 0) {
      self.records = records
      self.bytes = bytes
      self.ranges = ranges
    }
  }

  /// Bytes accounted for so far.
  package private(set) var end = 0
  private var tallies: [Fate: Tally] = [:]

  package init() {}

  package subscript(fate: Fate) -> Tally { tallies[fate] ?? Tally() }

  /// Takes the range that comes next. Throws `account` where it leaves a gap or overlaps: such a
  /// salvage must not be believed.
  package mutating func add(_ range: LedgerRange) throws(SalvageError) {
    guard range.offset == end, range.length > 0, range.insignificant <= range.length else {
      throw SalvageError(
        .account, "the account of the bytes does not add up at \(end) and \(range.offset)",
        offset: range.offset, hint: "report this as a defect of holdfast; nothing was published")
    }
    end += range.length
    tallies[.insignificant, default: Tally()].bytes += range.insignificant
    guard range.fate != .insignificant else { return }
    tallies[range.fate, default: Tally()].bytes += range.length - range.insignificant
    tallies[range.fate, default: Tally()].records += range.records
    tallies[range.fate, default: Tally()].ranges += 1
  }

  /// Counts records that came out of bytes which themselves are in quarantine: a compressed part
  /// that was cut off gives what is in front of the cut.
  package mutating func credit(_ records: Int, _ fate: Fate = .recovered) {
    tallies[fate, default: Tally()].records += records
  }

  /// Throws `account` unless all `size` bytes are accounted for.
  package func close(size: Int) throws(SalvageError) {
    let sum = Fate.allCases.reduce(0) { $0 + self[$1].bytes }
    guard end == size, sum == size else {
      throw SalvageError(
        .account, "\(sum) of \(size) bytes are accounted for", offset: end,
        hint: "the input may have changed meanwhile; salvage a copy of it")
    }
  }
}
