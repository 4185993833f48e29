import { type ConnectObject, type ConnectValue, isObject, javaTypeOf } from '../../data/schema.ts'
import { ConnectError, dataError } from '../../errors.ts'

/** The values of one metric with one set of dimensions: several series with the same labels. */
interface Group {
  readonly name: string
  readonly labels: string
  readonly type: 'gauge' | 'counter'
  readonly values: Map<string, number>
  updatedMs: number
}

/**
 * The newest value of each series. A series is `<name>_<valueKey>{dimensions}`.
 *
 * A group of series that gets no value for `staleMs` is dropped, so that a sensor that is gone does
 * not stand still for ever; new groups beyond `seriesMax` are refused.
 */
export class SeriesTable {
  readonly #groups = new Map<string, Group>()
  readonly #staleMs: number
  readonly #seriesMax: number
  #seriesCount = 0

  constructor(options: { staleMs: number; seriesMax: number }) {
    this.#staleMs = options.staleMs
    this.#seriesMax = options.seriesMax
  }

  get seriesCount(): number {
    return this.#seriesCount
  }

  /**
   * Takes a metric record: `{name, type, timestamp, dimensions: {}, values: {}}`.
   *
   * @throws ConnectError `CONNECT_DATA` where name or values are missing or of a wrong type.
   */
  update(value: ConnectValue, nowMs: number): void {
    if (!isObject(value))
      throw dataError(`a metric has to be an object, found ${javaTypeOf(value)}`)
    const { name, type, dimensions, values } = value
    if (typeof name !== 'string' || name === '') throw dataError('a metric needs a name')
    if (!isObject(values ?? null)) throw dataError(`metric ${name} needs an object of values`)
    const numbers = readNumbers(name, values as ConnectObject)
    const labels = formatLabels(isObject(dimensions ?? null) ? (dimensions as ConnectObject) : {})
    const key = `${name}{${labels}}`
    let group = this.#groups.get(key)
    if (!group) {
      group = {
        name: metricName(name),
        labels,
        type: type === 'counter' ? 'counter' : 'gauge',
        values: new Map(),
        updatedMs: nowMs,
      }
      this.#reserve(numbers.length, nowMs)
      this.#groups.set(key, group)
    } else {
      let added = 0
      for (const [valueKey] of numbers) if (!group.values.has(valueKey)) added++
      if (added > 0) this.#reserve(added, nowMs)
    }
    for (const [valueKey, number] of numbers) group.values.set(valueKey, number)
    group.updatedMs = nowMs
  }

  /** All series in Prometheus's text format 0.0.4, grouped by metric. */
  render(nowMs: number): string {
    this.#dropStale(nowMs)
    const families = new Map<string, { type: string; lines: string }>()
    for (const group of this.#groups.values())
      for (const [valueKey, value] of group.values) {
        const metric = metricName(`${group.name}_${valueKey}`)
        let family = families.get(metric)
        if (!family) {
          family = { type: group.type, lines: '' }
          families.set(metric, family)
        }
        family.lines += `${metric}${group.labels && `{${group.labels}}`} ${formatNumber(value)}\n`
      }
    let text = ''
    for (const [metric, { type, lines }] of families) text += `# TYPE ${metric} ${type}\n${lines}`
    return text
  }

  #reserve(count: number, nowMs: number): void {
    if (this.#seriesCount + count > this.#seriesMax) this.#dropStale(nowMs)
    if (this.#seriesCount + count > this.#seriesMax)
      throw new ConnectError(
        'CONNECT_DATA',
        `there are ${this.#seriesCount} series and prometheus.series.max is ${this.#seriesMax}`,
      )
    this.#seriesCount += count
  }

  #dropStale(nowMs: number): void {
    for (const [key, group] of this.#groups)
      if (nowMs - group.updatedMs > this.#staleMs) {
        this.#groups.delete(key)
        this.#seriesCount -= group.values.size
      }
  }
}

function readNumbers(name: string, values: ConnectObject): [string, number][] {
  return Object.entries(values).map(([key, value]) => {
    if (typeof value === 'number') return [key, value]
    if (typeof value === 'bigint') return [key, Number(value)]
    throw dataError(`value ${key} of metric ${name} is no number: ${javaTypeOf(value)}`)
  })
}

const metricName = (name: string): string =>
  name.replace(/[^a-zA-Z0-9_:]/g, '_').replace(/^(?=\d)/, '_')
const labelName = (name: string): string =>
  name.replace(/[^a-zA-Z0-9_]/g, '_').replace(/^(?=\d)/, '_')

const escapes: Readonly<Record<string, string>> = { '\\': '\\\\', '"': '\\"', '\n': '\\n' }

function formatLabels(dimensions: ConnectObject): string {
  let text = ''
  for (const name of Object.keys(dimensions).sort()) {
    const value = dimensions[name] ?? null
    if (value === null) continue
    const shown = String(value).replace(/[\\"\n]/g, (character) => escapes[character]!)
    text += `${text && ','}${labelName(name)}="${shown}"`
  }
  return text
}

function formatNumber(value: number): string {
  if (value === Number.POSITIVE_INFINITY) return '+Inf'
  return value === Number.NEGATIVE_INFINITY ? '-Inf' : String(value)
}
