import type { TableView } from '../processors/table.ts'

/** @internal How to look up what a global table has. */
export let globalTableView: <K, V>(table: GlobalKTable<K, V>) => TableView

/**
 * A table that every instance has as a whole, whatever partitions it works on: for small tables that
 * streams are joined with by any key. It is read to its end before the application starts.
 */
export class GlobalKTable<K, V> {
  static {
    globalTableView = (table) => table.#view
  }

  /** The name by which the table's store can be asked, where it has one. */
  readonly queryableStoreName: string | undefined
  readonly #view: TableView
  /** Types alone tell tables of other keys and values apart. */
  declare readonly entryType?: (key: K, value: V) => readonly [K, V]

  /** @internal Comes from {@link StreamsBuilder.globalTable}. */
  constructor(view: TableView, queryableStoreName: string | undefined) {
    this.#view = view
    this.queryableStoreName = queryableStoreName
  }
}
