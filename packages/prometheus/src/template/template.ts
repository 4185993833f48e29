import {
  escapeHtml,
  goFunctions,
  type TemplateFunctions,
  templateError,
  typeName,
} from './functions.ts'
import {
  type Operand,
  type ParsedTemplate,
  type Pipeline,
  parseTemplate,
  type TemplateNode,
} from './parser.ts'
import { isTruthy, printValue, TemplateList, TemplateObject, type TemplateValue } from './value.ts'

const outputCharactersMax = 1 << 20
const stepsMax = 200_000
const callsMax = 100

export interface FillOptions {
  /** Escapes what is filled in for HTML. */
  isHtml?: boolean
}

/** Text that is HTML already and is not escaped again. */
export class SafeHtml extends TemplateObject {
  constructor(text: string) {
    super('template.HTML', {}, { text })
  }
}

/**
 * Templates by name in Go's template language, with its own functions and those given. A template
 * cannot loop without end, nor make more than a mebibyte.
 */
export class TemplateSet {
  readonly #functions: TemplateFunctions
  readonly #definitions = new Map<string, readonly TemplateNode[]>()

  constructor(functions: TemplateFunctions) {
    this.#functions = { ...goFunctions, ...functions }
  }

  /**
   * Adds the templates that a text defines; one of the same name is replaced.
   *
   * @throws PrometheusError `PROMETHEUS_TEMPLATE_INVALID` with the line
   */
  define(name: string, text: string): void {
    const parsed = parseTemplate(name, text)
    this.#check(name, parsed)
    for (const [defined, nodes] of parsed.definitions) this.#definitions.set(defined, nodes)
    this.#definitions.set(name, parsed.body)
  }

  /** Reads a text without filling it in. @throws PrometheusError `PROMETHEUS_TEMPLATE_INVALID` */
  check(name: string, text: string): void {
    this.#check(name, parseTemplate(name, text))
  }

  /**
   * Fills in a text.
   *
   * @throws PrometheusError `PROMETHEUS_TEMPLATE_INVALID` where it cannot be read,
   *   `PROMETHEUS_TEMPLATE_FAILED` where a value is not what the text expects
   */
  fill(text: string, data: TemplateValue, options: FillOptions = {}): string {
    // What has no braces is what it is, and most texts have none.
    if (!text.includes('{{')) return text
    const parsed = parseTemplate('text', text)
    this.#check('text', parsed)
    const definitions = new Map([...this.#definitions, ...parsed.definitions])
    return new Run(definitions, this.#functions, options.isHtml ?? false).run(parsed.body, data)
  }

  #check(name: string, parsed: ParsedTemplate): void {
    for (const nodes of [parsed.body, ...parsed.definitions.values()])
      visit(nodes, (functionName) => {
        if (functionName in this.#functions || functionName === 'and' || functionName === 'or')
          return
        throw templateError(`template: ${name}: function ${functionName} is not supported yet`)
      })
  }
}

function visit(nodes: readonly TemplateNode[], onFunction: (name: string) => void): void {
  const pipeline = ({ commands }: Pipeline): void => {
    for (const operand of commands.flat())
      if (operand.kind === 'function') onFunction(operand.name)
      else if (operand.kind === 'pipeline') pipeline(operand.pipeline)
  }
  for (const node of nodes) {
    if ('pipeline' in node && node.pipeline) pipeline(node.pipeline)
    if ('body' in node) {
      visit(node.body, onFunction)
      visit(node.otherwise, onFunction)
    }
  }
}

type Variables = { readonly name: string; value: TemplateValue }[]

/** One filling in of one text. */
class Run {
  readonly #definitions: ReadonlyMap<string, readonly TemplateNode[]>
  readonly #functions: TemplateFunctions
  readonly #isHtml: boolean
  #output = ''
  #steps = 0
  #calls = 0

  constructor(
    definitions: ReadonlyMap<string, readonly TemplateNode[]>,
    functions: TemplateFunctions,
    isHtml: boolean,
  ) {
    this.#definitions = definitions
    this.#functions = functions
    this.#isHtml = isHtml
  }

  run(body: readonly TemplateNode[], data: TemplateValue): string {
    this.#nodes(body, data, [{ name: '$', value: data }])
    return this.#output
  }

  /** Gives `break` or `continue` where the nodes ended with one. */
  #nodes(
    nodes: readonly TemplateNode[],
    dot: TemplateValue,
    variables: Variables,
  ): 'break' | 'continue' | undefined {
    const scope = variables.length
    for (const node of nodes) {
      this.#step()
      const jump = this.#node(node, dot, variables)
      if (jump) {
        variables.length = scope
        return jump
      }
    }
    variables.length = scope
    return undefined
  }

  #node(
    node: TemplateNode,
    dot: TemplateValue,
    variables: Variables,
  ): 'break' | 'continue' | undefined {
    switch (node.kind) {
      case 'text':
        this.#write(node.text)
        return undefined
      case 'action': {
        const value = this.#pipeline(node.pipeline, dot, variables)
        if (node.pipeline.variables.length > 0) return undefined
        const text = printValue(value)
        this.#write(this.#isHtml && !(value instanceof SafeHtml) ? escapeHtml(text) : text)
        return undefined
      }
      case 'break':
      case 'continue':
        return node.kind
      case 'template': {
        const nodes = this.#definitions.get(node.name)
        if (!nodes) throw templateError(`template ${JSON.stringify(node.name)} is not defined`)
        const data = node.pipeline ? this.#pipeline(node.pipeline, dot, variables) : null
        if (++this.#calls > callsMax) throw templateError('templates call each other too deeply')
        this.#nodes(nodes, data, [{ name: '$', value: data }])
        this.#calls--
        return undefined
      }
      case 'if':
      case 'with': {
        const scope = variables.length
        const value = this.#pipeline(node.pipeline, dot, variables)
        const jump = isTruthy(value)
          ? this.#nodes(node.body, node.kind === 'with' ? value : dot, variables)
          : this.#nodes(node.otherwise, dot, variables)
        variables.length = scope
        return jump
      }
      case 'range':
        return this.#range(node, dot, variables)
    }
  }

  #range(
    node: Extract<TemplateNode, { kind: 'if' | 'with' | 'range' }>,
    dot: TemplateValue,
    variables: Variables,
  ): 'break' | 'continue' | undefined {
    const { variables: names } = node.pipeline
    const value = this.#pipeline({ ...node.pipeline, variables: [] }, dot, variables)
    const pairs = rangeOf(value)
    if (pairs.length === 0) return this.#nodes(node.otherwise, dot, variables)
    const scope = variables.length
    for (const [key, item] of pairs) {
      if (names.length === 2) variables.push({ name: names[0]!, value: key })
      if (names.length > 0) variables.push({ name: names.at(-1)!, value: item })
      const jump = this.#nodes(node.body, item, variables)
      variables.length = scope
      if (jump === 'break') break
    }
    return undefined
  }

  #pipeline(pipeline: Pipeline, dot: TemplateValue, variables: Variables): TemplateValue {
    let value: TemplateValue
    for (const [index, command] of pipeline.commands.entries())
      value = this.#command(command, dot, variables, index === 0 ? [] : [value])
    const name = pipeline.variables.at(-1)
    if (name !== undefined) {
      const known = variables.findLast((variable) => variable.name === name)
      if (!pipeline.isAssignment) variables.push({ name, value })
      else if (known) known.value = value
      else throw templateError(`undefined variable ${name}`)
    }
    return value
  }

