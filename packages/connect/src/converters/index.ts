import type { ConfigMap } from '../config/fields.ts'
import { ConnectError } from '../errors.ts'
import type { Converter, ConverterPlugin } from './converter.ts'
import {
  type HeaderConverter,
  headerConverterOf,
  simpleHeaderConverter,
  simpleHeaderConverterName,
} from './headers.ts'
import { jsonConverter } from './json.ts'
import { byteArrayConverter, primitiveConverters, stringConverter } from './simple.ts'

/** Every converter, by Java's class name and its short forms (`JsonConverter`, `Json`). */
export const converterPlugins: readonly ConverterPlugin[] = [
  byteArrayConverter,
  jsonConverter,
  stringConverter,
  ...primitiveConverters,
]

/** @throws ConnectError `CONNECT_CONFIG` where no converter has this class name. */
export function findConverter(option: string, className: string): ConverterPlugin {
  const found = converterPlugins.find(
    (plugin) =>
      plugin.className === className ||
      plugin.className.endsWith(`.${className}`) ||
      plugin.className.endsWith(`.${className}Converter`),
  )
  if (found) return found
  throw new ConnectError(
    'CONNECT_CONFIG',
    `Invalid value ${className} for configuration ${option}: Class ${className} could not be found.`,
  )
}

/** The options of a converter: all that begin with its prefix, without it. */
export function optionsUnder(config: ConfigMap, prefix: string): ConfigMap {
  const options: Record<string, string> = {}
  for (const [name, value] of Object.entries(config))
    if (name.startsWith(prefix)) options[name.slice(prefix.length)] = value
  return options
}

/** The converter for `key.converter` or `value.converter`: the connector's own or the worker's. */
export function converterFor(
  option: 'key.converter' | 'value.converter',
  connector: ConfigMap,
  worker: ConfigMap,
): Converter {
  const source = connector[option] === undefined ? worker : connector
  const className = source[option] ?? jsonConverter.className
  const plugin = findConverter(option, className)
  return plugin.create(optionsUnder(source, `${option}.`), option === 'key.converter')
}

export function headerConverterFor(connector: ConfigMap, worker: ConfigMap): HeaderConverter {
  const source = connector['header.converter'] === undefined ? worker : connector
  const className = source['header.converter'] ?? simpleHeaderConverterName
  if (simpleHeaderConverterName.endsWith(className)) return simpleHeaderConverter
  const plugin = findConverter('header.converter', className)
  return headerConverterOf(plugin, optionsUnder(source, 'header.converter.'))
}
