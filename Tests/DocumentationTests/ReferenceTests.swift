import Records
import Testing

/// What the documents point at is there.
struct ReferenceTests {
  @Test(arguments: Checkout.documents)
  func linksResolve(_ path: String) throws {
    let base = path.split(separator: "/").dropLast().map(String.init)
    for link in try Markdown(path).links where !link.hasPrefix("https://") {
      var parts = base
      for part in link.prefix(while: { $0 != "#" }).split(separator: "/") {
        if part == ".." { _ = parts.popLast() } else { parts.append(String(part)) }
      }
      #expect(Checkout.exists(parts.joined(separator: "/")), "\(path): \(link)")
    }
  }

  /// No path of some one machine: what is written down must hold on every one.
  @Test(arguments: Checkout.documents + ["Makefile", ".ci/run", "samples/demo.sh"])
  func noPathsOfOneMachine(_ path: String) throws {
    let text = try Checkout.read(path)
    for place in ["/root/", "/tmp/", "/home/", "/Users/"] {
      #expect(!text.contains(place), "\(path) names \(place)")
    }
  }

  /// Each guarantee names tests, in the form that `swift test --filter` takes, and those exist.
  @Test func guaranteesNameTests() throws {
    let rows = try Markdown("README.md").rows(under: "Guarantees")
    #expect(rows.count >= 8)
    // Lines such as `CommandLineTests/DigestTests.swift:func shapeMakesNoDifference`.
    let found = try Shell().run(
      "cd '\(Checkout.root)/Tests' && grep -roE --include='*.swift' '(func|struct) [A-Za-z0-9]+' *")
    var names: Set<String> = []
    for line in found.output.split(separator: "\n") {
      guard let target = line.split(separator: "/").first,
        let name = line.split(separator: " ").last
      else { continue }
      names.insert("\(target).\(name)")
    }
    var missing: [Substring] = []
    for row in rows {
      let tests = row[1].split(separator: "`").filter { $0.contains(".") }
      #expect(!tests.isEmpty, "\(row[0]) names no test")
      for test in tests {
        let parts = test.split(whereSeparator: { "./".contains($0) })
        let isThere =
          parts.count == 3 && parts.dropFirst().allSatisfy { names.contains("\(parts[0]).\($0)") }
        if !isThere { missing.append(test) }
      }
    }
    #expect(missing == [])
  }

  /// What is said of lines that no test runs is said of files and suites that are there.
  @Test func explainedFilesAreThere() throws {
    let names = try Shell().run("cd '\(Checkout.root)' && find Sources Tests -name '*.swift'")
    let known = Set(
      names.output.split(separator: "\n").compactMap { $0.split(separator: "/").last })
    let text = try Checkout.read("docs/coverage.md")
    let words = text.split { !$0.isLetter && !$0.isNumber && $0 != "." && $0 != "+" }
    let files = words.filter { $0.hasSuffix(".swift") }
    #expect(files.count > 40)
    #expect(files.filter { !known.contains($0) } == [])
    let suites = words.filter { $0.hasSuffix("Tests") && $0.count > 5 && $0 != "StorageTests" }
    #expect(suites.filter { !known.contains("\($0).swift") } == [])
  }

  /// The symbols that the catalogue of the library links to are public, with the labels that they are
  /// given there.
  @Test func symbolsAreThere() throws {
    let shell = try Shell()
    let links = try shell.run(
      "cd '\(Checkout.root)/Sources/Storage' && grep -rhoE '``[^`]+``' HoldfastStorage.docc | sort -u"
    )
    let declared = try shell.run(
      "cd '\(Checkout.root)/Sources/Storage' && grep -rhE --include='*.swift' '(public|case) ' .")
    let words = Set(declared.output.split { !$0.isLetter && !$0.isNumber && $0 != "_" })
    var missing: [Substring] = []
    let all = links.output.split(separator: "\n")
    for link in all {
      let name = link.filter { $0 != "`" }
      // The module itself is declared nowhere.
      let parts = name.split(whereSeparator: { "/(:)".contains($0) }).filter { $0 != "_" }
      if name != "HoldfastStorage", !words.isSuperset(of: parts) { missing.append(link) }
    }
    #expect(all.count > 20 && missing == [])
  }

  /// The codes in the tables of findings are those that there are.
  @Test func findingsAreAllDescribed() throws {
    let text = try Markdown("docs/stores.md")
    let told = ["Bytes", "Records", "Files of a store", "Backups"].flatMap {
      text.rows(under: $0).map { $0[0].filter { $0 != "`" } }
    }
    #expect(Set(told).count == told.count)
    #expect(Set(told) == Set(Finding.Code.allCases.map(\.rawValue)))
  }

  @Test func targetsOfTheMakefileExist() throws {
    let targets = Set(
      try Checkout.read("Makefile").split(separator: "\n").compactMap { line in
        line.contains(":.*##") || !line.contains(":") ? nil : line.split(separator: ":").first
      })
    for path in ["README.md", ".ci/run"] {
      for line in try Checkout.read(path).split(separator: "\n") {
        for call in line.split(separator: "make ", omittingEmptySubsequences: false).dropFirst()
        where line.hasPrefix("make ") || line.contains("`make ") {
          let target = call.prefix { $0.isLetter }
          #expect(targets.contains(target), "\(path): make \(target)")
        }
      }
    }
  }
}
