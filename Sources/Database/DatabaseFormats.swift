import Disk
import Records
import Stores

extension StoreFormat {
  /// The kinds of this room, in the order in which detection asks them, before those of files.
  package static let databaseFormats: [StoreFormat] = [.runHistory, .sqlite]
}
