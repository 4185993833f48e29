import { readdirSync, readFileSync, statSync } from 'node:fs'
import path from 'node:path'
import { nearestKey, SettingsError } from '@khlong/core'
import type { z } from 'zod'
import { lineError } from './access/access-file-error.ts'
import { accessShape, listenerShape } from './listener-options.ts'

// A mosquitto.conf: `KEY VALUE` a line, comments begin with #. Keys of a listener stand below the
// `listener` line that they are meant for; those above the first one are for the default listener.

/** What one listener of the file is given. */
export interface ConfListener {
  readonly port: number
  /** Undefined means every address of the machine. */
  readonly host: string | undefined
  readonly settings: Record<string, unknown>
  /** `file:line` of a key, or of the listener itself. */
  readonly places: Map<string, Place>
}

/** Where a setting was written. */
export interface Place {
  readonly file: string
  readonly line: number
}

/** A mosquitto.conf with the files that it includes. */
export interface MosquittoConf {
  readonly settings: Record<string, unknown>
  readonly places: Map<string, Place>
  /** Without one the file asks for the default listener, for this machine only. */
  readonly listeners: readonly ConfListener[]
  /** Keys that are about the program around a broker, and mean nothing here. */
  readonly setAside: readonly string[]
  /** The file itself, the folder that it includes, and the files in it. */
  readonly files: readonly string[]
  /** The folder that relative paths in it start from. */
  readonly folder: string
}

/** Which keys a file may hold beside those of listeners. */
export interface ConfKeys {
  /** Settings of the whole broker, with their checks. */
  readonly general: Readonly<Record<string, z.ZodType>>
  readonly unsupported: ReadonlySet<string>
  readonly replaced: Readonly<Record<string, string>>
}

/** Where logs, process and files of Mosquitto itself go: others decide that here. */
const aside: ReadonlySet<string> = new Set(
  `autosave_interval autosave_on_changes connection_messages log_dest log_facility log_timestamp
  log_timestamp_format log_type memory_limit persistence_file persistence_location pid_file
  set_tcp_nodelay user websockets_headers_size websockets_log_level`.split(/\s+/),
)

const listenerKeys: Readonly<Record<string, z.ZodType>> = listenerShape
const accessKeys: Readonly<Record<string, z.ZodType>> = accessShape
const ownKeys = ['bind_address', 'include_dir', 'listener', 'per_listener_settings', 'port']

/**
 * Reads a mosquitto.conf.
 *
 * @throws SettingsError `SETTINGS_INVALID` with file, line and key, and the nearest known key
 */
export function readMosquittoConf(file: string, keys: ConfKeys): MosquittoConf {
  const reader = new ConfReader(path.dirname(path.resolve(file)), keys)
  reader.read(file, readText(file))
  return reader.finish()
}

class ConfReader {
  readonly #folder: string
  readonly #keys: ConfKeys
  readonly #settings: Record<string, unknown> = {}
  readonly #places = new Map<string, Place>()
  readonly #listeners: ConfListener[] = []
  readonly #default: ConfListener & { port: number; host: string | undefined }
  readonly #aside = new Set<string>()
  readonly #files: string[] = []
  #isPerListener = false
  #isIncluded = false

  constructor(folder: string, keys: ConfKeys) {
    this.#folder = folder
    this.#keys = keys
    this.#default = { port: 1883, host: undefined, settings: {}, places: new Map() }
  }

  read(file: string, text: string): void {
    this.#files.push(file)
    for (const [index, written] of text.split('\n').entries()) {
      const line = written.trim()
      if (line === '' || line.startsWith('#')) continue
      const [key = ''] = line.split(/\s/, 1)
      this.#take(key, line.slice(key.length).trim(), { file, line: index + 1 })
    }
  }

