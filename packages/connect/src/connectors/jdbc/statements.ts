import type { Schema } from '../../data/schema.ts'
import type { Dialect, TableName } from './database.ts'

/** What the sink writes, in SQL. Names are quoted where `isQuoted`. */
export class Statements {
  readonly #dialect: Dialect
  readonly #isQuoted: boolean

  constructor(dialect: Dialect, isQuoted: boolean) {
    this.#dialect = dialect
    this.#isQuoted = isQuoted
  }

  name(name: string): string {
    return this.#isQuoted ? this.#dialect.quote(name) : name
  }

  table({ schema, name }: TableName): string {
    return schema === undefined ? this.name(name) : `${this.name(schema)}.${this.name(name)}`
  }

  create(
    table: TableName,
    columns: readonly { readonly name: string; readonly schema: Schema }[],
    keys: readonly string[],
  ): string {
    const lines = columns.map(
      ({ name, schema }) =>
        `${this.name(name)} ${this.#dialect.typeOf(schema)}${schema.optional && !keys.includes(name) ? ' NULL' : ' NOT NULL'}`,
    )
    if (keys.length > 0) lines.push(`PRIMARY KEY(${keys.map((key) => this.name(key)).join(',')})`)
    return `CREATE TABLE ${this.table(table)} (\n${lines.join(',\n')})`
  }

  addColumn(table: TableName, name: string, schema: Schema): string {
    return `ALTER TABLE ${this.table(table)} ADD ${this.name(name)} ${this.#dialect.typeOf(schema)} NULL`
  }

  insert(table: TableName, columns: readonly string[], rowCount: number): string {
    const rows = Array.from(
      { length: rowCount },
      (_item, row) =>
        `(${columns.map((_name, index) => this.#dialect.parameter(row * columns.length + index + 1)).join(',')})`,
    )
    return `INSERT INTO ${this.table(table)}(${this.#list(columns)}) VALUES ${rows.join(',')}`
  }

  /** What is there under the same key is changed; other columns of it stay. */
  upsert(
    table: TableName,
    keys: readonly string[],
    columns: readonly string[],
    rowCount: number,
  ): string {
    const others = columns.filter((name) => !keys.includes(name))
    const action =
      others.length === 0
        ? 'NOTHING'
        : `UPDATE SET ${others.map((name) => `${this.name(name)}=EXCLUDED.${this.name(name)}`).join(',')}`
    return `${this.insert(table, columns, rowCount)} ON CONFLICT (${this.#list(keys)}) DO ${action}`
  }

  /** Parameters are the other columns, then the keys. */
  update(table: TableName, keys: readonly string[], others: readonly string[]): string {
    const sets = others.map(
      (name, index) => `${this.name(name)} = ${this.#dialect.parameter(index + 1)}`,
    )
    return `UPDATE ${this.table(table)} SET ${sets.join(', ')}${this.#where(keys, others.length)}`
  }

  delete(table: TableName, keys: readonly string[]): string {
    return `DELETE FROM ${this.table(table)}${this.#where(keys, 0)}`
  }

  #where(keys: readonly string[], before: number): string {
    const tests = keys.map(
      (name, index) => `${this.name(name)} = ${this.#dialect.parameter(before + index + 1)}`,
    )
    return ` WHERE ${tests.join(' AND ')}`
  }

  #list(names: readonly string[]): string {
    return names.map((name) => this.name(name)).join(',')
  }
}
