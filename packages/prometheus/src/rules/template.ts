import { describeError } from '@khlong/core'
import { parseDuration } from '../duration.ts'
import { PrometheusError } from '../errors.ts'
import { formatNumber } from '../promql/aggregation.ts'
import type { Sample } from '../promql/value.ts'
import { general } from '../template/format.ts'
import { type TemplateFunctions, templateError, textOf } from '../template/functions.ts'
import { TemplateSet } from '../template/template.ts'
import { humanizeSmall, numberOf, textFunctions } from '../template/text-functions.ts'
import { formatTime, timeValue } from '../template/time.ts'
import { printValue, TemplateList, TemplateObject, type TemplateValue } from '../template/value.ts'

/** What a template of labels or annotations may use. */
export interface TemplateData {
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
  readonly externalLabels: Readonly<Record<string, string>>
  readonly externalUrl: string
  /** Answers `{{ query "…" }}`. */
  query(expression: string): Promise<readonly Sample[]>
}

const queriesMax = 100
const prelude =
  '{{$labels := .Labels}}{{$externalLabels := .ExternalLabels}}{{$externalURL := .ExternalURL}}{{$value := .Value}}'

/** A query that a template asks for and that is not answered yet. */
class QueryWanted extends Error {
  readonly expression: string
  constructor(expression: string) {
    super(expression)
    this.expression = expression
  }
}

/**
 * Fills in a template of Prometheus's rules: Go's template language with Prometheus's functions.
 * What fails leaves its reason in the text, as Prometheus does.
 */
export async function fillTemplate(template: string, data: TemplateData): Promise<string> {
  if (!template.includes('{{')) return template
  const answers = new Map<string, TemplateValue>()
  const set = new TemplateSet(functionsWith(data, answers))
  const dot = new TemplateObject('template data', {
    Labels: mapOf(data.labels),
    ExternalLabels: mapOf(data.externalLabels),
    ExternalURL: data.externalUrl,
    Value: data.value,
  })
  for (;;)
    try {
      return set.fill(prelude + template, dot)
    } catch (error) {
      // Filling in does not wait; it begins anew with the answer, which few templates need.
      if (error instanceof QueryWanted && answers.size < queriesMax)
        try {
          const vector = await data.query(error.expression)
          answers.set(error.expression, new TemplateList(vector.map(sampleValue)))
          continue
        } catch (failure) {
          return `<error expanding template: ${describeError(failure)}>`
        }
      return `<error expanding template: ${describeError(error)}>`
    }
}

/** Why a template cannot be read, or undefined where it can. */
export function templateProblem(template: string): string | undefined {
  const set = new TemplateSet({ ...functionsWith(undefined, new Map()) })
  try {
    set.check('rule', prelude + template)
    return undefined
  } catch (error) {
    if (error instanceof PrometheusError) return error.message
    throw error
  }
}

function mapOf(record: Readonly<Record<string, string>>): TemplateObject {
  return new TemplateObject('map', record, { isMap: true })
}

function sampleValue({ labels, value }: Sample): TemplateObject {
  return new TemplateObject('sample', { Labels: mapOf(labels.toRecord()), Value: value })
}

function functionsWith(
  data: TemplateData | undefined,
  answers: ReadonlyMap<string, TemplateValue>,
): TemplateFunctions {
  return {
    ...textFunctions,
    query: (expression) => {
      const text = textOf('query', expression)
      if (!answers.has(text)) throw new QueryWanted(text)
      return answers.get(text)
    },
    first: (vector) => {
      if (vector instanceof TemplateList && vector.items.length > 0) return vector.items[0]
      throw templateError('first() called on vector with no elements')
    },
    label: (name, sample) => labelsOf('label', sample).entries.get(textOf('label', name)) ?? '',
    strvalue: (sample) => labelsOf('strvalue', sample).entries.get('__value__') ?? '',
    value: (sample) => fieldOf('value', sample, 'Value'),
    sortByLabel: (name, vector) => {
      if (!(vector instanceof TemplateList)) throw templateError('sortByLabel needs a vector')
      const labelOf = (sample: TemplateValue): string =>
        printValue(labelsOf('sortByLabel', sample).entries.get(textOf('sortByLabel', name)) ?? '')
      return new TemplateList([...vector.items].sort((a, b) => (labelOf(a) < labelOf(b) ? -1 : 1)))
    },
    args: (...values) =>
      new TemplateObject(
        'map',
        Object.fromEntries(values.map((value, index) => [`arg${index}`, value])),
        { isMap: true },
      ),
    humanize: (value) => humanize(numberOf('humanize', value)),
    humanize1024: (value) => humanize1024(numberOf('humanize1024', value)),
    humanizePercentage: (value) => `${general(numberOf('humanizePercentage', value) * 100, 4)}%`,
    humanizeTimestamp: (value) => {
      const seconds = numberOf('humanizeTimestamp', value)
      return Number.isFinite(seconds)
        ? formatTime(seconds * 1_000, '2006-01-02 15:04:05.999 -0700 MST')
        : general(seconds, 4)
    },
    toTime: (value) => timeValue(numberOf('toTime', value) * 1_000),
    parseDuration: (text) => {
      const milliseconds = parseDuration(textOf('parseDuration', text))
      if (milliseconds === undefined) throw templateError(`not a valid duration: ${text}`)
      return milliseconds / 1_000
    },
    stripPort: (text) => textOf('stripPort', text).replace(/^\[?([^\]]*?)\]?:\d+$/, '$1'),
    stripDomain: (text) => textOf('stripDomain', text).replace(/^([^.:]*)[^:]*/, '$1'),
    graphLink: (expression) => graphLink(textOf('graphLink', expression), 0),
    tableLink: (expression) => graphLink(textOf('tableLink', expression), 1),
    externalURL: () => data?.externalUrl ?? '',
    pathPrefix: () => new URL(data?.externalUrl ?? 'http://localhost').pathname.replace(/\/$/, ''),
  }
}

function fieldOf(name: string, sample: TemplateValue, field: string): TemplateValue {
  if (sample instanceof TemplateObject && sample.entries.has(field))
    return sample.entries.get(field)
  throw templateError(`${name} needs a sample`)
}

function labelsOf(name: string, sample: TemplateValue): TemplateObject {
  return fieldOf(name, sample, 'Labels') as TemplateObject
}

/** The path of a query's page, as table (1) or graph (0). */
export function graphLink(expression: string, tab: 0 | 1): string {
  return `/graph?g0.expr=${encodeURIComponent(expression).replaceAll('%20', '+')}&g0.tab=${tab}`
}

const prefixes = ['', 'k', 'M', 'G', 'T', 'P', 'E', 'Z', 'Y']
const binaryPrefixes = ['', 'ki', 'Mi', 'Gi', 'Ti', 'Pi', 'Ei', 'Zi', 'Yi']

function humanize(value: number): string {
  if (value === 0 || !Number.isFinite(value)) return formatNumber(value)
  return Math.abs(value) < 1 ? humanizeSmall(value) : scale(value, 1_000, prefixes)
}

function humanize1024(value: number): string {
  if (Math.abs(value) <= 1 || !Number.isFinite(value)) return general(value, 4)
  return scale(value, 1_024, binaryPrefixes)
}

function scale(value: number, step: number, names: readonly string[]): string {
  let scaled = value
  let index = 0
  for (; Math.abs(scaled) >= step && index < names.length - 1; index++) scaled /= step
  return `${general(scaled, 4)}${names[index]}`
}
