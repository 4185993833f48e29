import type { Document } from 'mongodb'

// Fields are named by their paths: `a.b`; `*` stands for one name, `**` for any number of them.

/** Takes away all but these fields, and what leads to them. `_id` stays. */
export function allowOnly(fields: readonly string[]): (document: Document) => void {
  const allowed = fields.flatMap(prefixesOf).map(patternOf)
  const whole = fields.filter((field) => field.endsWith('**')).map(patternOf)
  const project = (document: Document, prefix: string): void => {
    for (const [name, value] of Object.entries(document)) {
      const path = prefix === '' ? name : `${prefix}.${name}`
      if (path === '_id' || whole.some((pattern) => pattern.test(`${path}.x`))) continue
      if (!allowed.some((pattern) => pattern.test(path))) delete document[name]
      else for (const inner of documentsIn(value)) project(inner, path)
    }
  }
  return (document) => project(document, '')
}

/** Takes these fields away. `_id` stays. */
export function block(fields: readonly string[]): (document: Document) => void {
  const blocked = fields.map(patternOf)
  const project = (document: Document, prefix: string): void => {
    for (const [name, value] of Object.entries(document)) {
      const path = prefix === '' ? name : `${prefix}.${name}`
      if (path === '_id') continue
      if (blocked.some((pattern) => pattern.test(path))) delete document[name]
      else for (const inner of documentsIn(value)) project(inner, path)
    }
  }
  return (document) => project(document, '')
}

function prefixesOf(field: string): string[] {
  const names = field.split('.')
  return names.map((_name, index) => names.slice(0, index + 1).join('.'))
}

function patternOf(field: string): RegExp {
  const source = field
    .split('.')
    .map((name) =>
      name === '**'
        ? '.+'
        : name === '*'
          ? '[^.]+'
          : name.replaceAll(/[$()*+?.[\]\\^{|}]/g, '\\$&'),
    )
    .join('\\.')
  return new RegExp(`^${source}$`, 'u')
}

/** The value itself, or those in a list. */
function documentsIn(value: unknown): Document[] {
  const list = Array.isArray(value) ? value : [value]
  return list.filter(
    (item): item is Document =>
      typeof item === 'object' && item !== null && Object.getPrototypeOf(item) === Object.prototype,
  )
}
