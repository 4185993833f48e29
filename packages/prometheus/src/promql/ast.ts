import type { Matcher } from '../labels.ts'

export type ValueType = 'scalar' | 'vector' | 'matrix' | 'string'

export type BinaryOperator =
  | '+'
  | '-'
  | '*'
  | '/'
  | '%'
  | '^'
  | 'atan2'
  | '=='
  | '!='
  | '>'
  | '<'
  | '>='
  | '<='
  | 'and'
  | 'or'
  | 'unless'

export type AggregationOperator =
  | 'sum'
  | 'avg'
  | 'min'
  | 'max'
  | 'count'
  | 'stddev'
  | 'stdvar'
  | 'group'
  | 'topk'
  | 'bottomk'
  | 'quantile'
  | 'count_values'

/** Where in time a selector or subquery looks. */
export interface TimeShift {
  readonly offsetMs: number
  /** A fixed time, or the start or end of the query. */
  readonly at?: number | 'start' | 'end'
}

export interface VectorMatching {
  readonly card: 'one-to-one' | 'many-to-one' | 'one-to-many' | 'many-to-many'
  /** Whether `labels` are those that must agree (`on`) or those left aside (`ignoring`). */
  readonly on: boolean
  readonly labels: readonly string[]
  /** Labels taken over from the one side. */
  readonly include: readonly string[]
}

export type Expression =
  | { readonly kind: 'number'; readonly value: number }
  | { readonly kind: 'string'; readonly value: string }
  | { readonly kind: 'selector'; readonly matchers: readonly Matcher[]; readonly shift: TimeShift }
  | {
      readonly kind: 'range'
      readonly matchers: readonly Matcher[]
      readonly rangeMs: number
      readonly shift: TimeShift
    }
  | {
      readonly kind: 'subquery'
      readonly expression: Expression
      readonly rangeMs: number
      readonly stepMs: number | undefined
      readonly shift: TimeShift
    }
  | { readonly kind: 'call'; readonly name: string; readonly arguments: readonly Expression[] }
  | {
      readonly kind: 'aggregation'
      readonly operator: AggregationOperator
      readonly expression: Expression
      readonly parameter: Expression | undefined
      readonly by: boolean
      readonly labels: readonly string[]
    }
  | {
      readonly kind: 'binary'
      readonly operator: BinaryOperator
      readonly left: Expression
      readonly right: Expression
      readonly bool: boolean
      readonly matching: VectorMatching
    }
  | { readonly kind: 'unary'; readonly expression: Expression }
  | { readonly kind: 'parens'; readonly expression: Expression }
