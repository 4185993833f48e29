import { nearestKey, SettingsError } from '@khlong/core'
import type { SettingsTree } from './settings-tree.ts'

/** What a pipeline may keep: the section `disk` of `khlong.yml`. */
export interface DiskSettings {
  /** How much the data may take: bytes, or a share of the disk from 0 to 1. */
  readonly budget: { readonly bytes: number } | { readonly share: number }
  /** Documents that go after a time, by a date in them. */
  readonly expire: readonly DocumentExpiry[]
}

/** A collection whose documents go when the date in `field` is older than `afterSeconds`. */
export interface DocumentExpiry {
  readonly database: string
  readonly collection: string
  readonly field: string
  readonly afterSeconds: number
}

const defaultBudget = '80%'
const keys = ['budget', 'expire']
const expiryKeys = ['field', 'after']

const unitBytes: Readonly<Record<string, number>> = {
  '': 1,
  B: 1,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
  KIB: 2 ** 10,
  MIB: 2 ** 20,
  GIB: 2 ** 30,
  TIB: 2 ** 40,
}
const unitSeconds: Readonly<Record<string, number>> = {
  s: 1,
  m: 60,
  h: 3_600,
  d: 86_400,
  w: 604_800,
  y: 31_536_000,
}

/** @throws SettingsError with file, line and key */
export function readDiskSettings(settings: SettingsTree): DiskSettings {
  for (const key of settings.keys(['disk'])) checkKey(settings, ['disk', key], keys)
  const written = settings.value(['disk', 'budget']) ?? defaultBudget
  const budget = budgetOf(written)
  if (!budget)
    throw problem(
      settings,
      ['disk', 'budget'],
      'expected a size such as 20GB, or a share such as 80%',
    )
  return {
    budget,
    expire: settings.keys(['disk', 'expire']).map((namespace) => expiryOf(settings, namespace)),
  }
}

function budgetOf(written: unknown): DiskSettings['budget'] | undefined {
  const [, digits] = /^(\d+(?:\.\d+)?)\s*%$/.exec(String(written).trim()) ?? []
  if (digits !== undefined) {
    const percent = Number(digits)
    return percent > 0 && percent <= 100 ? { share: percent / 100 } : undefined
  }
  const bytes = bytesOf(written)
  return bytes === undefined ? undefined : { bytes }
}

/** Bytes of a size such as `20GB`, `512 MiB` or a bare number; undefined where it is none above zero. */
export function bytesOf(written: unknown): number | undefined {
  const match = /^(\d+(?:\.\d+)?)\s*([KMGT]?i?B)?$/i.exec(String(written).trim())
  if (!match) return undefined
  const [, digits, unit = ''] = match
  const bytes = Number(digits) * unitBytes[unit.toUpperCase()]!
  return bytes > 0 ? bytes : undefined
}

function expiryOf(settings: SettingsTree, namespace: string): DocumentExpiry {
  const path = ['disk', 'expire', namespace]
  for (const key of settings.keys(path)) checkKey(settings, [...path, key], expiryKeys)
  const [, database, collection] = /^([^.]+)\.(.+)$/.exec(namespace) ?? []
  if (database === undefined || collection === undefined)
    throw problem(settings, path, 'expected DATABASE.COLLECTION')
  const field = settings.text([...path, 'field'])
  if (field === undefined || field === '') throw problem(settings, path, 'expected a field')
  const [, count, unit] = /^(\d+)([smhdwy])$/.exec(settings.text([...path, 'after']) ?? '') ?? []
  const afterSeconds = Number(count) * (unitSeconds[unit ?? ''] ?? Number.NaN)
  // What MongoDB takes at most.
  if (!(afterSeconds > 0 && afterSeconds <= 2_147_483_647))
    throw problem(settings, [...path, 'after'], 'expected a time such as 30d, 52w or 2y')
  return { database, collection, field, afterSeconds }
}

function checkKey(settings: SettingsTree, path: readonly string[], known: readonly string[]): void {
  const key = path.at(-1)!
  if (known.includes(key)) return
  const nearest = nearestKey(key, known)
  throw problem(settings, path, `unknown key${nearest ? `; did you mean ${nearest}?` : ''}`)
}

function problem(settings: SettingsTree, path: readonly string[], what: string): SettingsError {
  const key = path.join('.')
  return new SettingsError(`${settings.where(path)}: ${key}: ${what}`, { key })
}
