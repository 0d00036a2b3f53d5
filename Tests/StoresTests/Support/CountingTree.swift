import Disk
import LosslessJSON
import Records
import Stores

/// A tree that counts how often each file is opened, and how often a head is looked at.
final class CountingTree: StoreTree {
  private let base: DiskTree
  private(set) var opened: [Int: Int] = [:]
  private(set) var heads = 0

  init(_ base: DiskTree) { self.base = base }

  var files: [StoreFile] { base.files }
  var isSingleFile: Bool { base.isSingleFile }
  var notes: [Finding] { base.notes }
  func displayPath(_ index: Int) -> String { base.displayPath(index) }
  func open(_ index: Int) throws -> ByteStream {
    opened[index, default: 0] += 1
    return try base.open(index)
  }
  func head(_ index: Int, limit: Int) throws -> ByteBuffer {
    heads += 1
    return try base.head(index, limit: limit)
  }
}
