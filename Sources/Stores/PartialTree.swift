import Disk
import LosslessJSON
import Records

/// Some files of a store.
package final class PartialTree: StoreTree {
  package let base: any StoreTree
  /// For each file, its place in `base`.
  package let places: [Int]
  package let files: [StoreFile]
  package let isSingleFile: Bool

  /// - Parameter isSingleFile: whether what is left counts as a store of one file.
  package init(
    _ base: any StoreTree, isSingleFile: Bool = false, including: (StoreFile) -> Bool
  ) {
    self.base = base
    self.isSingleFile = isSingleFile
    places = base.files.indices.filter { including(base.files[$0]) }
    files = places.map { base.files[$0] }
  }

  package var notes: [Finding] { base.notes }
  package func displayPath(_ index: Int) -> String { base.displayPath(places[index]) }
  package func open(_ index: Int) throws -> ByteStream { try base.open(places[index]) }
  package func head(_ index: Int, limit: Int) throws -> ByteBuffer {
    try base.head(places[index], limit: limit)
  }
  package func place(_ index: Int) throws -> FilePlace { try base.place(places[index]) }
}
