import Records

/// What a store can be turned into: a kind, and for memory graphs one file or contexts. A value.
package struct StoreForm: Sendable {
  /// As in `--as`.
  package let name: String
  package let format: StoreFormat
  package let layout: WriteOptions.Layout

  /// Whether a store of this form is one file.
  package var isFile: Bool {
    layout != .contexts && format.name != StoreFormat.contentArchive.name
  }

  /// The word of `--as` for a memory graph as a directory of contexts.
  package static let contextsName = "contexts"
}

extension Array where Element == StoreFormat {
  /// The forms there are: each kind that is written as files, and `contexts`.
  package var forms: [StoreForm] {
    flatMap { format -> [StoreForm] in
      guard format.write != nil else { return [] }
      let form = StoreForm(name: format.name, format: format, layout: .oneFile)
      guard format.name == StoreFormat.memoryGraph.name else { return [form] }
      return [form, StoreForm(name: StoreForm.contextsName, format: format, layout: .contexts)]
    }
  }

  /// The form called `name`. Throws `unknownKind`, listing those there are.
  package func form(_ name: String) throws(StoreError) -> StoreForm {
    let all = forms
    if let form = all.first(where: { $0.name == name }) { return form }
    let isKind = contains { $0.name == name }
    throw StoreError(
      .unknownKind,
      isKind
        ? "stores of the kind \(name) are not written from single records"
        : "there is no kind of store called \(name)",
      hint: "use one of \(all.map(\.name).joined(separator: ", "))")
  }
}
