import type { Transformation } from './dashboard.ts'
import { regularExpressionOf } from './field-config.ts'
import { listOf, numberOf, objectOf, textOf } from './json-access.ts'
import type { DataTable } from './series.ts'

/** The transformations that are done; a panel with another one says so. */
export const supportedTransformations: ReadonlySet<string> = new Set([
  'organize',
  'filterFieldsByName',
  'sortBy',
  'limit',
  'merge',
])

/** Runs a panel's transformations over its table, in order. */
export function transformTable(
  table: DataTable,
  transformations: readonly Transformation[],
): DataTable {
  let result = table
  for (const { id, options } of transformations) {
    if (id === 'organize') result = organize(result, options)
    else if (id === 'filterFieldsByName') result = filterFields(result, options)
    else if (id === 'sortBy') result = sort(result, options)
    else if (id === 'limit')
      result = takeRows(result, rowsOf(result).slice(0, numberOf(options.limitField) ?? 10))
  }
  return result
}

function organize(table: DataTable, options: Transformation['options']): DataTable {
  const excluded = objectOf(options.excludeByName)
  const order = objectOf(options.indexByName)
  const renamed = objectOf(options.renameByName)
  const columns = table.columns
    .filter((column) => excluded[column.name] !== true)
    .map((column, index) => ({ column, place: numberOf(order[column.name]) ?? 1_000 + index }))
    .sort((a, b) => a.place - b.place)
    .map(({ column }) => ({ ...column, name: textOf(renamed[column.name]) || column.name }))
  return { columns }
}

function filterFields(table: DataTable, options: Transformation['options']): DataTable {
  const test = (rule: unknown): ((name: string) => boolean) | undefined => {
    const { names, pattern } = objectOf(rule)
    const expression = textOf(pattern) === '' ? undefined : regularExpressionOf(textOf(pattern))
    const list = listOf(names)
    if (list.length === 0 && !expression) return undefined
    return (name) => list.includes(name) || (expression?.test(name) ?? false)
  }
  const include = test(options.include)
  const exclude = test(options.exclude)
  return {
    columns: table.columns.filter(
      ({ name }) => (include?.(name) ?? true) && !(exclude?.(name) ?? false),
    ),
  }
}

function sort(table: DataTable, options: Transformation['options']): DataTable {
  const [first] = listOf(options.sort).map(objectOf)
  const column = table.columns.find(({ name }) => name === textOf(first?.field))
  if (!first || !column) return table
  const sign = first.desc === true ? -1 : 1
  const rows = rowsOf(table).sort((a, b) => sign * compareCells(column.values[a], column.values[b]))
  return takeRows(table, rows)
}

/** Orders cells: empty ones last, numbers by size, texts by the alphabet. */
export function compareCells(a: unknown, b: unknown): number {
  const aEmpty = a === null || a === undefined
  const bEmpty = b === null || b === undefined
  if (aEmpty || bEmpty) return Number(aEmpty) - Number(bEmpty)
  if (typeof a === 'number' && typeof b === 'number') return a - b
  return String(a).localeCompare(String(b), undefined, { numeric: true })
}

/** The numbers of a table's rows. */
export function rowsOf(table: DataTable): number[] {
  return Array.from({ length: table.columns[0]?.values.length ?? 0 }, (_, row) => row)
}

function takeRows(table: DataTable, rows: readonly number[]): DataTable {
  return {
    columns: table.columns.map((column) => ({
      ...column,
      values: rows.map((row) => column.values[row]),
    })),
  }
}