  finish(): MosquittoConf {
    const ownPlace = this.#default.places.values().next().value
    const isAsked = this.#default.places.has('port') || this.#default.places.has('bind_address')
    if (ownPlace && !isAsked && this.#listeners.length > 0) {
      const [key] = this.#default.places.keys()
      throw lineError(
        ownPlace.file,
        ownPlace.line,
        'write it below the listener that it is meant for',
        key,
      )
    }
    // Without a listener of its own the file means the default one; its keys go with the general ones.
    if (isAsked) this.#listeners.unshift(this.#default)
    else {
      Object.assign(this.#settings, this.#default.settings)
      for (const [key, place] of this.#default.places) this.#places.set(key, place)
    }
    return {
      settings: this.#settings,
      places: this.#places,
      listeners: this.#listeners,
      setAside: [...this.#aside],
      files: this.#files,
      folder: this.#folder,
    }
  }

  #take(key: string, text: string, place: Place): void {
    const refuse = (what: string): Error => lineError(place.file, place.line, what, key)
    const { general, unsupported, replaced } = this.#keys
    if (aside.has(key)) {
      this.#aside.add(key)
      return
    }
    if (text === '') throw refuse('a value is missing')
    const current = this.#listeners.at(-1) ?? this.#default
    const keep = (
      to: Record<string, unknown>,
      places: Map<string, Place>,
      value: unknown,
    ): void => {
      // It is given once for each of them.
      const former = key === 'websockets_origin' ? (to[key] as unknown[] | undefined) : undefined
      to[key] = former ? [...former, ...(value as unknown[])] : value
      places.set(key, place)
    }
    if (key in listenerKeys) {
      keep(current.settings, current.places, readValue(listenerKeys[key]!, text, refuse))
    } else if (key in accessKeys) {
      const value = readValue(accessKeys[key]!, text, refuse)
      if (this.#isPerListener) keep(current.settings, current.places, value)
      else keep(this.#settings, this.#places, value)
    } else if (ownKeys.includes(key)) this.#structure(key, text, place, refuse)
    else if (key in general)
      keep(this.#settings, this.#places, readValue(general[key]!, text, refuse))
    else if (unsupported.has(key)) {
      const instead = replaced[key]
      throw refuse(instead ? `not supported; ${instead}` : 'not supported yet')
    } else {
      const known = [...Object.keys({ ...listenerKeys, ...accessKeys, ...general }), ...ownKeys]
      const nearest = nearestKey(key, known)
      throw refuse(nearest ? `unknown setting; did you mean ${nearest}?` : 'unknown setting')
    }
  }

  /** Keys that say which listeners and files there are. */
  #structure(key: string, text: string, place: Place, refuse: (what: string) => Error): void {
    if (key === 'per_listener_settings') {
      if (text !== 'true' && text !== 'false') throw refuse('expected true or false')
      const isTold = Object.keys(accessKeys).some((name) => this.#places.has(name))
      if (text === 'true' && isTold) throw refuse('write it above the settings that it is about')
      this.#isPerListener = text === 'true'
      this.#settings[key] = this.#isPerListener
      this.#places.set(key, place)
    } else if (key === 'include_dir') this.#include(text, refuse)
    else if (key === 'port') {
      this.#default.port = readPort(text, refuse)
      this.#default.places.set(key, place)
    } else if (key === 'bind_address') {
      this.#default.host = text
      this.#default.places.set(key, place)
    } else {
      const [port = '', host, ...rest] = text.split(/\s+/)
      if (rest.length > 0) throw refuse('expected PORT, or PORT and ADDRESS')
      if (host?.startsWith('/')) throw refuse('Unix sockets are not supported yet')
      const places = new Map([['listener', place]])
      this.#listeners.push({ port: readPort(port, refuse), host, settings: {}, places })
    }
  }

  #include(folder: string, refuse: (what: string) => Error): void {
    if (this.#isIncluded) throw refuse('only the main file may include others')
    const at = path.resolve(this.#folder, folder)
    let names: string[]
    try {
      names = readdirSync(at).filter((name) => name.endsWith('.conf'))
    } catch {
      throw refuse(`the folder ${at} cannot be read`)
    }
    this.#isIncluded = true
    this.#files.push(at)
    for (const name of names.sort()) {
      const file = path.join(at, name)
      if (statSync(file).isFile()) this.read(file, readText(file))
    }
    this.#isIncluded = false
  }
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw new SettingsError(`${file}: cannot be read: ${(error as Error).message}`, { file })
  }
}

function readPort(text: string, refuse: (what: string) => Error): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : -1
  if (port < 0 || port > 65_535) throw refuse('expected a port from 0 to 65535')
  return port
}

/** The value that a line means: text, true or false, or a number, as the setting wants it. */
function readValue(type: z.ZodType, text: string, refuse: (what: string) => Error): unknown {
  const asText = type.safeParse(text)
  if (asText.success) return asText.data
  const meant = text === 'true' ? true : text === 'false' ? false : Number(text)
  const result = type.safeParse(Number.isNaN(meant) ? text : meant)
  if (result.success) return result.data
  throw refuse(result.error.issues[0]?.message ?? 'a value that cannot be')
}
