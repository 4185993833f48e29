/** A value that a template sees. Go's types are told apart only as far as templates can notice. */
export type TemplateValue =
  | string
  | number
  | boolean
  | null
  | undefined
  | TemplateObject
  | TemplateList
  | TemplateFunction

export type TemplateFunction = (...values: TemplateValue[]) => TemplateValue

/** A struct or map: fields by name, and methods. Nothing of JavaScript's own objects shows through. */
export class TemplateObject {
  readonly type: string
  readonly entries: ReadonlyMap<string, TemplateValue>
  readonly methods: ReadonlyMap<string, TemplateFunction>
  /** A map gives nothing for a missing key and can be ranged over; a struct refuses an unknown field. */
  readonly isMap: boolean
  /** How it prints where it has a form of its own. */
  readonly text: string | undefined

  constructor(
    type: string,
    entries: Readonly<Record<string, TemplateValue>>,
    options: {
      methods?: Readonly<Record<string, TemplateFunction>>
      isMap?: boolean
      text?: string
    } = {},
  ) {
    this.type = type
    this.entries = new Map(Object.entries(entries))
    this.methods = new Map(Object.entries(options.methods ?? {}))
    this.isMap = options.isMap ?? false
    this.text = options.text
  }
}

/** A slice with methods, such as Alertmanager's `.Alerts.Firing`. */
export class TemplateList {
  readonly items: readonly TemplateValue[]
  readonly methods: ReadonlyMap<string, TemplateFunction>

  constructor(
    items: readonly TemplateValue[],
    methods: Readonly<Record<string, TemplateFunction>> = {},
  ) {
    this.items = items
    this.methods = new Map(Object.entries(methods))
  }
}

/** Whether Go's `if` takes the value as true: neither zero, empty nor nil. */
export function isTruthy(value: TemplateValue): boolean {
  if (value instanceof TemplateList) return value.items.length > 0
  if (value instanceof TemplateObject) return !value.isMap || value.entries.size > 0
  return Boolean(value)
}

/** Writes a value as Go's `print` does. */
export function printValue(value: TemplateValue): string {
  if (value === null || value === undefined) return '<no value>'
  if (typeof value === 'number') return printFloat(value)
  if (value instanceof TemplateList) return `[${value.items.map(printValue).join(' ')}]`
  if (value instanceof TemplateObject) {
    if (value.text !== undefined) return value.text
    const inside = [...value.entries].map(([name, entry]) =>
      value.isMap ? `${name}:${printValue(entry)}` : printValue(entry),
    )
    return value.isMap ? `map[${inside.toSorted().join(' ')}]` : `{${inside.join(' ')}}`
  }
  return String(value)
}

/** A float64 as Go's `%v` writes it. */
export function printFloat(value: number): string {
  if (Number.isNaN(value)) return 'NaN'
  if (!Number.isFinite(value)) return value > 0 ? '+Inf' : '-Inf'
  const size = Math.abs(value)
  const text = size !== 0 && (size < 1e-4 || size >= 1e21) ? value.toExponential() : String(value)
  return text.replace(/e([+-])(\d)$/, 'e$10$2')
}
