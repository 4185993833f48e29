import { nearestKey } from '@khlong/core'
import { ConnectError } from '../errors.ts'
import type { ConfigField, ConfigMap } from './fields.ts'

export type ConfigFields = Readonly<Record<string, ConfigField<unknown>>>

/** The values of options by name, typed by their fields. */
export type ConfigValues<F extends ConfigFields> = {
  readonly [Name in keyof F]: F[Name] extends ConfigField<infer T> ? T : never
}

/** One option as REST shows it. */
export interface ConfigInfo {
  definition: ConfigKeyInfo
  value: ConfigValueInfo
}

export interface ConfigKeyInfo {
  name: string
  type: string
  required: boolean
  default_value: string | null
  importance: string
  documentation: string
  group: string | null
  width: string
  display_name: string
  dependents: string[]
  order_in_group: number
}

export interface ConfigValueInfo {
  name: string
  value: string | null
  recommended_values: string[]
  errors: string[]
  visible: boolean
}

/** All options of one kind of thing: parsing, validation and the reference page follow from it. */
export class ConfigSpec<F extends ConfigFields = ConfigFields> {
  readonly fields: F
  /** The heading that `validate` puts the options under. */
  readonly group: string | null

  constructor(fields: F, group: string | null) {
    this.fields = fields
    this.group = group
  }

  get names(): string[] {
    return Object.keys(this.fields)
  }

  /**
   * Reads options from `config`, which has them under `prefix`.
   *
   * @throws ConnectError `CONNECT_CONFIG` with the first thing that is wrong.
   */
  parse(config: ConfigMap, prefix = ''): ConfigValues<F> {
    const values: Record<string, unknown> = {}
    for (const [name, field] of Object.entries(this.fields)) {
      const [value, error] = readField(prefix + name, field, config[prefix + name])
      if (error !== undefined) throw new ConnectError('CONNECT_CONFIG', error)
      values[name] = value
    }
    return values as ConfigValues<F>
  }

  /** What `validate` says of each option, in the order of the fields. */
  validate(config: ConfigMap, prefix = ''): ConfigInfo[] {
    return Object.entries(this.fields).map(([name, field], index) => {
      const fullName = prefix + name
      const [value, error] = readField(fullName, field, config[fullName])
      const text = config[fullName] ?? field.defaultText ?? null
      return {
        definition: keyInfo(fullName, field, field.group ?? this.group, index + 1),
        value: {
          name: fullName,
          value:
            field.type === 'PASSWORD' && text !== null
              ? '[hidden]'
              : shownValue(value, text, error),
          recommended_values: [...field.choices],
          errors: error === undefined ? [] : [error],
          visible: true,
        },
      }
    })
  }

  /** The definitions alone, as `GET /connector-plugins/{name}/config` gives them. */
  definitions(): ConfigKeyInfo[] {
    return Object.entries(this.fields).map(([name, field], index) =>
      keyInfo(name, field, field.group ?? this.group, index + 1),
    )
  }
}

/** How an option that nobody knows is reported. */
export function unknownOption(name: string, known: Iterable<string>): ConfigInfo {
  const nearest = nearestKey(name, known)
  const error = `Configuration is not defined: ${name}${nearest ? `; did you mean ${nearest}?` : ''}`
  return {
    definition: {
      name,
      type: 'STRING',
      required: false,
      default_value: null,
      importance: 'LOW',
      documentation: '',
      group: null,
      width: 'NONE',
      display_name: name,
      dependents: [],
      order_in_group: -1,
    },
    value: { name, value: null, recommended_values: [], errors: [error], visible: true },
  }
}

function readField(
  name: string,
  field: ConfigField<unknown>,
  text: string | undefined,
): [value: unknown, error?: string] {
  if (text === undefined) {
    if (field.defaultText === undefined)
      return [undefined, `Missing required configuration "${name}" which has no default value.`]
    return [field.defaultValue]
  }
  try {
    return [field.parse(text)]
  } catch (error) {
    const shown = field.type === 'PASSWORD' ? '[hidden]' : text
    return [
      undefined,
      `Invalid value ${shown} for configuration ${name}: ${(error as Error).message}`,
    ]
  }
}

function shownValue(value: unknown, text: string | null, error: string | undefined): string | null {
  if (error !== undefined) return text
  if (value === undefined) return null
  return Array.isArray(value) ? value.join(',') : String(value)
}

function keyInfo(
  name: string,
  field: ConfigField<unknown>,
  group: string | null,
  order: number,
): ConfigKeyInfo {
  return {
    name,
    type: field.type,
    required: field.defaultText === undefined,
    default_value: field.defaultText ?? null,
    importance: field.importance,
    documentation: field.doc,
    group,
    width: 'MEDIUM',
    display_name: name,
    dependents: [],
    order_in_group: order,
  }
}
