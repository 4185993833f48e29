import { ConnectError } from '../../errors.ts'
import { type Database, type TableName, tableText } from './database.ts'
import type { RowChange } from './sink-rows.ts'
import type { Statements } from './statements.ts'

/** The columns of the tables that are written to; what is missing is made where that is allowed. */
export class TableShapes {
  readonly #database: Database
  readonly #statements: Statements
  readonly #mayCreate: boolean
  readonly #mayEvolve: boolean
  readonly #columns = new Map<string, Set<string>>()

  constructor(
    database: Database,
    statements: Statements,
    may: { readonly create: boolean; readonly evolve: boolean },
  ) {
    this.#database = database
    this.#statements = statements
    this.#mayCreate = may.create
    this.#mayEvolve = may.evolve
  }

  /** Forgets what is known: somebody else may have changed it. */
  forget(): void {
    this.#columns.clear()
  }

  /** Sees to it that a table has the columns of a row. @throws ConnectError `CONNECT_DATA` */
  async ensure({ table, kind, keys, others }: RowChange): Promise<void> {
    const id = tableText(table)
    const cells = [...keys, ...others]
    const known = this.#columns.get(id)
    if (known && cells.every(({ name }) => known.has(name))) return
    let found = await this.#find(table)
    if (!found) {
      if (kind === 'delete') return
      if (!this.#mayCreate)
        throw new ConnectError(
          'CONNECT_DATA',
          `Table ${id} is missing and auto-creation is disabled`,
        )
      const names = keys.map(({ name }) => name)
      try {
        await this.#database.run(this.#statements.create(table, cells, names))
      } catch (error) {
        // Another task may have made it in this moment.
        if (!(await this.#find(table))) throw error
      }
      found = (await this.#find(table)) ?? new Set()
    }
    const missing = cells.filter(({ name }) => !found.has(name))
    if (missing.length > 0 && !this.#mayEvolve)
      throw new ConnectError(
        'CONNECT_DATA',
        `Table ${id} is missing fields ([${missing.map(({ name }) => name).join(', ')}]) and auto-evolution is disabled`,
      )
    for (const { name, schema } of missing) {
      if (!schema.optional && schema.default === undefined)
        throw new ConnectError(
          'CONNECT_DATA',
          `Cannot ALTER TABLE ${id} to add missing field ${name}, as the field is not optional and does not have a default value`,
        )
      await this.#database.run(this.#statements.addColumn(table, name, schema))
      found.add(name)
    }
    this.#columns.set(id, found)
  }

  async #find(table: TableName): Promise<Set<string> | undefined> {
    const columns = await this.#database.columns(table)
    return columns && new Set(columns.map(({ name }) => name))
  }
}
