import type { ValueType } from './ast.ts'

/** What a function takes and gives. The last `optional` arguments may be left out. */
export interface Signature {
  readonly takes: readonly ValueType[]
  readonly optional: number
  /** Whether the last argument may come again and again. */
  readonly variadic: boolean
  readonly gives: ValueType
}

const signature = (
  takes: string,
  gives: ValueType = 'vector',
  optional = 0,
  variadic = false,
): Signature => ({
  takes: takes === '' ? [] : (takes.split(' ') as ValueType[]),
  optional,
  variadic,
  gives,
})

const vectorToVector = [
  'abs',
  'absent',
  'acos',
  'acosh',
  'asin',
  'asinh',
  'atan',
  'atanh',
  'ceil',
  'cos',
  'cosh',
  'deg',
  'exp',
  'floor',
  'ln',
  'log10',
  'log2',
  'rad',
  'sgn',
  'sin',
  'sinh',
  'sort',
  'sort_desc',
  'sqrt',
  'tan',
  'tanh',
  'timestamp',
]
const rangeToVector = [
  'absent_over_time',
  'avg_over_time',
  'changes',
  'count_over_time',
  'delta',
  'deriv',
  'first_over_time',
  'idelta',
  'increase',
  'irate',
  'last_over_time',
  'mad_over_time',
  'max_over_time',
  'min_over_time',
  'present_over_time',
  'rate',
  'resets',
  'stddev_over_time',
  'stdvar_over_time',
  'sum_over_time',
]
const dateParts = [
  'day_of_month',
  'day_of_week',
  'day_of_year',
  'days_in_month',
  'hour',
  'minute',
  'month',
  'year',
]

/** Every function that the engine has, by name. */
export const signatures: ReadonlyMap<string, Signature> = new Map([
  ...vectorToVector.map((name): [string, Signature] => [name, signature('vector')]),
  ...rangeToVector.map((name): [string, Signature] => [name, signature('matrix')]),
  ...dateParts.map((name): [string, Signature] => [name, signature('vector', 'vector', 1)]),
  ['clamp', signature('vector scalar scalar')],
  ['clamp_max', signature('vector scalar')],
  ['clamp_min', signature('vector scalar')],
  ['histogram_quantile', signature('scalar vector')],
  ['label_join', signature('vector string string string', 'vector', 1, true)],
  ['label_replace', signature('vector string string string string')],
  ['pi', signature('', 'scalar')],
  ['predict_linear', signature('matrix scalar')],
  ['quantile_over_time', signature('scalar matrix')],
  ['round', signature('vector scalar', 'vector', 1)],
  ['scalar', signature('vector', 'scalar')],
  ['sort_by_label', signature('vector string', 'vector', 0, true)],
  ['sort_by_label_desc', signature('vector string', 'vector', 0, true)],
  ['time', signature('', 'scalar')],
  ['vector', signature('scalar')],
])

/** Functions of Prometheus that are known and not here yet, so that the error can say so. */
export const missingFunctions: ReadonlySet<string> = new Set([
  'double_exponential_smoothing',
  'holt_winters',
  'histogram_avg',
  'histogram_count',
  'histogram_fraction',
  'histogram_stddev',
  'histogram_stdvar',
  'histogram_sum',
  'info',
  'ts_of_max_over_time',
  'ts_of_min_over_time',
  'ts_of_last_over_time',
])
