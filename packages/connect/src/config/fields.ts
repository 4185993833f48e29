import { ConnectError } from '../errors.ts'

/** A connector's configuration as REST and files carry it: every value is text. */
export type ConfigMap = Readonly<Record<string, string>>

export type FieldType =
  | 'BOOLEAN'
  | 'STRING'
  | 'INT'
  | 'LONG'
  | 'DOUBLE'
  | 'LIST'
  | 'CLASS'
  | 'PASSWORD'

export type Importance = 'HIGH' | 'MEDIUM' | 'LOW'

/** One option of a connector, converter, transform or predicate. */
export interface ConfigField<T> {
  readonly type: FieldType
  /** Text of the default as `validate` shows it; undefined means that the option is required. */
  readonly defaultText: string | null | undefined
  readonly doc: string
  readonly importance: Importance
  readonly group: string | undefined
  readonly choices: readonly string[]
  /** Why an option of the Java connector is accepted and has no effect here. */
  readonly ignored: string | undefined
  /** Why an option of the Java connector is refused when it is set to anything but its default. */
  readonly unsupported: string | undefined
  /** @throws Error with what is wrong about the text. */
  parse(text: string): T
  /** The value where the option is not written. */
  readonly defaultValue: T
}

interface FieldOptions<T> {
  readonly default?: T
  /** Not required, and without a value where it is not written. */
  readonly optional?: boolean
  readonly importance?: Importance
  readonly group?: string
  readonly choices?: readonly string[]
  /** Whether a choice may be written in capitals. */
  readonly isCaseIgnored?: boolean
  readonly ignored?: string
  readonly unsupported?: string
  /** Says what is wrong about a value; undefined where it is right. */
  readonly check?: (value: T) => string | undefined
}

type Required<T> = FieldOptions<T> & { optional?: false }
type Optional<T> = FieldOptions<T> & { optional: true }

function build<T>(
  type: FieldType,
  doc: string,
  options: FieldOptions<T>,
  read: (text: string) => T,
): ConfigField<T> {
  const { default: value, optional, choices = [], check } = options
  return {
    type,
    doc,
    defaultText: value === undefined ? (optional ? null : undefined) : textOf(value),
    defaultValue: value as T,
    importance: options.importance ?? 'MEDIUM',
    group: options.group,
    choices,
    ignored: options.ignored,
    unsupported: options.unsupported,
    parse: (text) => {
      const parsed = read(options.isCaseIgnored ? text.toLowerCase() : text)
      if (choices.length > 0 && !choices.includes(String(parsed)))
        throw new ConnectError(
          'CONNECT_CONFIG',
          options.isCaseIgnored
            ? `String must be one of (case insensitive): ${choices.join(', ').toUpperCase()}`
            : `String must be one of: ${choices.join(', ')}`,
        )
      const wrong = check?.(parsed)
      if (wrong !== undefined) throw new ConnectError('CONNECT_CONFIG', wrong)
      return parsed
    },
  }
}

const textOf = (value: unknown): string => (Array.isArray(value) ? value.join(',') : String(value))

const readText = (text: string): string => text.trim()

function readInteger(kind: string, min: number, max: number): (text: string) => number {
  return (text) => {
    const value = Number(text.trim())
    if (!/^[+-]?\d+$/.test(text.trim()) || value < min || value > max)
      throw new ConnectError('CONNECT_CONFIG', `Not a number of type ${kind}`)
    return value
  }
}

function readBoolean(text: string): boolean {
  const lower = text.trim().toLowerCase()
  if (lower !== 'true' && lower !== 'false')
    throw new ConnectError('CONNECT_CONFIG', 'Expected value to be either true or false')
  return lower === 'true'
}

function readDouble(text: string): number {
  const value = Number(text)
  if (text.trim() === '' || Number.isNaN(value))
    throw new ConnectError('CONNECT_CONFIG', 'Not a number of type DOUBLE')
  return value
}

function readList(text: string): readonly string[] {
  return text.trim() === '' ? [] : text.split(',').map((item) => item.trim())
}

export function string(doc: string, options: Optional<string>): ConfigField<string | undefined>
export function string(doc: string, options?: Required<string>): ConfigField<string>
export function string(doc: string, options: FieldOptions<string> = {}): ConfigField<string> {
  return build('STRING', doc, options, readText)
}

export function password(doc: string, options: Optional<string>): ConfigField<string | undefined>
export function password(doc: string, options?: Required<string>): ConfigField<string>
export function password(doc: string, options: FieldOptions<string> = {}): ConfigField<string> {
  return build('PASSWORD', doc, options, (text) => text)
}

export function className(doc: string, options: Optional<string>): ConfigField<string | undefined>
export function className(doc: string, options?: Required<string>): ConfigField<string>
export function className(doc: string, options: FieldOptions<string> = {}): ConfigField<string> {
  return build('CLASS', doc, options, readText)
}

export function int(doc: string, options: Optional<number>): ConfigField<number | undefined>
export function int(doc: string, options?: Required<number>): ConfigField<number>
export function int(doc: string, options: FieldOptions<number> = {}): ConfigField<number> {
  return build('INT', doc, options, readInteger('INT', -(2 ** 31), 2 ** 31 - 1))
}

export function long(doc: string, options?: Required<number>): ConfigField<number> {
  return build(
    'LONG',
    doc,
    options ?? {},
    readInteger('LONG', Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER),
  )
}

export function double(doc: string, options?: Required<number>): ConfigField<number> {
  return build('DOUBLE', doc, options ?? {}, readDouble)
}

export function boolean(doc: string, options?: Required<boolean>): ConfigField<boolean> {
  return build('BOOLEAN', doc, options ?? {}, readBoolean)
}

export function list(
  doc: string,
  options: Optional<readonly string[]>,
): ConfigField<readonly string[] | undefined>
export function list(
  doc: string,
  options?: Required<readonly string[]>,
): ConfigField<readonly string[]>
export function list(
  doc: string,
  options: FieldOptions<readonly string[]> = {},
): ConfigField<readonly string[]> {
  return build('LIST', doc, options, readList)
}

/** An option of the Java connector that has no meaning here, with the reason. */
export function ignored(reason: string): ConfigField<string | undefined> {
  return string(`Accepted and without effect: ${reason}.`, {
    optional: true,
    importance: 'LOW',
    ignored: reason,
  })
}

/** An option of the Java connector that is refused unless it says what we do anyway. */
export function unsupported(what: string, ...harmless: string[]): ConfigField<string | undefined> {
  return string(`Not supported yet: ${what}.`, {
    optional: true,
    importance: 'LOW',
    unsupported: what,
    check: (value) =>
      value === '' || harmless.includes(value) ? undefined : `not supported yet: ${what}`,
  })
}
