import type { ConnectValue, Schema } from '../../data/schema.ts'

/** A table, in a schema of the database where that has such. */
export interface TableName {
  readonly schema: string | undefined
  readonly name: string
}

export const tableText = ({ schema, name }: TableName): string =>
  schema === undefined ? name : `${schema}.${name}`

export interface TableColumn {
  readonly name: string
  readonly isNullable: boolean
}

/** A column of a result: what its values are in Connect, and how they are read. */
export interface ResultColumn {
  readonly name: string
  readonly schema: Schema
  read(raw: unknown): ConnectValue
}

/** Some rows of a result, in its order. */
export interface ResultPage {
  readonly columns: readonly ResultColumn[]
  readonly rows: readonly (readonly unknown[])[]
}

/** What can be bound to a parameter, as the driver takes it. */
export type Bound = string | number | bigint | Uint8Array | null

/** How one kind of database says things. */
export interface Dialect {
  quote(name: string): string
  /** The parameter of this number, from 1. */
  parameter(number: number): string
  /** The type of a column for a schema. @throws ConnectError `CONNECT_DATA` where there is none. */
  typeOf(schema: Schema): string
  bind(schema: Schema, value: ConnectValue): Bound
  /** The most rows that one INSERT with so many columns may have. */
  rowsMax(columnCount: number): number
}

/** How numbers with digits behind the point come (`numeric.mapping`). */
export type NumericMapping = 'none' | 'precision_only' | 'best_fit' | 'best_fit_eager_double'

/** One connection to a database; made with the first use and again after it was lost. */
export interface Database {
  readonly dialect: Dialect
  run(sql: string, values?: readonly Bound[]): Promise<void>
  /** Commits what `work` runs, all or nothing. */
  transaction(work: () => Promise<void>): Promise<void>
  /** Undefined where there is no such table. */
  columns(table: TableName): Promise<readonly TableColumn[] | undefined>
  /** Tables, and views where `types` has `VIEW`, by name. */
  tables(types: readonly string[]): Promise<readonly TableName[]>
  /** The database's own time, in ms since the epoch. */
  nowMs(): Promise<number>
  /** Reads a result page by page; `rowCount` rows at most are held. */
  pages(
    sql: string,
    values: readonly Bound[],
    rowCount: number,
    mapping: NumericMapping,
  ): AsyncGenerator<ResultPage>
  /** Whether an error may pass by itself: the database is away, busy or full. */
  isPassing(error: unknown): boolean
  /** Whether nothing will go on while it is so: a login that is refused. */
  isRefusal(error: unknown): boolean
  close(): Promise<void>
}
