import LosslessJSON

/// The words of some documents: each word once, and which of them stand where.
///
/// Words are what FTS5's `unicode61` makes of text. Of ASCII it makes runs of letters and digits, in
/// lower case; runs with anything else in them are left to the tokenizer itself.
package struct WordList {
  /// A document, and where its words are in `words`: those of the title, then those of the body.
  struct Document {
    var number: Int
    var start: Int
    var body: Int
  }

  /// The number of each word in turn, document by document.
  private(set) var words: [UInt32] = []
  private(set) var documents: [Document] = []
  /// The distinct words, one behind the other, and where each starts, with the end at last.
  private var letters = ByteBuffer()
  private var starts = [0]
  /// By hash, in open addressing: 32 bits of the hash, and the word's number from 1; 0 is free.
  private var slots = [UInt64](repeating: 0, count: 1 << 14)
  private let tokenizer: WordTokenizer
  private let wordLimit: Int

  /// What makes a list full: 12 MiB or so, with what sorting it takes.
  package static let wordLimit = 1 << 20
  private static let letterLimit = 4 << 20

  init(_ tokenizer: WordTokenizer, wordLimit: Int) {
    self.tokenizer = tokenizer
    self.wordLimit = wordLimit
  }

  var isFull: Bool { words.count >= wordLimit || letters.count >= Self.letterLimit }
  /// How many distinct words there are.
  var count: Int { starts.count - 1 }

  /// A distinct word.
  subscript(word: Int) -> Span<UInt8> {
    @_lifetime(borrow self)
    borrowing get { letters.span.extracting(starts[word]..<starts[word + 1]) }
  }

  /// Takes a document's title and body, UTF-8. Returns how many words each has.
  mutating func add(
    _ number: Int, title: Span<UInt8>, body: Span<UInt8>
  ) throws(DatabaseError) -> (title: Int, body: Int) {
    let start = words.count
    try add(title)
    let middle = words.count
    try add(body)
    documents.append(Document(number: number, start: start, body: middle))
    return (middle - start, words.count - middle)
  }

  /// For each byte: 0 where it ends a word, 255 where it is part of a character that is not ASCII,
  /// else the byte in lower case.
  private static let classes: [UInt8] = (0...255).map { byte in
    switch UInt8(byte) {
    case 0x30...0x39, 0x61...0x7A: UInt8(byte)
    case 0x41...0x5A: UInt8(byte) | 0x20
    case 0x80...0xFF: 255
    default: 0
    }
  }

  private static let hashStart: UInt32 = 2_166_136_261
  private static let hashFactor: UInt32 = 16_777_619

  private mutating func add(_ text: Span<UInt8>) throws(DatabaseError) {
    let table = Self.classes
    let classes = table.span
    var at = 0
    while at < text.count {
      if classes[Int(text[at])] == 0 {
        at += 1
        continue
      }
      let start = at
      let before = letters.count
      var hash = Self.hashStart
      var isPlain = true
      // Written where a new word would be.
      var writer = letters.writer(atMost: min(text.count - at, WordTokenizer.sizeLimit))
      while at < text.count {
        let byte = classes[Int(text[at])]
        if byte == 0 { break }
        if byte == 255 { isPlain = false }
        if at - start < WordTokenizer.sizeLimit {
          writer.append(byte)
          hash = (hash ^ UInt32(byte)) &* Self.hashFactor
        }
        at += 1
      }
      if isPlain {
        letters.commit(to: writer.end)
        take(before, hash)
      } else {
        try addUnusual(text.extracting(start..<at))
      }
    }
  }

  private mutating func addUnusual(_ text: Span<UInt8>) throws(DatabaseError) {
    try tokenizer.run(text)
    let tokens = tokenizer.tokens
    var start = 0
    for end in tokenizer.ends {
      let before = letters.count
      var hash = Self.hashStart
      for index in start..<end { hash = (hash ^ UInt32(tokens[index])) &* Self.hashFactor }
      letters.append(tokens.span.extracting(start..<end))
      take(before, hash)
      start = end
    }
  }

  /// Where in `slots` a word is looked for first.
  @inline(__always)
  private func slot(_ hash: UInt32) -> Int {
    Int((hash &* 0x9E37_79B1) >> 8) & (slots.count - 1)
  }

  /// Appends the number of the word that is in `letters` from `start` on, where it stays only if it
  /// has not been seen.
  @inline(__always)
  private mutating func take(_ start: Int, _ hash: UInt32) {
    let slot = find(start, hash)
    let entry = slots[slot]
    if entry != 0 {
      words.append(UInt32(truncatingIfNeeded: entry) - 1)
      letters.truncate(to: start)
      return
    }
    words.append(UInt32(count))
    starts.append(letters.count)
    slots[slot] = UInt64(hash) << 32 | UInt64(count)
    if count * 2 > slots.count { grow() }
  }

  /// The slot of the word that is in `letters` from `start` on, free if it has not been seen.
  @inline(__always)
  private func find(_ start: Int, _ hash: UInt32) -> Int {
    var slot = slot(hash)
    let letters = letters.span
    let word = letters.extracting(start..<letters.count)
    while true {
      let entry = slots[slot]
      if entry == 0 { return slot }
      if UInt32(truncatingIfNeeded: entry >> 32) == hash {
        let number = Int(entry & 0xFFFF_FFFF) - 1
        if letters.extracting(starts[number]..<starts[number + 1]).isEqual(to: word) { return slot }
      }
      slot = (slot + 1) & (slots.count - 1)
    }
  }

  private mutating func grow() {
    let old = slots
    slots = [UInt64](repeating: 0, count: old.count * 2)
    for entry in old where entry != 0 {
      var slot = slot(UInt32(truncatingIfNeeded: entry >> 32))
      while slots[slot] != 0 { slot = (slot + 1) & (slots.count - 1) }
      slots[slot] = entry
    }
  }

  /// The numbers of the distinct words, in their bytewise order.
  func sorted() -> [Int] {
    (0..<count).sorted { self[$0].compare(with: self[$1]) < 0 }
  }

  /// Forgets everything and keeps the memory.
  mutating func removeAll() {
    words.removeAll(keepingCapacity: true)
    documents.removeAll(keepingCapacity: true)
    letters.removeAll()
    starts.removeAll(keepingCapacity: true)
    starts.append(0)
    slots = [UInt64](repeating: 0, count: slots.count)
  }
}