  #command(
    [first, ...rest]: readonly Operand[],
    dot: TemplateValue,
    variables: Variables,
    piped: readonly TemplateValue[],
  ): TemplateValue {
    this.#step()
    const operand = first!
    if (operand.kind === 'function' && (operand.name === 'and' || operand.name === 'or')) {
      let value: TemplateValue
      for (const next of rest) {
        value = this.#operand(next, dot, variables)
        if (isTruthy(value) === (operand.name === 'or')) return value
      }
      return piped.length > 0 ? piped[0] : value
    }
    const values = [...rest.map((next) => this.#operand(next, dot, variables)), ...piped]
    return this.#operand(operand, dot, variables, values)
  }

  #operand(
    operand: Operand,
    dot: TemplateValue,
    variables: Variables,
    values: readonly TemplateValue[] = [],
  ): TemplateValue {
    switch (operand.kind) {
      case 'literal':
        return withoutValues(operand.value, values)
      case 'nil':
        return withoutValues(null, values)
      case 'dot':
        return withoutValues(dot, values)
      case 'field':
        return follow(dot, operand.path, values)
      case 'variable': {
        const variable = variables.findLast(({ name }) => name === operand.name)
        if (!variable) throw templateError(`undefined variable ${operand.name}`)
        return follow(variable.value, operand.path, values)
      }
      case 'pipeline':
        return follow(this.#pipeline(operand.pipeline, dot, variables), operand.path, values)
      case 'function':
        return this.#functions[operand.name]!(...values)
    }
  }

  #write(text: string): void {
    this.#output += text
    if (this.#output.length > outputCharactersMax) throw templateError('the text grows too long')
  }

  #step(): void {
    if (++this.#steps > stepsMax) throw templateError('the template takes too many steps')
  }
}

function rangeOf(value: TemplateValue): [TemplateValue, TemplateValue][] {
  if (value === null || value === undefined) return []
  if (value instanceof TemplateList) return value.items.map((item, index) => [index, item])
  if (value instanceof TemplateObject && value.isMap)
    return [...value.entries].sort(([a], [b]) => (a < b ? -1 : 1))
  if (typeof value === 'number' && value <= stepsMax)
    return Array.from({ length: Math.max(0, Math.floor(value)) }, (_, index) => [index, index])
  throw templateError(`range can't iterate over ${typeName(value)}`)
}

/** Fields and methods one after the other; the last one gets the values. */
function follow(
  start: TemplateValue,
  path: readonly string[],
  values: readonly TemplateValue[],
): TemplateValue {
  let value = start
  for (const [index, name] of path.entries()) {
    const given = index === path.length - 1 ? values : []
    const method =
      value instanceof TemplateObject || value instanceof TemplateList
        ? value.methods.get(name)
        : undefined
    if (method) {
      value = method(...given)
      continue
    }
    if (!(value instanceof TemplateObject))
      throw templateError(`can't evaluate field ${name} in ${typeName(value)}`)
    if (!value.entries.has(name) && !value.isMap)
      throw templateError(`can't evaluate field ${name} in type ${value.type}`)
    value = withoutValues(value.entries.has(name) ? value.entries.get(name) : '', given)
  }
  return path.length === 0 ? withoutValues(value, values) : value
}

function withoutValues(value: TemplateValue, values: readonly TemplateValue[]): TemplateValue {
  if (values.length > 0) throw templateError(`can't give a value to ${typeName(value)}`)
  return value
}
