/** A data frame as `/api/ds/query` answers it, as far as it is read here. */
export interface AnswerFrame {
  readonly schema: {
    readonly refId?: string
    readonly fields: readonly {
      readonly name: string
      readonly type: string
      readonly labels?: Readonly<Record<string, string>>
      readonly config?: { readonly displayNameFromDS?: string; readonly interval?: number }
    }[]
  }
  readonly data: { readonly values: readonly (readonly unknown[])[] }
}

/** One line of a chart: times in milliseconds, rising, and a value or a gap at each. */
export interface TimeSeries {
  readonly key: string
  readonly name: string
  readonly refId: string
  readonly labels: Readonly<Record<string, string>>
  readonly times: readonly number[]
  readonly values: readonly (number | null)[]
  readonly stepMs: number
}

export interface DataColumn {
  readonly name: string
  readonly type: 'time' | 'number' | 'string' | 'boolean' | 'other'
  readonly refId: string
  readonly labels: Readonly<Record<string, string>>
  readonly values: readonly unknown[]
}

export interface DataTable {
  readonly columns: readonly DataColumn[]
}

/** The series of an answer: every number column beside a time column. */
export function seriesOf(frames: readonly AnswerFrame[]): TimeSeries[] {
  const found: TimeSeries[] = []
  for (const frame of frames) {
    const { fields, refId = '' } = frame.schema
    const timeIndex = fields.findIndex(({ type }) => type === 'time')
    if (timeIndex < 0) continue
    const times = frame.data.values[timeIndex] as readonly number[]
    fields.forEach((field, index) => {
      if (field.type !== 'number') return
      const labels = field.labels ?? {}
      const name = field.config?.displayNameFromDS || field.name
      found.push({
        key: `${refId}:${name}:${JSON.stringify(labels)}`,
        name,
        refId,
        labels,
        times,
        values: frame.data.values[index] as readonly (number | null)[],
        stepMs: field.config?.interval ?? 0,
      })
    })
  }
  return found
}

/** All frames as one table: frames with equal columns go below each other, labels become columns. */
export function tableOf(frames: readonly AnswerFrame[]): DataTable {
  const names: string[] = []
  const types = new Map<string, DataColumn['type']>()
  const rows: Record<string, unknown>[] = []
  const note = (name: string, type: string): void => {
    if (types.has(name)) return
    names.push(name)
    types.set(name, type as DataColumn['type'])
  }
  const severalValues = new Set(frames.map(({ schema }) => schema.refId)).size > 1
  for (const { schema, data } of frames) {
    const count = data.values[0]?.length ?? 0
    for (const field of schema.fields) {
      for (const label of Object.keys(field.labels ?? {})) note(label, 'string')
      note(columnName(field, schema.refId, severalValues), field.type)
    }
    for (let row = 0; row < count; row++) {
      const cells: Record<string, unknown> = {}
      schema.fields.forEach((field, index) => {
        Object.assign(cells, field.labels)
        cells[columnName(field, schema.refId, severalValues)] = data.values[index]?.[row] ?? null
      })
      rows.push(cells)
    }
  }
  return {
    columns: names.map((name) => ({
      name,
      type: types.get(name) ?? 'string',
      refId: frames[0]?.schema.refId ?? '',
      labels: {},
      values: rows.map((row) => row[name] ?? null),
    })),
  }
}

function columnName(
  field: AnswerFrame['schema']['fields'][number],
  refId: string | undefined,
  several: boolean,
): string {
  return several && field.name === 'Value' ? `Value #${refId ?? ''}` : field.name
}

/** Grafana's calculations over the values of one series; null where there is none. */
export function calculate(calc: string, values: readonly (number | null)[]): number | null {
  if (calc === 'last') return values.at(-1) ?? null
  const present = values.filter((value) => value !== null)
  const first = present[0]
  const last = present.at(-1)
  if (calc === 'count') return values.length
  if (first === undefined || last === undefined) return null
  switch (calc) {
    case 'mean':
      return sumOf(present) / present.length
    case 'sum':
      return sumOf(present)
    case 'min':
      return present.reduce((a, b) => Math.min(a, b))
    case 'max':
      return present.reduce((a, b) => Math.max(a, b))
    case 'first':
    case 'firstNotNull':
      return first
    case 'range':
      return present.reduce((a, b) => Math.max(a, b)) - present.reduce((a, b) => Math.min(a, b))
    case 'diff':
      return last - first
    case 'delta':
      return present.slice(1).reduce((sum, value, index) => {
        const step = value - present[index]!
        return sum + (step >= 0 ? step : value)
      }, 0)
    case 'median': {
      const sorted = present.toSorted((a, b) => a - b)
      const middle = Math.floor(sorted.length / 2)
      return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
    }
    default:
      return last
  }
}

function sumOf(values: readonly number[]): number {
  return values.reduce((a, b) => a + b, 0)
}

/**
 * Lays series on one time axis, with null where a series has no point, and gaps where its points
 * are further apart than a few steps.
 */
export function alignSeries(series: readonly TimeSeries[]): {
  times: number[]
  columns: (number | null | undefined)[][]
} {
  const all = new Set<number>()
  for (const { times, stepMs } of series) {
    times.forEach((time, index) => {
      const before = times[index - 1]
      // One empty point between two that are far apart makes the line stop and start again.
      if (stepMs > 0 && before !== undefined && time - before > stepMs * 1.5)
        all.add(before + stepMs)
      all.add(time)
    })
  }
  const times = [...all].sort((a, b) => a - b)
  const rowByTime = new Map(times.map((time, row) => [time, row]))
  const columns = series.map((one) => {
    // Undefined is "no point here", which a line crosses; null is a gap.
    const column = new Array<number | null | undefined>(times.length).fill(undefined)
    one.times.forEach((time, index) => {
      column[rowByTime.get(time)!] = one.values[index] ?? null
      const before = one.times[index - 1]
      if (one.stepMs > 0 && before !== undefined && time - before > one.stepMs * 1.5)
        column[rowByTime.get(before + one.stepMs)!] = null
    })
    return column
  })
  return { times, columns }
}
