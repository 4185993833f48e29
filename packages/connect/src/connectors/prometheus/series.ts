import { type ConnectObject, type ConnectValue, isObject, javaTypeOf } from '../../data/schema.ts'
import { ConnectError, dataError } from '../../errors.ts'

/** The values of one metric with one set of dimensions: several series with the same labels. */
interface Group {
  readonly key: string
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
  /** Groups by the name and dimensions of the records that made them, nothing sorted or escaped. */
  readonly #groupsAsGiven = new Map<string, Group>()
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
    const numbers = values as ConnectObject
    const labelled = isObject(dimensions ?? null) ? (dimensions as ConnectObject) : {}
    let given = name
    for (const key in labelled) given += `\0${key}\0${String(labelled[key])}`
    const group = this.#groupsAsGiven.get(given) ?? this.#group(name, type ?? null, labelled, nowMs)
    let added = 0
    for (const key in numbers) {
      checkNumber(name, key, numbers[key]!)
      if (!group.values.has(key)) added++
    }
    // Before others make room: this one is not stale.
    group.updatedMs = nowMs
    if (added > 0) {
      this.#reserve(added, nowMs)
      // A group is there from its first values on: one that was refused leaves nothing behind.
      this.#groups.set(group.key, group)
      this.#groupsAsGiven.set(given, group)
    }
    for (const key in numbers) group.values.set(key, Number(numbers[key]))
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

  #group(name: string, type: ConnectValue, dimensions: ConnectObject, nowMs: number): Group {
    const labels = formatLabels(dimensions)
    const key = `${name}{${labels}}`
    return (
      this.#groups.get(key) ?? {
        key,
        name: metricName(name),
        labels,
        type: type === 'counter' ? 'counter' : 'gauge',
        values: new Map(),
        updatedMs: nowMs,
      }
    )
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
        this.#groupsAsGiven.clear()
        this.#seriesCount -= group.values.size
      }
  }
}

function checkNumber(name: string, key: string, value: ConnectValue): void {
  if (typeof value !== 'number' && typeof value !== 'bigint')
    throw dataError(`value ${key} of metric ${name} is no number: ${javaTypeOf(value)}`)
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
