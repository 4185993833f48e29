import { type PartName, partNames } from '../config/part-names.ts'
import { KhlongError } from '../errors.ts'

/** The formats of one part's files in a backup. */
export interface PartFormats {
  readonly name: PartName
  readonly formats: Readonly<Record<string, number>>
}

/** What a backup says of itself before its files. */
export interface Manifest {
  readonly format: 'khlong-backup'
  /** The Khlong that wrote it. */
  readonly khlong: string
  /** The pipeline's name. */
  readonly name: string
  /** All that was acknowledged before this moment is in the backup. */
  readonly cutMs: number
  /** Whether the pipeline ran. */
  readonly isRunning: boolean
  /** How long nothing was acknowledged while the parts were cut. */
  readonly heldMs: number
  readonly parts: readonly PartFormats[]
  /** Parts that run elsewhere: their data are not in it. */
  readonly elsewhere: readonly string[]
}

/** @throws KhlongError `KHLONG_BACKUP_DAMAGED` where it is not what a backup says of itself */
export function parseManifest(text: string): Manifest {
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch {
    json = undefined
  }
  if (!isManifest(json))
    throw new KhlongError('KHLONG_BACKUP_DAMAGED', 'the backup does not say what it holds')
  return json
}

function isManifest(json: unknown): json is Manifest {
  const { format, khlong, name, cutMs, isRunning, heldMs, parts, elsewhere } = fieldsOf(json)
  return (
    format === 'khlong-backup' &&
    typeof khlong === 'string' &&
    typeof name === 'string' &&
    Number.isSafeInteger(cutMs) &&
    typeof isRunning === 'boolean' &&
    Number.isSafeInteger(heldMs) &&
    Array.isArray(parts) &&
    parts.every(isPartFormats) &&
    Array.isArray(elsewhere) &&
    elsewhere.every((item) => typeof item === 'string')
  )
}

function isPartFormats(json: unknown): json is PartFormats {
  const { name, formats } = fieldsOf(json)
  return (
    (partNames as readonly unknown[]).includes(name) &&
    Object.values(fieldsOf(formats)).every(Number.isSafeInteger)
  )
}

function fieldsOf(json: unknown): Readonly<Record<string, unknown>> {
  return typeof json === 'object' && json !== null ? (json as Record<string, unknown>) : {}
}
