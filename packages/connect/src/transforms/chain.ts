import { boolean, type ConfigMap, string } from '../config/fields.ts'
import { type ConfigInfo, ConfigSpec } from '../config/spec.ts'
import { optionsUnder } from '../converters/index.ts'
import type { ConnectRecord } from '../data/record.ts'
import { ConnectError } from '../errors.ts'
import { fieldTransforms } from './fields.ts'
import { type Predicate, type PredicatePlugin, predicatePlugins } from './predicates.ts'
import { recordTransforms } from './records.ts'
import type { Transform, TransformPlugin } from './transform.ts'
import { typeTransforms } from './types.ts'

/** Every transform, by Java's class name. */
export const transformPlugins: readonly TransformPlugin[] = [
  ...fieldTransforms,
  ...recordTransforms,
  ...typeTransforms,
]

const aliases = (config: ConfigMap, option: string): string[] =>
  (config[option] ?? '')
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '')

const commonOptions = new ConfigSpec(
  {
    predicate: string('The alias of a predicate that decides whether the transform is applied.', {
      default: '',
    }),
    negate: boolean('Whether the configured predicate should be negated.', { default: false }),
  },
  'Transforms',
)

function find<P extends { className: string }>(
  plugins: readonly P[],
  option: string,
  className: string | undefined,
): P {
  if (className === undefined)
    throw new ConnectError(
      'CONNECT_CONFIG',
      `Missing required configuration "${option}" which has no default value.`,
    )
  const found = plugins.find((plugin) => plugin.className === className)
  if (found) return found
  throw new ConnectError(
    'CONNECT_CONFIG',
    `Invalid value ${className} for configuration ${option}: Class ${className} could not be found.`,
  )
}

/**
 * All transforms of a connector as one, in their order; undefined where it has none.
 *
 * @throws ConnectError `CONNECT_CONFIG`
 */
export function transformChain(config: ConfigMap): Transform | undefined {
  const names = aliases(config, 'transforms')
  if (names.length === 0) return undefined
  const predicates = new Map<string, Predicate>()
  for (const name of aliases(config, 'predicates')) {
    const prefix = `predicates.${name}.`
    const plugin = find(predicatePlugins, `${prefix}type`, config[`${prefix}type`])
    predicates.set(name, plugin.create(optionsUnder(config, prefix)))
  }
  const steps = names.map((name) => {
    const prefix = `transforms.${name}.`
    const plugin = find(transformPlugins, `${prefix}type`, config[`${prefix}type`])
    const options = optionsUnder(config, prefix)
    return guarded(plugin.create(options), commonOptions.parse(options), predicates)
  })
  return <R extends ConnectRecord>(record: R): R | null => {
    let current: R | null = record
    for (const step of steps) {
      current = step(current)
      if (current === null) return null
    }
    return current
  }
}

function guarded(
  transform: Transform,
  options: { predicate: string; negate: boolean },
  predicates: ReadonlyMap<string, Predicate>,
): Transform {
  if (options.predicate === '') return transform
  const predicate = predicates.get(options.predicate)
  if (!predicate)
    throw new ConnectError(
      'CONNECT_CONFIG',
      `Predicate ${options.predicate} is not among the connector's predicates`,
    )
  return (record) => (predicate(record) === options.negate ? record : transform(record))
}

/** What `validate` says of the options of a connector's transforms and predicates. */
export function validateTransforms(config: ConfigMap): ConfigInfo[] {
  return [
    ...validateGroup(config, 'transforms', transformPlugins, commonOptions),
    ...validateGroup(config, 'predicates', predicatePlugins, undefined),
  ]
}

function validateGroup(
  config: ConfigMap,
  option: 'transforms' | 'predicates',
  plugins: readonly (TransformPlugin | PredicatePlugin)[],
  common: ConfigSpec | undefined,
): ConfigInfo[] {
  return aliases(config, option).flatMap((name) => {
    const prefix = `${option}.${name}.`
    const className = config[`${prefix}type`]
    const plugin = plugins.find((item) => item.className === className)
    const group = `${option === 'transforms' ? 'Transforms' : 'Predicates'}: ${name}`
    const typeSpec = new ConfigSpec(
      {
        type: string(
          `Class for the '${name}' ${option === 'transforms' ? 'transformation' : 'predicate'}.`,
          {
            importance: 'HIGH',
            check: (text) => (plugin ? undefined : `Class ${text} could not be found.`),
          },
        ),
      },
      group,
    )
    const infos = typeSpec.validate(config, prefix)
    if (!plugin) return infos
    const own = [
      ...(common?.validate(config, prefix) ?? []),
      ...plugin.spec.validate(config, prefix),
    ]
    for (const info of own) info.definition.group = group
    return [...infos, ...own]
  })
}

/** The reason why a connector's transforms cannot be built; undefined where they can. */
export function transformProblem(config: ConfigMap): ConnectError | undefined {
  try {
    transformChain(config)
    return undefined
  } catch (error) {
    return error as ConnectError
  }
}
