import { parseDuration } from '../duration.ts'
import type { PrometheusError } from '../errors.ts'
import { Matcher, type MatchKind } from '../labels.ts'
import type {
  AggregationOperator,
  BinaryOperator,
  Expression,
  TimeShift,
  ValueType,
  VectorMatching,
} from './ast.ts'
import { parseError, type Token, tokenize } from './lexer.ts'
import { missingFunctions, signatures } from './signatures.ts'

const precedence: Readonly<Record<string, number>> = {
  or: 1,
  and: 2,
  unless: 2,
  '==': 3,
  '!=': 3,
  '<=': 3,
  '<': 3,
  '>=': 3,
  '>': 3,
  '+': 4,
  '-': 4,
  '*': 5,
  '/': 5,
  '%': 5,
  atan2: 5,
  '^': 7,
}
const unaryPrecedence = 6
const setOperators: readonly string[] = ['and', 'or', 'unless']
const comparisons: readonly string[] = ['==', '!=', '<=', '<', '>=', '>']
const aggregations: readonly string[] = [
  'sum',
  'avg',
  'min',
  'max',
  'count',
  'stddev',
  'stdvar',
  'group',
  'topk',
  'bottomk',
  'quantile',
  'count_values',
]
const withParameter: readonly string[] = ['topk', 'bottomk', 'quantile', 'count_values']
const noShift: TimeShift = { offsetMs: 0 }

/** The type of an expression's value. */
export function typeOf(expression: Expression): ValueType {
  switch (expression.kind) {
    case 'number':
      return 'scalar'
    case 'string':
      return 'string'
    case 'selector':
    case 'aggregation':
      return 'vector'
    case 'range':
    case 'subquery':
      return 'matrix'
    case 'call':
      return signatures.get(expression.name)!.gives
    case 'unary':
    case 'parens':
      return typeOf(expression.expression)
    case 'binary':
      return typeOf(expression.left) === 'scalar' && typeOf(expression.right) === 'scalar'
        ? 'scalar'
        : 'vector'
  }
}

/**
 * Parses a PromQL expression and checks its types.
 *
 * @throws PrometheusError `PROMETHEUS_QUERY_PARSE` with line and column
 */
export function parseQuery(query: string): Expression {
  const parser = new Parser(query)
  return parser.parse()
}

/** Parses a series selector such as `up{job="a"}`, as `match[]` takes it. */
export function parseSelector(query: string): readonly Matcher[] {
  const expression = parseQuery(query)
  if (expression.kind !== 'selector') throw parseError(query, 0, 'expected a series selector')
  return expression.matchers
}

const typeNames: Readonly<Record<ValueType, string>> = {
  scalar: 'scalar',
  vector: 'instant vector',
  matrix: 'range vector',
  string: 'string',
}

class Parser {
  readonly #query: string
  readonly #tokens: readonly Token[]
  #at = 0

  constructor(query: string) {
    this.#query = query
    this.#tokens = tokenize(query)
  }

