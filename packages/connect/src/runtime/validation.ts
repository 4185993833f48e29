import { commonPrefixes, kindSpecs, strayOptions } from '../config/common.ts'
import type { ConfigMap } from '../config/fields.ts'
import { type ConfigInfo, type ConfigKeyInfo, unknownOption } from '../config/spec.ts'
import { converterFor, headerConverterFor } from '../converters/index.ts'
import { ConnectError } from '../errors.ts'
import type { ConnectorPlugin, SourcePlugin } from '../plugin.ts'
import { transformProblem, validateTransforms } from '../transforms/chain.ts'

/** The answer of `validate`, as REST gives it. */
export interface ConfigInfos {
  name: string
  error_count: number
  groups: string[]
  configs: ConfigInfo[]
}

/** Checks a whole configuration: options by themselves, together, and those that nobody knows. */
export function validateConfig(
  plugin: ConnectorPlugin,
  config: ConfigMap,
  worker: ConfigMap,
  hasExactlyOnce: boolean,
): ConfigInfos {
  const kind = kindSpecs[plugin.kind]
  const infos = [
    ...kind.validate(config),
    ...validateTransforms(config),
    ...plugin.spec.validate(config),
  ]
  const byName = new Map(infos.map((info) => [info.value.name, info]))
  const addError = (option: string, error: string): void => {
    const info = byName.get(option)
    if (info && !info.value.errors.includes(error)) info.value.errors.push(error)
  }

  for (const option of Object.keys(config)) {
    if (byName.has(option) || strayOptions.has(option)) continue
    const family = plugin.prefixes?.find(({ prefix }) => option.startsWith(prefix))
    if (family?.unsupported !== undefined)
      infos.push(withError(option, `not supported yet: ${family.unsupported}`))
    else if (!family && !isCommon(option, config))
      infos.push(unknownOption(option, [...kind.names, ...plugin.spec.names]))
  }
  if (plugin.kind === 'sink') checkTopics(config, addError)
  else checkExactlyOnce(plugin, config, hasExactlyOnce, addError)
  const hasTransformErrors = infos.some(
    ({ value }) => /^(transforms|predicates)\./.test(value.name) && value.errors.length > 0,
  )
  checkParts(config, worker, hasTransformErrors, addError)
  if (infos.every((info) => info.value.errors.length === 0))
    for (const { option, error } of plugin.check?.(config) ?? []) addError(option, error)

  const groups = new Set(infos.map((info) => info.definition.group).filter((name) => name !== null))
  return {
    name: config['connector.class'] ?? plugin.className,
    error_count: infos.reduce((count, info) => count + info.value.errors.length, 0),
    groups: [...groups],
    configs: infos,
  }
}

/** @throws ConnectError `CONNECT_BAD_REQUEST` that lists every error, as Java's worker does. */
export function requireValid({ error_count: errorCount, configs }: ConfigInfos): void {
  if (errorCount === 0) return
  const errors = configs.flatMap((info) => info.value.errors)
  throw new ConnectError(
    'CONNECT_BAD_REQUEST',
    `Connector configuration is invalid and contains the following ${errorCount} error(s):\n${errors.join('\n')}\nYou can also find the above list of errors at the endpoint \`/connector-plugins/{connectorType}/config/validate\``,
  )
}

function isCommon(option: string, config: ConfigMap): boolean {
  const prefix = commonPrefixes.find((item) => option.startsWith(item))
  if (prefix === undefined) return false
  if (prefix !== 'transforms.' && prefix !== 'predicates.') return true
  // Options of an alias that is not listed are never read.
  const alias = option.slice(prefix.length).split('.')[0] ?? ''
  const listed = (config[prefix.slice(0, -1)] ?? '').split(',').map((name) => name.trim())
  return listed.includes(alias) && option.endsWith('.plugin.version')
}

function withError(option: string, error: string): ConfigInfo {
  const info = unknownOption(option, [])
  info.value.errors = [error]
  return info
}

function checkTopics(config: ConfigMap, addError: (option: string, error: string) => void): void {
  const topics = (config.topics ?? '').trim()
  const regex = (config['topics.regex'] ?? '').trim()
  const problem =
    topics === '' && regex === ''
      ? 'Must configure one of topics or topics.regex'
      : topics !== '' && regex !== ''
        ? '"topics" and "topics.regex" are mutually exclusive options, but both are set.'
        : undefined
  if (problem !== undefined) {
    addError('topics', problem)
    addError('topics.regex', problem)
    return
  }
  const letters = config['errors.deadletterqueue.topic.name'] ?? ''
  if (letters !== '' && topics.split(',').some((topic) => topic.trim() === letters))
    addError(
      'topics',
      `The DLQ topic '${letters}' may not be included in the list of topics ("topics"=${topics}) consumed by the connector`,
    )
}

/** What a source cannot give of what is asked for, in the words of Java's workers. */
function checkExactlyOnce(
  plugin: SourcePlugin,
  config: ConfigMap,
  hasExactlyOnce: boolean,
  addError: (option: string, error: string) => void,
): void {
  const isAsked = (option: string, choice: string): boolean =>
    (config[option] ?? '').trim().toLowerCase() === choice
  // Where the source's own options are wrong, that is said, and nothing that follows from it.
  const ask = <Answer>(question: ((config: ConfigMap) => Answer) | undefined) => {
    try {
      return question?.(config)
    } catch {
      return undefined
    }
  }
  if (isAsked('exactly.once.support', 'required')) {
    const supports = ask(plugin.isExactlyOnce)
    if (!hasExactlyOnce)
      addError(
        'exactly.once.support',
        'This worker does not have exactly-once source support enabled.',
      )
    else if (supports === undefined)
      addError(
        'exactly.once.support',
        'The connector does not implement the API required for preflight validation of exactly-once source support. Please consult the documentation for the connector to determine whether it supports exactly-once semantics, and then consider reconfiguring the connector to use the value "requested" for this property (which will disable this preflight check and allow the connector to be created).',
      )
    else if (!supports)
      addError(
        'exactly.once.support',
        'The connector does not support exactly-once semantics with the provided configuration.',
      )
  }
  if (isAsked('transaction.boundary', 'connector') && ask(plugin.definesTransactions) !== true)
    addError(
      'transaction.boundary',
      'The connector does not support connector-defined transaction boundaries with the given configuration. Please reconfigure it to use a different transaction boundary definition.',
    )
}

function checkParts(
  config: ConfigMap,
  worker: ConfigMap,
  /** What is wrong about an option of a transform is said at that option already. */
  hasTransformErrors: boolean,
  addError: (option: string, error: string) => void,
): void {
  for (const option of ['key.converter', 'value.converter'] as const)
    check(() => converterFor(option, config, worker), option)
  check(() => headerConverterFor(config, worker), 'header.converter')
  const problem = transformProblem(config)
  if (problem && !hasTransformErrors) addError('transforms', problem.message)

  function check(make: () => unknown, option: string): void {
    try {
      make()
    } catch (error) {
      if (error instanceof ConnectError) addError(option, error.message)
      else throw error
    }
  }
}

/** All options of a plugin, as `GET /connector-plugins/{name}/config` lists them. */
export function definitionsOf(plugin: ConnectorPlugin): ConfigKeyInfo[] {
  return [...plugin.spec.definitions(), ...kindSpecs[plugin.kind].definitions()]
}
