import path from 'node:path'
import { CodedError, SettingsError } from '@khlong/core'
import { type AddressBook, wiringKeys } from '../config/address-book.ts'
import { partNames } from '../config/part-names.ts'
import { type Pipeline, partSettings } from '../config/pipeline.ts'
import { settingsSourceMark } from '../host/local-thread.ts'
import type { PartDefinition } from './definition.ts'
import { partDefinitions } from './definitions.ts'
import { makePart } from './load.ts'

/** What a part is given: its section of `khlong.yml`, wired with addresses and folders. */
export function wiredSettings(
  definition: PartDefinition,
  pipeline: Pipeline,
  book: AddressBook,
): Record<string, unknown> {
  const { name } = definition
  const address = book.parts[name]
  const written = { ...(partSettings(pipeline, name) || {}) }
  for (const key of wiringKeys(name)) delete written[key]
  return definition.settings(written, {
    pipeline,
    book,
    data: path.join(pipeline.data, name),
    listeners: address.kind === 'embedded' ? address.listeners : {},
    path: (value, fallback) =>
      path.resolve(pipeline.folder, typeof value === 'string' ? value : fallback),
  })
}

/**
 * Checks the settings of every embedded part by its own rules; opens nothing.
 *
 * @throws SettingsError with file, line and key of the first that cannot be
 */
export async function checkPartSettings(pipeline: Pipeline, book: AddressBook): Promise<void> {
  for (const definition of partDefinitions) {
    if (book.parts[definition.name].kind !== 'embedded') continue
    try {
      const settings = wiredSettings(definition, pipeline, book)
      await makePart(definition.name, settings, { name: settingsSourceMark }, {})
    } catch (error) {
      throw locateSettingsError(error, pipeline)
    }
  }
}

/** Puts file and line into a part's error about its settings; other errors stay as they are. */
export function locateSettingsError(error: unknown, pipeline: Pipeline): unknown {
  if (!(error instanceof CodedError) || error.code !== 'SETTINGS_INVALID') return error
  const key = String(error.fields.key ?? '')
  const prefix = `${settingsSourceMark}: ${key || '(top level)'}: `
  if (!error.message.startsWith(prefix)) return error
  const { settings } = pipeline
  const part = partNames.find((name) => settings.isWritten([name, key]))
  // What is missing stands nowhere.
  if (!part)
    return new SettingsError(
      `${settings.source([]).name}: ${error.message.slice(`${settingsSourceMark}: `.length)}`,
      { file: settings.source([]).name, key },
    )
  const source = settings.source([part, key])
  const line = source.line?.([part, key])
  return new SettingsError(
    `${settings.where([part, key])}: ${part}.${key}: ${error.message.slice(prefix.length)}`,
    { file: source.name, key: `${part}.${key}`, ...(line === undefined ? {} : { line }) },
  )
}
