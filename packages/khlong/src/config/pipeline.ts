import { readFile, stat } from 'node:fs/promises'
import path from 'node:path'
import { nearestKey, SettingsError } from '@khlong/core'
import { KhlongError } from '../errors.ts'
import { type DiskSettings, readDiskSettings } from './disk-settings.ts'
import { type PartName, partNames } from './part-names.ts'
import { SettingsTree } from './settings-tree.ts'

/** A pipeline folder, read: what `khlong.yml`, its overlay and `--set` say together. */
export interface Pipeline {
  readonly name: string
  /** The folder that holds `khlong.yml`; relative paths in it start here. */
  readonly folder: string
  /** Where all parts keep their data. */
  readonly data: string
  /** `file:line: data` where a file says so; undefined where `--data` or nobody does. */
  readonly dataWritten?: string | undefined
  /** Whether MQTT and the console are open to the local network. */
  readonly lan: boolean
  /** Host names that files of the pipeline use, by part or address: `{mosquitto: 'mqtt'}`. */
  readonly hosts: Readonly<Record<string, string>>
  /** How much may be kept, and for how long. */
  readonly disk: DiskSettings
  /** Settings of each part as written; a part that is left out has none. */
  readonly settings: SettingsTree
}

export interface ReadPipelineOptions {
  folder: string
  /** Overrides `data:`. */
  data?: string
  /** `section.key=value`, in order; the last one wins. */
  set?: readonly string[]
  /** Lays `khlong.demo.yml` over `khlong.yml`. */
  demo?: boolean
  /** Overrides `lan:`. */
  lan?: boolean
}

const topKeys: readonly string[] = ['name', 'data', 'hosts', 'lan', 'disk', ...partNames]

/**
 * Reads a pipeline folder. A missing `khlong.yml` means defaults throughout.
 *
 * @throws KhlongError `KHLONG_PIPELINE_MISSING` where there is no such folder
 * @throws SettingsError with file, line and key where something in it cannot be
 */
export async function readPipeline(options: ReadPipelineOptions): Promise<Pipeline> {
  const folder = path.resolve(options.folder)
  if (!(await isFolder(folder)))
    throw new KhlongError(
      'KHLONG_PIPELINE_MISSING',
      `there is no pipeline folder ${folder}; make one with: khlong init ${options.folder}`,
    )
  const settings = new SettingsTree()
  await layFile(settings, folder, 'khlong.yml', false)
  if (options.demo) await layFile(settings, folder, 'khlong.demo.yml', true)
  for (const assignment of options.set ?? []) await settings.assign(assignment)
  checkTopLevel(settings)
  const lan = options.lan ?? settings.value(['lan']) ?? false
  if (typeof lan !== 'boolean')
    throw new SettingsError(`${settings.where(['lan'])}: lan: expected true or false`, {
      key: 'lan',
    })
  const data = options.data ?? settings.text(['data']) ?? './data'
  return {
    name: settings.text(['name']) ?? path.basename(folder),
    folder,
    data: options.data === undefined ? path.resolve(folder, data) : path.resolve(data),
    dataWritten:
      options.data === undefined && settings.isWritten(['data'])
        ? `${settings.where(['data'])}: data`
        : undefined,
    lan,
    hosts: settings.textMap(['hosts']),
    disk: readDiskSettings(settings),
    settings,
  }
}

async function layFile(
  settings: SettingsTree,
  folder: string,
  name: string,
  required: boolean,
): Promise<void> {
  const file = path.join(folder, name)
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' && !required) return undefined
    throw new KhlongError('KHLONG_PIPELINE_MISSING', `cannot read ${file}`, { cause: error })
  })
  if (text !== undefined) await settings.layYaml(path.relative(process.cwd(), file) || name, text)
}

function checkTopLevel(settings: SettingsTree): void {
  for (const key of settings.keys([])) {
    const source = settings.source([key])
    const line = source.line?.([key])
    const where = line === undefined ? source.name : `${source.name}:${line}`
    const fields = { file: source.name, key, ...(line === undefined ? {} : { line }) }
    if (!topKeys.includes(key)) {
      const nearest = nearestKey(key, topKeys)
      throw new SettingsError(
        `${where}: ${key}: unknown section${nearest ? `; did you mean ${nearest}?` : ''}`,
        fields,
      )
    }
    if (key === 'disk') {
      const value = settings.value([key])
      if (value !== null && (typeof value !== 'object' || Array.isArray(value)))
        throw new SettingsError(
          `${where}: disk: expected settings such as { budget: 20GB }`,
          fields,
        )
    }
    if ((partNames as readonly string[]).includes(key)) {
      const value = settings.value([key])
      const ok =
        value === null || value === false || (typeof value === 'object' && !Array.isArray(value))
      if (!ok)
        throw new SettingsError(
          `${where}: ${key}: expected settings such as { listen: PORT }, or false to leave the part out`,
          fields,
        )
    }
  }
}

/** The settings of one part as written; undefined where it has none, `false` where it is left out. */
export function partSettings(
  pipeline: Pipeline,
  part: PartName,
): Record<string, unknown> | false | undefined {
  const value = pipeline.settings.value([part])
  if (value === undefined || value === null) return value === null ? {} : undefined
  return value as Record<string, unknown> | false
}

async function isFolder(folder: string): Promise<boolean> {
  return (await stat(folder).catch(() => undefined))?.isDirectory() ?? false
}
