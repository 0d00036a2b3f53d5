import Testing

/// The help of the program and what the documents say of it.
struct HelpTests {
  /// In the order of the program's own help, which is that of the documents.
  static let verbs: [String] = {
    guard let text = try? Shell().run("holdfast --help").output else { return [] }
    let lines = text.split(separator: "\n").drop { $0 != "SUBCOMMANDS:" }.dropFirst()
    return lines.filter { $0.hasPrefix("  ") && !$0.hasPrefix("   ") }
      .compactMap { $0.split(separator: " ").first.map(String.init) }.filter { $0 != "See" }
  }()

  private func help(_ words: String) throws -> String {
    let outcome = try Shell().run("holdfast \(words) --help")
    #expect(outcome.status == 0)
    #expect(outcome.errors.isEmpty)
    return outcome.output
  }

  /// Words such as `--quiet` in a text, without what follows an equals sign.
  private func options(in text: String) -> Set<String> {
    var found: Set<String> = []
    for word in text.split(whereSeparator: { " \n[](){}|,;`'\"…/=".contains($0) })
    where word.hasPrefix("--") && word.count > 2 {
      found.insert(String(word.prefix { $0 == "-" || $0.isLetter || $0.isNumber }))
    }
    return found
  }

  @Test func theVerbsAreThese() throws {
    #expect(Self.verbs.count > 15)
    let rows = try Markdown("README.md").rows(under: "Commands").compactMap(\.first)
    let told = rows.compactMap { $0.split(whereSeparator: { "` ".contains($0) }).first }
    #expect(told.map(String.init).filter { Int($0) == nil } == Self.verbs)
    let documented = try Markdown("docs/cli.md").blocks("text").map(\.heading)
    #expect(documented == ["holdfast"] + Self.verbs.map { "holdfast \($0)" })
  }

  @Test(arguments: [""] + verbs)
  func helpTextsAreThoseOfTheProgram(_ verb: String) throws {
    let heading = verb.isEmpty ? "holdfast" : "holdfast \(verb)"
    let blocks = try Markdown("docs/cli.md").blocks("text").filter { $0.heading == heading }
    #expect(blocks.count == 1)
    let told = try #require(blocks.first).text
    let text = try help(verb)
    #expect(told == text.drop(lastNewlines: true))
  }

  @Test func exitCodesAreThoseOfTheHelp() throws {
    let lines = try help("").split(separator: "\n", omittingEmptySubsequences: false)
    let start = try #require(lines.firstIndex(of: "EXIT CODES"))
    let codes = lines[(start + 1)...].prefix { !$0.isEmpty }.map { line in
      let words = line.split(separator: " ", maxSplits: 1)
      return [String(words[0]), String(words[1].drop { $0 == " " })]
    }
    #expect(codes.count > 5)
    let rows = try Markdown("README.md").rows(under: "Commands").filter { Int($0[0]) != nil }
    #expect(rows == codes)
  }

  /// In running text every option must be one of some verb; in a command, one of that verb.
  @Test(arguments: ["README.md", "CHANGELOG.md", "docs/cli.md", "docs/format.md", "docs/stores.md"])
  func optionsExist(_ path: String) throws {
    var known: [String: Set<String>] = [:]
    for verb in Self.verbs { known[verb] = options(in: try help(verb)) }
    let all = known.values.reduce(into: Set(["--version"])) { $0.formUnion($1) }
    let text = try Markdown(path)
    for code in text.codes where !["tar ", "swift "].contains(where: code.hasPrefix) {
      #expect(options(in: code).subtracting(all).isEmpty, "\(path): \(code)")
    }
    for block in text.blocks where block.info.hasPrefix("sh") || block.info == "text" {
      for line in block.text.split(separator: "\n") {
        let commands = line.split(separator: "holdfast ", omittingEmptySubsequences: false)
        for command in commands.dropFirst() {
          guard let verb = command.split(separator: " ").first, let options = known[String(verb)]
          else { continue }
          let used = self.options(in: String(command))
          #expect(used.subtracting(options).isEmpty, "\(path): holdfast \(command)")
        }
      }
    }
  }

  /// What follows `holdfast` in a command is a verb.
  @Test(arguments: Checkout.documents)
  func commandsExist(_ path: String) throws {
    for block in try Markdown(path).blocks where block.info.hasPrefix("sh") {
      for line in block.text.split(separator: "\n") {
        let words = line.split(separator: " ")
        for (index, word) in words.enumerated()
        where word == "holdfast" || word.hasSuffix("/bin/holdfast") {
          let verb = index + 1 < words.count ? String(words[index + 1]) : ""
          #expect(Self.verbs.contains(verb), "\(path): \(line)")
        }
      }
    }
  }
}

extension String {
  /// With one line feed at the end instead of several.
  func drop(lastNewlines: Bool) -> String {
    var text = self
    while text.hasSuffix("\n\n") { text.removeLast() }
    return text
  }
}
