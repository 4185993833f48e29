import type { Document } from 'mongodb'
import type { SinkRecord } from '../../data/record.ts'
import { ConnectError } from '../../errors.ts'
import { allowOnly, block } from './field-projection.ts'

/** What post processors change: the documents that a record's key and value became. */
export interface Processed {
  readonly record: SinkRecord
  /** Undefined where the key is no document. */
  readonly key: Document | undefined
  readonly value: Document
}

export type PostProcessor = (processed: Processed) => void

/** The options that post processors read. */
export interface PostProcessorOptions {
  readonly 'post.processor.chain': readonly string[]
  readonly 'key.projection.type': string
  readonly 'key.projection.list': readonly string[]
  readonly 'value.projection.type': string
  readonly 'value.projection.list': readonly string[]
  readonly 'field.renamer.mapping': string
  readonly 'field.renamer.regexp': string
}

const inJava = (name: string): string => `com.mongodb.kafka.connect.sink.processor.${name}`
const idAdder = inJava('DocumentIdAdder')

/** By Java's class names; their makers read the options. */
type Maker = (options: PostProcessorOptions, addId: PostProcessor) => PostProcessor
const makers: ReadonlyMap<string, Maker> = new Map<string, Maker>([
  [idAdder, (_options, addId) => addId],
  [
    inJava('AllowListKeyProjector'),
    (options) =>
      onKey(options['key.projection.type'], 'allowlist', allowOnly(options['key.projection.list'])),
  ],
  [
    inJava('BlockListKeyProjector'),
    (options) =>
      onKey(options['key.projection.type'], 'blocklist', block(options['key.projection.list'])),
  ],
  [
    inJava('AllowListValueProjector'),
    (options) =>
      onValue(
        options['value.projection.type'],
        'allowlist',
        allowOnly(options['value.projection.list']),
      ),
  ],
  [
    inJava('BlockListValueProjector'),
    (options) =>
      onValue(
        options['value.projection.type'],
        'blocklist',
        block(options['value.projection.list']),
      ),
  ],
  [inJava('KafkaMetaAdder'), () => addKafkaMeta],
  [
    inJava('NullFieldValueRemover'),
    () =>
      ({ value }) =>
        removeNulls(value),
  ],
  [
    inJava('field.renaming.RenameByMapping'),
    (options) => renameBy(mappingOf(options['field.renamer.mapping'])),
  ],
  [
    inJava('field.renaming.RenameByRegex'),
    (options) => renameBy(patternsOf(options['field.renamer.regexp'])),
  ],
])

export const postProcessorNames: ReadonlySet<string> = new Set(makers.keys())

/**
 * The chain of the options, in its order. `addId` is where DocumentIdAdder stands, which comes first
 * where it is not named, as in Java.
 *
 * @throws ConnectError `CONNECT_CONFIG`
 */
export function postProcessors(
  options: PostProcessorOptions,
  addId: PostProcessor,
): readonly PostProcessor[] {
  const names = options['post.processor.chain']
  const chain = names.includes(idAdder) ? names : [idAdder, ...names]
  return chain.map((name) => makers.get(name)!(options, addId))
}

function onKey(type: string, wanted: string, change: (document: Document) => void): PostProcessor {
  return ({ key }) => {
    if (key && type.toLowerCase() === wanted) change(key)
  }
}

function onValue(
  type: string,
  wanted: string,
  change: (document: Document) => void,
): PostProcessor {
  return ({ value }) => {
    if (type.toLowerCase() === wanted) change(value)
  }
}

const addKafkaMeta: PostProcessor = ({ record, value }) => {
  const { topic, partition, offset, timestamp } = record.origin
  value['topic-partition-offset'] = `${topic}-${partition}-${offset}`
  if (timestamp >= 0) value.CREATE_TIME = timestamp
}

function removeNulls(document: Document): void {
  for (const [name, value] of Object.entries(document))
    if (value === null) delete document[name]
    else if (isPlain(value)) removeNulls(value)
}

/** Gives the new name of a field by its path, `value.a.b`; undefined where it stays. */
export type Renamer = (path: string) => string | undefined

function renameBy(renamer: Renamer): PostProcessor {
  const rename = (document: Document, prefix: string): void => {
    for (const [name, value] of Object.entries(document)) {
      const path = `${prefix}.${name}`
      if (isPlain(value)) rename(value, path)
      const renamed = renamer(path)
      if (renamed === undefined || renamed === name) continue
      delete document[name]
      // What has that name already stays, as in Java.
      if (!(renamed in document)) document[renamed] = value
    }
  }
  return ({ key, value }) => {
    if (key) rename(key, 'key')
    rename(value, 'value')
  }
}

function mappingOf(text: string): Renamer {
  const names = new Map(
    objectsIn('field.renamer.mapping', text, ['oldName', 'newName']).map(
      ({ oldName, newName }) => [oldName!, newName!] as const,
    ),
  )
  return (path) => names.get(path)
}

/** @throws ConnectError `CONNECT_CONFIG` */
export function patternsOf(text: string): Renamer {
  const option = 'field.renamer.regexp'
  const patterns = objectsIn(option, text, ['regexp', 'pattern', 'replace']).map(
    ({ regexp, pattern, replace }) => ({
      regexp: regExp(option, `^(?:${regexp})$`, 'u'),
      pattern: regExp(option, pattern!, 'gu'),
      replace: replace!,
    }),
  )
  return (path) => {
    let renamed: string | undefined
    const name = path.slice(path.lastIndexOf('.') + 1)
    for (const { regexp, pattern, replace } of patterns)
      if (regexp.test(path)) renamed = (renamed ?? name).replace(pattern, replace)
    return renamed
  }
}

function regExp(option: string, source: string, flags: string): RegExp {
  try {
    return new RegExp(source, flags)
  } catch (cause) {
    throw new ConnectError('CONNECT_CONFIG', `${option}: ${(cause as Error).message}`, { cause })
  }
}

/** A JSON list of objects with these texts. @throws ConnectError `CONNECT_CONFIG` */
export function objectsIn(
  option: string,
  text: string,
  names: readonly string[],
): Readonly<Record<string, string>>[] {
  let list: unknown
  try {
    list = JSON.parse(text)
  } catch {
    list = undefined
  }
  const isRight =
    Array.isArray(list) &&
    list.every((item: Record<string, unknown> | null) =>
      names.every((name) => typeof item?.[name] === 'string'),
    )
  if (isRight) return list as Record<string, string>[]
  throw new ConnectError(
    'CONNECT_CONFIG',
    `${option}: expected a JSON list of objects with ${names.join(', ')}`,
  )
}

/** A document within a document; BSON's own types are none. */
function isPlain(value: unknown): value is Document {
  return (
    typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype
  )
}
