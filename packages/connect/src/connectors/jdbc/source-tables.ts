import { type TableName, tableText } from './database.ts'
import type { SourceOptions } from './source-options.ts'

/** The tables that the options ask for; a name may be written with its schema or without. */
export function chooseTables(
  tables: readonly TableName[],
  options: Pick<SourceOptions, 'table.whitelist' | 'table.blacklist' | 'schema.pattern'>,
): TableName[] {
  const whitelist = options['table.whitelist']
  const blacklist = options['table.blacklist']
  const pattern = options['schema.pattern']
  const schema = pattern === undefined ? undefined : likePattern(pattern)
  return tables.filter((table) => {
    if (schema && !schema.test(table.schema ?? '')) return false
    const isNamed = (names: readonly string[]): boolean =>
      names.some(
        (name) =>
          name === table.name || name === tableText(table) || name.endsWith(`.${tableText(table)}`),
      )
    return (whitelist.length === 0 || isNamed(whitelist)) && !isNamed(blacklist)
  })
}

function likePattern(pattern: string): RegExp {
  const source = pattern
    .replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')
    .replaceAll('%', '.*')
    .replaceAll('_', '.')
  return new RegExp(`^${source}$`, 'u')
}