  parse(): Expression {
    if (this.#atEnd) throw this.#error('no expression found in input')
    const expression = this.#expression(0)
    if (!this.#atEnd) throw this.#unexpected()
    return expression
  }

  get #peek(): Token {
    return this.#tokens[this.#at]!
  }
  get #atEnd(): boolean {
    return this.#peek.kind === 'end'
  }
  #next(): Token {
    return this.#tokens[this.#at++]!
  }
  #is(text: string): boolean {
    const { kind } = this.#peek
    return (kind === 'symbol' || kind === 'identifier') && this.#peek.text === text
  }
  #isWord(text: string): boolean {
    return this.#peek.kind === 'identifier' && this.#peek.text.toLowerCase() === text
  }
  #accept(text: string): boolean {
    if (!this.#is(text)) return false
    this.#at++
    return true
  }
  #expect(text: string, where: string): void {
    if (!this.#accept(text)) throw this.#unexpected(where, `"${text}"`)
  }
  #error(what: string, position: number = this.#peek.position): PrometheusError {
    return parseError(this.#query, position, what)
  }
  #unexpected(where = '', expected = ''): PrometheusError {
    const { kind, text } = this.#peek
    const what = kind === 'end' ? 'end of input' : `${kind} ${JSON.stringify(text)}`
    return this.#error(
      `unexpected ${what}${where && ` in ${where}`}${expected && `, expected ${expected}`}`,
    )
  }

  #expression(minimum: number): Expression {
    let left = this.#unary()
    for (;;) {
      const token = this.#peek
      const operator = token.kind === 'identifier' ? token.text.toLowerCase() : token.text
      const level =
        token.kind === 'symbol' || token.kind === 'identifier' ? precedence[operator] : undefined
      if (level === undefined || level < minimum) return left
      this.#at++
      left = this.#binary(operator as BinaryOperator, left, level, token.position)
    }
  }

  #binary(operator: BinaryOperator, left: Expression, level: number, position: number): Expression {
    const bool = this.#isWord('bool')
    if (bool) {
      this.#at++
      if (!comparisons.includes(operator))
        throw this.#error('bool modifier can only be used on comparison operators', position)
    }
    const matching = this.#matching(operator)
    // ^ binds to the right, all others to the left.
    const right = this.#expression(operator === '^' ? level : level + 1)
    const expression: Expression = { kind: 'binary', operator, left, right, bool, matching }
    this.#checkBinary(expression, position)
    return expression
  }

  #checkBinary(expression: Expression & { kind: 'binary' }, position: number): void {
    const { operator, left, right, bool } = expression
    const types = [typeOf(left), typeOf(right)]
    for (const type of types)
      if (type !== 'scalar' && type !== 'vector')
        throw this.#error(
          'binary expression must contain only scalar and instant vector types',
          position,
        )
    if (setOperators.includes(operator) && types.includes('scalar'))
      throw this.#error(
        `set operator "${operator}" not allowed in binary scalar expression`,
        position,
      )
    if (comparisons.includes(operator) && !bool && types.every((type) => type === 'scalar'))
      throw this.#error('comparisons between scalars must use BOOL modifier', position)
  }

  #matching(operator: BinaryOperator): VectorMatching {
    const manyToMany = setOperators.includes(operator)
    let card: VectorMatching['card'] = manyToMany ? 'many-to-many' : 'one-to-one'
    let on = false
    let labels: string[] = []
    let include: string[] = []
    if (this.#isWord('on') || this.#isWord('ignoring')) {
      on = this.#next().text.toLowerCase() === 'on'
      labels = this.#labelList('grouping opts')
    }
    if (this.#isWord('group_left') || this.#isWord('group_right')) {
      const { text, position } = this.#next()
      if (manyToMany) throw this.#error(`no grouping allowed for "${operator}" operation`, position)
      card = text.toLowerCase() === 'group_left' ? 'many-to-one' : 'one-to-many'
      if (this.#is('(')) include = this.#labelList('grouping opts')
      const twice = on ? include.find((label) => labels.includes(label)) : undefined
      if (twice !== undefined)
        throw this.#error(
          `label "${twice}" must not occur in ON and GROUP clause at once`,
          position,
        )
    }
    return { card, on, labels, include }
  }

  #unary(): Expression {
    if (this.#is('-') || this.#is('+')) {
      const { text, position } = this.#next()
      const expression = this.#expression(unaryPrecedence)
      const type = typeOf(expression)
      if (type !== 'scalar' && type !== 'vector')
        throw this.#error(
          `unary expression only allowed on expressions of type scalar or instant vector, got "${typeNames[type]}"`,
          position,
        )
      if (text === '+') return expression
      return expression.kind === 'number'
        ? { kind: 'number', value: -expression.value }
        : { kind: 'unary', expression }
    }
    return this.#postfix(this.#primary())
  }

  #postfix(start: Expression): Expression {
    let expression = start
    for (;;) {
      if (this.#is('[')) expression = this.#range(expression)
      else if (this.#isWord('offset')) {
        this.#at++
        const sign = this.#accept('-') ? -1 : 1
        if (sign === 1) this.#accept('+')
        expression = this.#shift(expression, { offsetMs: sign * this.#duration('offset') })
      } else if (this.#is('@')) {
        this.#at++
        expression = this.#shift(expression, { at: this.#atTime() })
      } else return expression
    }
  }

  #range(inner: Expression): Expression {
    const { position } = this.#next()
    const rangeMs = this.#duration('subquery or range selector')
    if (this.#accept(':')) {
      const stepMs = this.#is(']') ? undefined : this.#duration('subquery selector')
      this.#expect(']', 'subquery selector')
      if (typeOf(inner) !== 'vector')
        throw this.#error(
          `subquery is only allowed on instant vector, got ${typeNames[typeOf(inner)]} instead`,
          position,
        )
      return { kind: 'subquery', expression: inner, rangeMs, stepMs, shift: noShift }
    }
    this.#expect(']', 'range selector')
    if (inner.kind !== 'selector')
      throw this.#error('ranges only allowed for vector selectors', position)
    if (inner.shift !== noShift)
      throw this.#error('no offset modifiers allowed before range', position)
    return { kind: 'range', matchers: inner.matchers, rangeMs, shift: noShift }
  }

  #shift(expression: Expression, change: Partial<TimeShift>): Expression {
    if (
      expression.kind !== 'selector' &&
      expression.kind !== 'range' &&
      expression.kind !== 'subquery'
    )
      throw this.#error(
        `${change.at === undefined ? 'offset' : '@'} modifier must be preceded by an instant vector selector or range vector selector or a subquery`,
      )
    return { ...expression, shift: { ...expression.shift, ...change } }
  }

  #atTime(): number | 'start' | 'end' {
    if (this.#isWord('start') || this.#isWord('end')) {
      const which = this.#next().text.toLowerCase() as 'start' | 'end'
      this.#expect('(', '@')
      this.#expect(')', '@')
      return which
    }
    const sign = this.#accept('-') ? -1 : 1
    const token = this.#next()
    if (token.kind !== 'number') throw this.#error('@ expects a time in seconds', token.position)
    return sign * Number(token.text.replaceAll('_', '')) * 1_000
  }

  #duration(where: string): number {
    const token = this.#next()
    if (token.kind === 'duration') return parseDuration(token.text)!
    if (token.kind === 'number') return Number(token.text) * 1_000
    this.#at--
    throw this.#unexpected(where, 'duration')
  }

  #primary(): Expression {
    const token = this.#next()
    switch (token.kind) {
      case 'number':
        return { kind: 'number', value: Number(token.text.replaceAll('_', '')) }
      case 'duration':
        return { kind: 'number', value: parseDuration(token.text)! / 1_000 }
      case 'string':
        return { kind: 'string', value: token.value }
      case 'identifier':
        return this.#word(token)
      case 'symbol':
        if (token.text === '(') {
          const expression = this.#expression(0)
          this.#expect(')', 'paren expression')
          return { kind: 'parens', expression }
        }
        if (token.text === '{') {
          this.#at--
          return this.#selector('', token.position)
        }
    }
    this.#at--
    throw this.#unexpected()
  }

  #word(token: Token): Expression {
    const word = token.text.toLowerCase()
    if (
      aggregations.includes(word) &&
      (this.#is('(') || this.#isWord('by') || this.#isWord('without'))
    )
      return this.#aggregation(word as AggregationOperator, token.position)
    if (this.#is('(')) return this.#call(token)
    if (word === 'inf') return { kind: 'number', value: Number.POSITIVE_INFINITY }
    if (word === 'nan') return { kind: 'number', value: Number.NaN }
    return this.#selector(token.text, token.position)
  }

  #selector(name: string, position: number): Expression {
    const matchers: Matcher[] = name === '' ? [] : [new Matcher('=', '__name__', name)]
    if (this.#accept('{')) {
      while (!this.#accept('}')) {
        matchers.push(this.#matcher(name))
        if (!this.#accept(',') && !this.#is('}'))
          throw this.#unexpected('label matching', '"," or "}"')
      }
    }
    if (!matchers.some((matcher) => !matcher.matches('')))
      throw this.#error('vector selector must contain at least one non-empty matcher', position)
    return { kind: 'selector', matchers, shift: noShift }
  }

  #matcher(metricName: string): Matcher {
    const label = this.#next()
    if (label.kind === 'string' && !['=', '!=', '=~', '!~'].includes(this.#peek.text)) {
      if (metricName !== '')
        throw this.#error(`metric name must not be set twice: "${metricName}"`, label.position)
      return new Matcher('=', '__name__', label.value)
    }
    if (label.kind !== 'identifier' && label.kind !== 'string') {
      this.#at--
      throw this.#unexpected('label matching', 'identifier or "}"')
    }
    if (label.value === '__name__' && metricName !== '')
      throw this.#error(`metric name must not be set twice: "${metricName}"`, label.position)
    const operator = this.#next()
    if (!['=', '!=', '=~', '!~'].includes(operator.text)) {
      this.#at--
      throw this.#unexpected('label matching', 'label matching operator')
    }
    const value = this.#next()
    if (value.kind !== 'string') {
      this.#at--
      throw this.#unexpected('label matching', 'string')
    }
    try {
      return new Matcher(operator.text as MatchKind, label.value, value.value)
    } catch (error) {
      throw this.#error(`error parsing regexp: ${(error as Error).message}`, value.position)
    }
  }

  #labelList(where: string): string[] {
    this.#expect('(', where)
    const labels: string[] = []
    while (!this.#accept(')')) {
      const token = this.#next()
      if (token.kind !== 'identifier' && token.kind !== 'string') {
        this.#at--
        throw this.#unexpected(where, 'label')
      }
      labels.push(token.value)
      if (!this.#accept(',') && !this.#is(')')) throw this.#unexpected(where, '"," or ")"')
    }
    return labels
  }

  #aggregation(operator: AggregationOperator, position: number): Expression {
    // Without a clause all labels go, as with an empty `by`.
    let by = true
    let labels: string[] = []
    const clause = (): boolean => {
      if (!this.#isWord('by') && !this.#isWord('without')) return false
      by = this.#next().text.toLowerCase() === 'by'
      labels = this.#labelList('grouping opts')
      return true
    }
    const before = clause()
    const given = this.#argumentList('aggregation')
    if (!before) clause()
    const wanted = withParameter.includes(operator) ? 2 : 1
    if (given.length !== wanted)
      throw this.#error(
        `wrong number of arguments for aggregate expression provided, expected ${wanted}, got ${given.length}`,
        position,
      )
    const expression = given.at(-1)!
    this.#checkType(expression, 'vector', `aggregation expression`, position)
    const parameter = wanted === 2 ? given[0]! : undefined
    if (parameter)
      this.#checkType(
        parameter,
        operator === 'count_values' ? 'string' : 'scalar',
        'aggregation parameter',
        position,
      )
    return { kind: 'aggregation', operator, expression, parameter, by, labels }
  }

  #call(token: Token): Expression {
    const name = token.text
    const signature = signatures.get(name)
    if (!signature) {
      const why = missingFunctions.has(name)
        ? 'function is not supported yet'
        : 'unknown function with name'
      throw this.#error(`${why} "${name}"`, token.position)
    }
    const given = this.#argumentList(`call to function "${name}"`)
    const { takes, optional, variadic } = signature
    const least = takes.length - optional
    if (given.length < least)
      throw this.#error(
        `expected ${optional > 0 || variadic ? 'at least ' : ''}${least} argument(s) in call to "${name}", got ${given.length}`,
        token.position,
      )
    if (!variadic && given.length > takes.length)
      throw this.#error(
        `expected ${optional > 0 ? 'at most ' : ''}${takes.length} argument(s) in call to "${name}", got ${given.length}`,
        token.position,
      )
    given.forEach((argument, index) => {
      const wanted = takes[Math.min(index, takes.length - 1)]!
      this.#checkType(argument, wanted, `call to function "${name}"`, token.position)
    })
    return { kind: 'call', name, arguments: given }
  }

  #argumentList(where: string): Expression[] {
    this.#expect('(', where)
    const given: Expression[] = []
    while (!this.#accept(')')) {
      given.push(this.#expression(0))
      if (!this.#accept(',') && !this.#is(')')) throw this.#unexpected(where, '"," or ")"')
    }
    return given
  }

  #checkType(expression: Expression, wanted: ValueType, where: string, position: number): void {
    const type = typeOf(expression)
    if (type !== wanted)
      throw this.#error(
        `expected type ${typeNames[wanted]} in ${where}, got ${typeNames[type]}`,
        position,
      )
  }
}
