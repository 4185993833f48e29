import { commonPrefixes, kindSpecs, strayOptions } from '../config/common.ts'
import type { ConfigMap } from '../config/fields.ts'
import { type ConfigInfo, type ConfigKeyInfo, unknownOption } from '../config/spec.ts'
import { converterFor, headerConverterFor } from '../converters/index.ts'
import { ConnectError } from '../errors.ts'
import type { ConnectorPlugin } from '../plugin.ts'
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
