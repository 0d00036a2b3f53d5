import ArgumentParser
import Disk
import LosslessJSON
import Migration
import Records
import Stores
import SystemPackage

struct SearchCommand: Verb {
  static let verb = "search"
  static let onlyReads = true
  static let configuration = CommandConfiguration(
    commandName: "search",
    abstract: "Find the records that have all of some words.",
    discussion: """
      In a migrated database by its full-text index, over names, goals, observations, titles, \
      descriptions and objectives, the best first; in any other store or backup by reading it, over \
      every text, in the order of the store. Capital and small letters are the same. --kind also \
      takes a kind of record, entity or intent say, to look among those alone.

      \(ExitStatus.help([.findings, .notFound, .refused]))
      """)

  @Argument(
    help: ArgumentHelp(
      "A store, a migrated database or a backup. Where only one word follows the verb, it is what is "
        + "looked for. \(RoutedStore.help)"), completion: .file())
  var store: String?

  @Argument(help: "Words; a record must have all of them.")
  var words: [String] = []

  @Option(name: .long, help: ArgumentHelp("At most so many records.", valueName: "n"))
  var limit: Int = 20

  @OptionGroup var reading: ReadingOptions
  @OptionGroup var shared: SharedOptions

  mutating func validate() throws {
    if words.isEmpty, let word = store, try FileFacts(at: FilePath(word)) == nil {
      (store, words) = (nil, [word])
    }
    guard limit > 0 else { throw ValidationError("--limit is a number from 1") }
    guard words.contains(where: { $0.contains { !$0.isWhitespace } }) else {
      throw ValidationError("name at least one word")
    }
  }

  func perform(_ console: Console) throws -> ExitStatus {
    let kind = shared.kind.flatMap(RecordKind.init(rawValue:))
    let opened = try reading.open(RoutedStore.name(store), kind: kind == nil ? shared.kind : nil)
    let search = Search(words.joined(separator: " "), kind: kind, limit: limit)
    let (hits, log) = try search.run(opened, options: reading.options())
    console.json(Self.verb) { root in
      root.key("hits")
      root.array(of: hits) { list, hit in
        list.object {
          $0.member("record", "\(hit.kind.rawValue):\(hit.id)")
          $0.member("file", hit.file)
          $0.member("line", ifPresent: hit.line)
          $0.member("excerpt", hit.excerpt)
        }
      }
    }
    for hit in hits {
      let place = hit.line.map { "\(hit.file):\($0)" } ?? hit.file
      console.result(printable("\(hit.kind.rawValue):\(hit.id)  (\(place))"))
      let lines = hit.excerpt.split(separator: "\n").joined(separator: " | ")
      console.result("    \(printable(lines))")
    }
    guard log.errors > 0 else { return .done }
    console.failure(FindingsReport.headline(log))
    return .findings
  }
}
