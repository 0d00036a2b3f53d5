/// The parts of a Markdown text that can be checked.
struct Markdown {
  /// A block of code, with what stands behind its opening fence.
  struct Block {
    var info: String
    var heading: String
    var text: String
  }

  private(set) var blocks: [Block] = []
  /// The cells of each row of each table, head and rule left out, under their heading.
  private(set) var rows: [(heading: String, cells: [String])] = []
  /// The texts between backticks, outside blocks.
  private(set) var codes: [String] = []
  /// The targets of links, outside blocks.
  private(set) var links: [String] = []

  init(_ path: String) throws {
    var heading = ""
    var block: Block?
    var isTable = false
    for line in try Checkout.read(path).split(separator: "\n", omittingEmptySubsequences: false) {
      if line.hasPrefix("```") {
        if let done = block { blocks.append(done) }
        block =
          block == nil ? Block(info: String(line.dropFirst(3)), heading: heading, text: "") : nil
        continue
      }
      if block != nil {
        block?.text += line + "\n"
        continue
      }
      if line.hasPrefix("#") { heading = String(line.drop { $0 == "#" || $0 == " " }) }
      codes += Self.codes(in: line)
      links += Self.links(in: line)
      if !line.hasPrefix("|") {
        isTable = false
      } else if line.hasPrefix("|---") {
        isTable = true
      } else if isTable {
        rows.append((heading, Self.cells(of: line)))
      }
    }
  }

  private static func cells(of line: Substring) -> [String] {
    line.split(separator: "|", omittingEmptySubsequences: false).dropFirst().dropLast().map {
      String($0.drop { $0 == " " }.reversed().drop { $0 == " " }.reversed())
    }
  }

  private static func codes(in line: Substring) -> [String] {
    line.split(separator: "`", omittingEmptySubsequences: false).enumerated()
      .filter { $0.offset % 2 == 1 }.map { String($0.element) }
  }

  private static func links(in line: Substring) -> [String] {
    line.split(separator: "](", omittingEmptySubsequences: false).dropFirst()
      .map { String($0.prefix { $0 != ")" }) }
  }

  func blocks(_ info: String) -> [Block] { blocks.filter { $0.info == info } }

  func rows(under heading: String) -> [[String]] {
    rows.filter { $0.heading == heading }.map(\.cells)
  }
}
